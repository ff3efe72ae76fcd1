"""`webhook {endpoint}`: a delivery to one of our endpoints."""

from collections.abc import Mapping
from typing import Any

from automations.engine.errors import Problem
from automations.kinds import TriggerKind


class WebhookTrigger(TriggerKind):
    name = "webhook"
    label = "When a webhook arrives"
    icon = "webhook"
    schema = {
        "type": "object",
        "properties": {"endpoint": {"type": "string", "title": "Endpoint"}},
        "required": ["endpoint"],
        "additionalProperties": False,
    }

    def check(self, config: Mapping[str, Any]) -> list[Problem]:
        from webhooks.models import Endpoint

        slug = config.get("endpoint")
        if slug and not Endpoint.objects.filter(slug=slug).exists():
            return [
                Problem(
                    "endpoint", f"There is no endpoint {slug}.", fix="Create it under Endpoints.", severity="incomplete"
                )
            ]
        return []

    def routes(self, config: Mapping[str, Any]) -> list[str]:
        return [f"hooks/{config['endpoint']}"] if config.get("endpoint") else []

    def sentence(self, config: Mapping[str, Any]) -> str:
        return f"When a webhook arrives at {config.get('endpoint') or '…'}"
