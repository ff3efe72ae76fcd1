"""Grafana alerting (12 and later): `X-Grafana-Alerting-Signature: <hex HMAC-SHA256>`, no prefix.

Signed bytes: the raw body, or `{timestamp}:{raw body}` when the contact point has a timestamp header.
Both header names can be chosen in Grafana: options `header` and `timestamp_header`. A configured
timestamp header is required; without the option the usual name is honoured when it is sent.
Grafana has no id of its own per message, so there is no dedupe id unless `dedupe_header` names one.
Source: github.com/grafana/alerting, http/hmac.go.
"""

from __future__ import annotations

from collections.abc import Sequence

from .compare import by_text, decide, hex_mac, is_seconds, missing, raw, signing_key
from .identify import header_id
from .options import header_name
from .verdict import Delivery, Outgoing, Scheme, Verdict, refused

HEADER = "X-Grafana-Alerting-Signature"
EARLY_HEADER = "X-Grafana-Alert-Signature"  # the default of an early version of the library
TIME_HEADER = "X-Grafana-Alerting-Timestamp"


def check(secrets: Sequence[str], delivery: Delivery) -> Verdict:
    """With a timestamp it is part of the signed bytes and the window applies."""
    name = header_name(delivery.options, "header")
    given = delivery.header(name) if name else delivery.header(HEADER) or delivery.header(EARLY_HEADER)
    if not given:
        return missing(name or HEADER)
    time_name = header_name(delivery.options, "timestamp_header")
    timestamp = delivery.header(time_name or TIME_HEADER)
    if (timestamp or time_name) and not is_seconds(timestamp):
        return refused(f"the header {time_name or TIME_HEADER} is missing or not a whole number of seconds")
    signed = (raw(f"{timestamp}:") if timestamp else b"", delivery.body)

    accepts = by_text(lambda key: hex_mac(key, *signed), [raw(given)])

    def dedupe() -> str | None:
        wanted = header_name(delivery.options, "dedupe_header")
        return header_id(delivery, wanted) if wanted else None

    return decide(secrets, delivery, accepts=accepts, timestamp=timestamp or None, dedupe=dedupe)


def sign(secret: str, message: Outgoing) -> dict[str, str]:
    """The signature header, with a timestamp header when the options name one."""
    name = header_name(message.options, "header", HEADER)
    time_name = header_name(message.options, "timestamp_header")
    signed = raw(f"{message.timestamp}:") if time_name else b""
    headers = {name: hex_mac(signing_key(secret), signed, message.body).decode()}
    dedupe = header_name(message.options, "dedupe_header")
    if dedupe and message.message_id:
        headers[dedupe] = message.message_id
    return {**headers, **({time_name: message.timestamp} if time_name else {})}


OPTIONS = ("header", "timestamp_header", "dedupe_header", "window")
SCHEME = Scheme("grafana", "Grafana alerting", check, sign, options=OPTIONS, timed=True)
