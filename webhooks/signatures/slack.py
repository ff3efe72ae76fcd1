"""Slack: `X-Slack-Signature: v0=<hex>` and `X-Slack-Request-Timestamp`.

Signed bytes: `v0:{timestamp}:{raw body}`, HMAC-SHA256 with the signing secret's literal text; the body
may be JSON or a form. Dedupe id: `event_id` of an event; interactions and commands have none.
Source: docs.slack.dev, "Verifying requests from Slack".
"""

from __future__ import annotations

from collections.abc import Sequence

from .compare import by_text, decide, hex_mac, is_seconds, missing, raw, signing_key
from .identify import body_id
from .verdict import Delivery, Outgoing, Scheme, Verdict, refused

HEADER = "X-Slack-Signature"
TIME_HEADER = "X-Slack-Request-Timestamp"


def check(secrets: Sequence[str], delivery: Delivery) -> Verdict:
    """The window counts to both sides of now, as in Slack's own library."""
    given, timestamp = delivery.header(HEADER), delivery.header(TIME_HEADER)
    if not given:
        return missing(HEADER)
    if not is_seconds(timestamp):
        return refused(f"{TIME_HEADER} is missing or not a whole number of seconds")

    accepts = by_text(lambda key: _signature(key, timestamp, delivery.body), [raw(given)])
    return decide(
        secrets, delivery, accepts=accepts, timestamp=timestamp, dedupe=lambda: body_id(delivery.body, "event_id")
    )


def _signature(key: bytes, timestamp: str, body: bytes) -> bytes:
    return b"v0=" + hex_mac(key, raw(f"v0:{timestamp}:"), body)


def sign(secret: str, message: Outgoing) -> dict[str, str]:
    """Both headers; the id of the event is in the body."""
    value = _signature(signing_key(secret), message.timestamp, message.body).decode()
    return {HEADER: value, TIME_HEADER: message.timestamp}


SCHEME = Scheme("slack", "Slack", check, sign, options=("window",), timed=True)
