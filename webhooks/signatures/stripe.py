"""Stripe: `Stripe-Signature: t=<unix seconds>,v1=<hex>[,v1=<hex>][,v0=…]`.

Signed bytes: `{t}.{raw body}`, HMAC-SHA256; the key is the secret's literal text, its `whsec_` included
(unlike Standard Webhooks). Only `v1` counts. The window is judged on both sides; Stripe's own Python
library looks at the past only. Dedupe id: the event's `id` in the body.
Source: docs.stripe.com/webhooks, "Verify webhook signatures manually"; stripe-python.
"""

from __future__ import annotations

from collections.abc import Sequence

from .compare import MAX_SIGNATURES, by_text, decide, hex_mac, is_seconds, missing, raw, signing_key
from .identify import body_id
from .verdict import Delivery, Outgoing, Scheme, Verdict, refused

HEADER = "Stripe-Signature"


def check(secrets: Sequence[str], delivery: Delivery) -> Verdict:
    """Any `v1` may match any secret (Stripe sends two while a secret is rolled)."""
    header = delivery.header(HEADER)
    if not header:
        return missing(HEADER)
    pairs = [part.strip().partition("=") for part in header.split(",")[: MAX_SIGNATURES + 1]]
    times = [value for name, _, value in pairs if name == "t"]
    given = [raw(value) for name, _, value in pairs if name == "v1"]
    if len(times) != 1 or not is_seconds(times[0]):
        return refused(f"{HEADER} needs exactly one t=<unix seconds>")
    if not given:
        return refused(f"{HEADER} has no v1 signature; other versions do not count")
    timestamp = times[0]

    accepts = by_text(lambda key: hex_mac(key, raw(f"{timestamp}."), delivery.body), given)
    return decide(secrets, delivery, accepts=accepts, timestamp=timestamp, dedupe=lambda: body_id(delivery.body, "id"))


def sign(secret: str, message: Outgoing) -> dict[str, str]:
    """The signature header; the id of the event is in the body."""
    value = hex_mac(signing_key(secret), raw(f"{message.timestamp}."), message.body).decode()
    return {HEADER: f"t={message.timestamp},v1={value}"}


SCHEME = Scheme("stripe", "Stripe", check, sign, options=("window",), timed=True)
