"""`email.send {to, cc?, subject, text, html?}`: an e-mail. It cannot be taken back, and a mail server keeps no key."""

from collections.abc import Mapping
from typing import Any

from automations.kinds import ActionKind, Call, Effects, Mail

_ADDRESSES = {
    "anyOf": [{"type": "string", "minLength": 3}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]
}


def addresses(value: Any) -> list[str]:
    """A list of addresses, from one text (commas between them) or a list."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else list(value or [])


class EmailSend(ActionKind):
    name = "email.send"
    label = "Send an e-mail"
    group = "Messages"
    icon = "mail"
    schema = {
        "type": "object",
        "properties": {
            "to": {**_ADDRESSES, "title": "To"},
            "cc": {**_ADDRESSES, "title": "Copy to"},
            "subject": {"type": "string", "title": "Subject", "maxLength": 998},
            "text": {"type": "string", "title": "Text"},
            "html": {"type": "string", "title": "HTML"},
        },
        "required": ["to", "subject", "text"],
        "additionalProperties": False,
    }
    output_schema = {"type": "object", "properties": {"to": {"type": "array", "items": {"type": "string"}}}}

    def risk(self, config: Mapping[str, Any]) -> str:
        return "irreversible"

    def safety(self, config: Mapping[str, Any]) -> str:
        return "unsafe"

    async def perform(self, call: Call, effects: Effects) -> Any:
        given = call.input
        mail = Mail(
            to=addresses(given["to"]),
            cc=addresses(given.get("cc")),
            subject=given["subject"],
            text=given["text"],
            html=given.get("html", ""),
        )
        await effects.mail(mail)
        return {"to": mail.to}

    def simulate(self, call: Call) -> Any:
        return {"to": addresses(call.input["to"])}

    def sentence(self, config: Mapping[str, Any]) -> str:
        return f"Send “{str(config.get('subject', ''))[:60]}” to {', '.join(addresses(config.get('to'))) or '…'}"
