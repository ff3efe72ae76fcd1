"""What the wire gives to the floors below, registered at start."""


def register() -> None:
    from automations import ports
    from automations.kinds import triggers
    from runs.executor.effects import use_network
    from webhooks import endpoints
    from webhooks.outbound import open_wire
    from webhooks.triggers import WebhookTrigger

    if WebhookTrigger.name not in triggers:
        triggers.register(WebhookTrigger())
    use_network(open_wire)
    ports.usable_endpoints.register(endpoints.usable)
