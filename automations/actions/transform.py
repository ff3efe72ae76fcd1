"""`transform {values}`: new values from those at hand; its output is the rendered values."""

from collections.abc import Mapping
from typing import Any

from automations.kinds import ActionKind, Call


class Transform(ActionKind):
    name = "transform"
    label = "Compute values"
    group = "Data"
    icon = "calculate"
    pure = True
    schema = {
        "type": "object",
        "properties": {"values": {"type": "object", "title": "Values", "description": "Name → value or template."}},
        "required": ["values"],
        "additionalProperties": False,
    }

    def compute(self, call: Call) -> Any:
        return call.input["values"]

    def sentence(self, config: Mapping[str, Any]) -> str:
        names = list(config.get("values") or {})
        return f"Compute {', '.join(names[:3])}{' …' if len(names) > 3 else ''}" if names else self.label
