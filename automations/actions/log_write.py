"""`log.write {level, message}`: a line in the run's log."""

from collections.abc import Mapping
from typing import Any

from automations.kinds import ActionKind, Call


class LogWrite(ActionKind):
    name = "log.write"
    label = "Write to the log"
    group = "Data"
    icon = "edit_note"
    pure = True
    schema = {
        "type": "object",
        "properties": {
            "level": {
                "type": "string",
                "enum": ["debug", "info", "warning", "error"],
                "default": "info",
                "title": "Level",
            },
            "message": {"type": "string", "title": "Message", "maxLength": 10_000},
        },
        "required": ["message"],
        "additionalProperties": False,
    }

    def compute(self, call: Call) -> Any:
        message = call.input["message"]
        call.log(call.input.get("level", "info"), message if isinstance(message, str) else repr(message))
        return {}

    def sentence(self, config: Mapping[str, Any]) -> str:
        return f"Note “{str(config.get('message', ''))[:60]}” in the log"
