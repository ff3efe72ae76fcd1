"""What the wire gives to the floors below, registered at start."""


def register() -> None:
    from automations.kinds import triggers
    from webhooks.triggers import WebhookTrigger

    if WebhookTrigger.name not in triggers:
        triggers.register(WebhookTrigger())
