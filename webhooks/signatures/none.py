"""`none`: nothing is checked. For senders that cannot sign, behind a network only they can reach."""

from __future__ import annotations

from collections.abc import Sequence

from .identify import general_id, usable_id
from .options import header_name
from .verdict import Delivery, Outgoing, Scheme, Verdict


def check(secrets: Sequence[str], delivery: Delivery) -> Verdict:
    """Always accepted, and the reason says so."""
    return Verdict(
        ok=True,
        reason="this endpoint accepts messages without a signature",
        dedupe_id=usable_id(general_id(delivery)),
        code="ok",
    )


def sign(secret: str, message: Outgoing) -> dict[str, str]:
    """Only the id, when there is one."""
    name = header_name(message.options, "dedupe_header", "Idempotency-Key")
    return {name: message.message_id} if message.message_id else {}


SCHEME = Scheme("none", "No signature", check, sign, secret="none", options=("dedupe_header",))
