"""PagerDuty webhooks v3: `X-PagerDuty-Signature: v1=<hex>[,v1=<hex>]`, HMAC-SHA256 of the raw body.

The secret is literal text (it looks like base64 and is not decoded). No time is signed.
Dedupe id: `event.id` in the body.
Source: developer.pagerduty.com, "Verifying signatures"; PagerDuty/go-pagerduty webhookv3.
"""

from __future__ import annotations

from collections.abc import Sequence

from .compare import MAX_SIGNATURES, by_text, decide, hex_mac, missing, raw, signing_key
from .identify import body_id
from .verdict import Delivery, Outgoing, Scheme, Verdict, refused

HEADER = "X-PagerDuty-Signature"


def check(secrets: Sequence[str], delivery: Delivery) -> Verdict:
    """Any `v1` may match any secret (PagerDuty lists two while a secret is rotated)."""
    header = delivery.header(HEADER)
    if not header:
        return missing(HEADER)
    pairs = [part.strip().partition("=") for part in header.split(",")[:MAX_SIGNATURES]]
    given = [raw(value) for name, _, value in pairs if name == "v1"]
    if not given or not delivery.body:
        return refused(f"{HEADER} has no v1 signature, or the body is empty")

    accepts = by_text(lambda key: hex_mac(key, delivery.body), given)
    return decide(secrets, delivery, accepts=accepts, dedupe=lambda: body_id(delivery.body, "event", "id"))


def sign(secret: str, message: Outgoing) -> dict[str, str]:
    """The signature header; the id of the event is in the body."""
    return {HEADER: "v1=" + hex_mac(signing_key(secret), message.body).decode()}


SCHEME = Scheme("pagerduty", "PagerDuty (v3)", check, sign)
