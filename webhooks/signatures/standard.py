"""Standard Webhooks 1.0.0: `webhook-id`, `webhook-timestamp`, `webhook-signature`.

Signed bytes: `{id}.{timestamp}.{raw body}`. `v1` is HMAC-SHA256 with the base64-decoded key behind
`whsec_`; `v1a` is ed25519 with the public key behind `whpk_` (or its private half, `whsk_`).
The header may list several signatures, separated by blanks; unknown versions do not count.
Source: github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from .compare import MAX_SIGNATURES, base64_bytes, base64_mac, decide, equals_any, is_seconds, missing, raw
from .verdict import Delivery, Outgoing, Scheme, Verdict, refused

SYMMETRIC, PUBLIC, PRIVATE = "whsec_", "whpk_", "whsk_"
SEED = 32  # bytes of an ed25519 seed; a private key is the seed, or seed and public key


def check(secrets: Sequence[str], delivery: Delivery) -> Verdict:
    """HMAC or ed25519, by the prefix of each secret; the dedupe id is `webhook-id`."""
    return check_signed(secrets, delivery, asymmetric=True)


def check_signed(secrets: Sequence[str], delivery: Delivery, *, asymmetric: bool) -> Verdict:
    """The shared check; `asymmetric=False` knows `v1` only."""
    header = delivery.header("webhook-signature")
    message_id, timestamp = delivery.header("webhook-id"), delivery.header("webhook-timestamp")
    if not header:
        return missing("webhook-signature")
    if not message_id or not timestamp:
        return refused("the headers webhook-id and webhook-timestamp are both needed")
    if not is_seconds(timestamp):
        return refused("webhook-timestamp is not a whole number of seconds")
    given = _signatures(header)
    signed = (raw(f"{message_id}.{timestamp}."), delivery.body)

    def accepts(secret: str) -> bool | None:
        if isinstance(secret, str) and secret.startswith((PUBLIC, PRIVATE)):
            return _accepts_public(secret, given.get("v1a", []), signed) if asymmetric else None
        key = symmetric_key(secret)
        return None if key is None else equals_any(base64_mac(key, *signed), given.get("v1", []))

    return decide(secrets, delivery, accepts=accepts, timestamp=timestamp, dedupe=lambda: message_id)


def _signatures(header: str) -> dict[str, list[bytes]]:
    """version -> encoded signatures; an entry without a comma is no signature (and no exception)."""
    found: dict[str, list[bytes]] = {}
    for entry in header.split()[:MAX_SIGNATURES]:
        version, comma, encoded = entry.partition(",")
        if comma and encoded:
            found.setdefault(version, []).append(raw(encoded))
    return found


def symmetric_key(secret: object) -> bytes | None:
    """The key bytes of `whsec_<base64>` (the prefix may be missing), or None."""
    return base64_bytes(secret.removeprefix(SYMMETRIC)) if isinstance(secret, str) else None


def _public_key(secret: str) -> Ed25519PublicKey | None:
    if secret.startswith(PRIVATE):
        private = _private_key(secret)
        return private.public_key() if private else None
    data = base64_bytes(secret.removeprefix(PUBLIC))
    return Ed25519PublicKey.from_public_bytes(data) if data and len(data) == SEED else None


def _private_key(secret: str) -> Ed25519PrivateKey | None:
    data = base64_bytes(secret.removeprefix(PRIVATE))
    return Ed25519PrivateKey.from_private_bytes(data[:SEED]) if data and len(data) in (SEED, 2 * SEED) else None


def _accepts_public(secret: str, given: list[bytes], signed: tuple[bytes, bytes]) -> bool | None:
    key = _public_key(secret)
    if key is None:
        return None
    for encoded in given:
        try:
            key.verify(base64_bytes(encoded.decode("ascii")) or b"", b"".join(signed))
            return True
        except (InvalidSignature, UnicodeDecodeError):
            continue
    return False


def sign(secret: str, message: Outgoing) -> dict[str, str]:
    """The three headers; a `whsk_` secret signs `v1a`, any other `v1`. Needs `message_id`."""
    return sign_with([secret], message)


def sign_with(secrets: Sequence[str], message: Outgoing) -> dict[str, str]:
    """The same with several secrets side by side, newest first: how a sender rotates without losing a receiver."""
    if not message.message_id or "." in message.message_id or not message.message_id.isascii():
        raise ValueError("a message id is needed: ASCII text without a dot, which separates the signed parts")
    signed = (raw(f"{message.message_id}.{message.timestamp}."), message.body)
    return {
        "webhook-id": message.message_id,
        "webhook-timestamp": message.timestamp,
        "webhook-signature": " ".join(_sign_one(secret, signed) for secret in secrets),
    }


def _sign_one(secret: str, signed: tuple[bytes, bytes]) -> str:
    if secret.startswith(PUBLIC):
        raise ValueError("a public key (whpk_) checks signatures; signing needs whsec_ or whsk_")
    if secret.startswith(PRIVATE):
        private = _private_key(secret)
        if private is None:
            raise ValueError("the secret is not whsk_ followed by 32 or 64 base64 bytes")
        return "v1a," + base64.b64encode(private.sign(b"".join(signed))).decode()
    key = symmetric_key(secret)
    if key is None:
        raise ValueError("the secret is not whsec_ followed by base64")
    return "v1," + base64_mac(key, *signed).decode()


SCHEME = Scheme("standard", "Standard Webhooks", check, sign, secret="whsec", options=("window",), timed=True)
