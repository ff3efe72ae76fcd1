from django.apps import AppConfig
from django.db.models.signals import post_migrate


class AutomationsConfig(AppConfig):
    """Definitions: what should happen."""

    name = "automations"
    label = "automations"
    verbose_name = "Build"

    def ready(self) -> None:
        from automations import actions, triggers  # noqa: F401  the tables of contents register the kinds
        from automations.permissions import make_run_as_permission

        post_migrate.connect(make_run_as_permission, sender=self)
