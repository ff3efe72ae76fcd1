"""GitHub: `X-Hub-Signature-256: sha256=<hex HMAC-SHA256 of the raw body>`; the secret is literal text.

No time is signed, so replay protection is the dedupe id alone, `X-GitHub-Delivery`, which stays the
same when a delivery is sent again. The old SHA-1 header is ignored.
Source: docs.github.com, "Validating webhook deliveries".
"""

from __future__ import annotations

from collections.abc import Sequence

from .compare import by_text, decide, hex_mac, missing, raw, signing_key
from .identify import header_id
from .verdict import Delivery, Outgoing, Scheme, Verdict, unsigned

HEADER = "X-Hub-Signature-256"


def check(secrets: Sequence[str], delivery: Delivery) -> Verdict:
    """Compares the whole header, prefix included."""
    given = delivery.header(HEADER)
    if not given:
        if delivery.header("X-Hub-Signature"):
            return unsigned(f"only the SHA-1 header X-Hub-Signature came; {HEADER} is needed")
        return missing(HEADER)

    accepts = by_text(lambda key: b"sha256=" + hex_mac(key, delivery.body), [raw(given)])
    return decide(secrets, delivery, accepts=accepts, dedupe=lambda: header_id(delivery, "X-GitHub-Delivery"))


def sign(secret: str, message: Outgoing) -> dict[str, str]:
    """The signature header, and `X-GitHub-Delivery` when there is an id."""
    value = "sha256=" + hex_mac(signing_key(secret), message.body).decode()
    return {HEADER: value, **({"X-GitHub-Delivery": message.message_id} if message.message_id else {})}


SCHEME = Scheme("github", "GitHub", check, sign)
