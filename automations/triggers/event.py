"""`event {types}`: something the product or a client says has happened (CloudEvents)."""

from collections.abc import Mapping
from typing import Any

from automations.kinds import TriggerKind


class EventTrigger(TriggerKind):
    name = "event"
    label = "When an event arrives"
    icon = "bolt"
    schema = {
        "type": "object",
        "properties": {
            "types": {
                "type": "array",
                "title": "Event types",
                "items": {"type": "string", "minLength": 1, "maxLength": 200},
                "minItems": 1,
            }
        },
        "required": ["types"],
        "additionalProperties": False,
    }

    def routes(self, config: Mapping[str, Any]) -> list[str]:
        return [f"event:{name}" for name in config.get("types") or []]

    def sentence(self, config: Mapping[str, Any]) -> str:
        return f"When {' or '.join(config.get('types') or []) or 'an event'} arrives"
