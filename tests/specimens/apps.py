from django.apps import AppConfig


class SpecimensConfig(AppConfig):
    name = "tests.specimens"
    label = "specimens"

    def ready(self) -> None:
        from tests.specimens import kinds, stops

        kinds.register()
        stops.install()
