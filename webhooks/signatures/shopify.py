"""Shopify: `X-Shopify-Hmac-Sha256: <base64 HMAC-SHA256 of the raw body>`; the key is the app's client secret.

No other header is signed: the shop, the topic and the ids are the sender's word, so the secret must
belong to one endpoint. Dedupe id: `X-Shopify-Event-Id`, else `X-Shopify-Webhook-Id`.
Source: shopify.dev, "Verify webhooks"; Shopify/shopify-api-php.
"""

from __future__ import annotations

from collections.abc import Sequence

from .compare import base64_mac, by_text, decide, missing, raw, signing_key
from .identify import header_id
from .verdict import Delivery, Outgoing, Scheme, Verdict

HEADER = "X-Shopify-Hmac-Sha256"


def check(secrets: Sequence[str], delivery: Delivery) -> Verdict:
    """Compares the base64 text, not the decoded bytes."""
    given = delivery.header(HEADER)
    if not given:
        return missing(HEADER)

    accepts = by_text(lambda key: base64_mac(key, delivery.body), [raw(given)])

    def dedupe() -> str | None:
        return header_id(delivery, "X-Shopify-Event-Id", "X-Shopify-Webhook-Id")

    return decide(secrets, delivery, accepts=accepts, dedupe=dedupe)


def sign(secret: str, message: Outgoing) -> dict[str, str]:
    """The signature header, and the event id when there is one."""
    value = base64_mac(signing_key(secret), message.body).decode()
    return {HEADER: value, **({"X-Shopify-Event-Id": message.message_id} if message.message_id else {})}


SCHEME = Scheme("shopify", "Shopify", check, sign)
