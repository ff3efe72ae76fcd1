"""Sentry: `Sentry-Hook-Signature: <hex HMAC-SHA256 of the raw body>`; the key is the integration's client secret.

UI components send `Sentry-App-Signature` instead. The body may be empty although the content type
says JSON. `Sentry-Hook-Timestamp` is not signed and therefore not judged. Dedupe id: `Request-ID`.
Source: docs.sentry.io, "Webhooks"; getsentry/integration-platform-example.
"""

from __future__ import annotations

from collections.abc import Sequence

from .compare import by_text, decide, hex_mac, missing, raw, signing_key
from .identify import header_id
from .verdict import Delivery, Outgoing, Scheme, Verdict

HEADER = "Sentry-Hook-Signature"


def check(secrets: Sequence[str], delivery: Delivery) -> Verdict:
    """An empty body is verified like any other."""
    given = delivery.header(HEADER) or delivery.header("Sentry-App-Signature")
    if not given:
        return missing(HEADER)

    accepts = by_text(lambda key: hex_mac(key, delivery.body), [raw(given)])
    return decide(secrets, delivery, accepts=accepts, dedupe=lambda: header_id(delivery, "Request-ID"))


def sign(secret: str, message: Outgoing) -> dict[str, str]:
    """The signature header, and `Request-ID` when there is an id."""
    value = hex_mac(signing_key(secret), message.body).decode()
    return {HEADER: value, **({"Request-ID": message.message_id} if message.message_id else {})}


SCHEME = Scheme("sentry", "Sentry", check, sign)
