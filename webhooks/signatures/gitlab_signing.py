"""GitLab's signing token (2026): Standard Webhooks with `v1` only; the token is `whsec_` and 32 base64 bytes.

There is no falling back to `X-Gitlab-Token`. GitLab sends the same id as `webhook-id` (signed) and
`Idempotency-Key` (not signed), so the signed one is used. Source: GitLab merge requests 230944 and 231325.
"""

from __future__ import annotations

from collections.abc import Sequence

from . import standard
from .verdict import Delivery, Outgoing, Scheme, Verdict


def check(secrets: Sequence[str], delivery: Delivery) -> Verdict:
    """HMAC only; the dedupe id is `webhook-id`."""
    return standard.check_signed(secrets, delivery, asymmetric=False)


def sign(secret: str, message: Outgoing) -> dict[str, str]:
    """The Standard Webhooks headers and the `Idempotency-Key` GitLab adds."""
    if secret.startswith((standard.PRIVATE, standard.PUBLIC)):
        raise ValueError("GitLab signs with a whsec_ token only")
    return {**standard.sign(secret, message), "Idempotency-Key": message.message_id}


SCHEME = Scheme(
    "gitlab-signing", "GitLab (signing token)", check, sign, secret="whsec", options=("window",), timed=True
)
