"""`manual {form?}`: a person or a program starts it."""

from collections.abc import Mapping
from typing import Any

from automations.kinds import TriggerKind


class ManualTrigger(TriggerKind):
    name = "manual"
    label = "When somebody starts it"
    icon = "touch_app"
    schema = {
        "type": "object",
        "properties": {"form": {"type": "object", "title": "Form", "description": "JSON Schema of the payload."}},
        "additionalProperties": False,
    }

    def routes(self, config: Mapping[str, Any]) -> list[str]:
        return ["manual"]
