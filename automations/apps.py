from django.apps import AppConfig


class AutomationsConfig(AppConfig):
    """Definitions: what should happen."""

    name = "automations"
    label = "automations"
    verbose_name = "Build"

    def ready(self) -> None:
        from automations import actions, triggers  # noqa: F401  the tables of contents register the kinds
