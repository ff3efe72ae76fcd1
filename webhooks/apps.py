from django.apps import AppConfig


class WebhooksConfig(AppConfig):
    """The wire: what arrives and what is sent."""

    name = "webhooks"
    label = "automations_webhooks"
    verbose_name = "Wire"

    def ready(self) -> None:
        from webhooks import ports

        ports.register()
