"""GitLab's secret token (legacy): `X-Gitlab-Token` carries the secret itself; the body is not signed.

Dedupe id: `Idempotency-Key`, which stays the same over retries; else `X-Gitlab-Event-UUID` (not the
other way round: hooks that set one another off share that UUID though they are different events).
Source: docs.gitlab.com, "Webhooks", delivery headers.
"""

from __future__ import annotations

from collections.abc import Sequence

from .compare import by_text, decide, missing, signing_key, spellings
from .identify import header_id
from .verdict import Delivery, Outgoing, Scheme, Verdict

HEADER = "X-Gitlab-Token"


def check(secrets: Sequence[str], delivery: Delivery) -> Verdict:
    """Equality in constant time; an empty secret equals nothing."""
    given = delivery.header(HEADER)
    if not given:
        return missing(HEADER)

    accepts = by_text(lambda key: key, spellings(given))

    def dedupe() -> str | None:
        return header_id(delivery, "Idempotency-Key", "X-Gitlab-Event-UUID")

    return decide(secrets, delivery, accepts=accepts, dedupe=dedupe)


def sign(secret: str, message: Outgoing) -> dict[str, str]:
    """The token header, and the ids when there is one."""
    signing_key(secret)
    ids = {"X-Gitlab-Event-UUID": message.message_id, "Idempotency-Key": message.message_id}
    return {HEADER: secret, **(ids if message.message_id else {})}


SCHEME = Scheme("gitlab", "GitLab (secret token)", check, sign)
