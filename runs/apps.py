from django.apps import AppConfig


class RunsConfig(AppConfig):
    """Execution: what did happen."""

    name = "runs"
    label = "automations_runs"
    verbose_name = "Watch"

    def ready(self) -> None:
        from runs import ports

        ports.register()
