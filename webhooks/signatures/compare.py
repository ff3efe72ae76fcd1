"""Keys, MACs and comparison. The only place where two signatures meet, and they meet as bytes in constant time."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Iterable, Sequence

from .identify import usable_id
from .options import window_seconds
from .verdict import Delivery, Verdict, refused, unsigned

MAX_SIGNATURES = 32  # a header with more is not from a sender we know; it would only cost time

_SECONDS = re.compile(r"[0-9]{1,12}", re.ASCII)


def text_key(secret: object) -> bytes | None:
    """The secret's text itself as key (UTF-8); None when empty, blank or not text."""
    if not isinstance(secret, str) or not secret.strip():
        return None
    return secret.encode("utf-8", "surrogatepass")


def base64_bytes(text: str) -> bytes | None:
    """Strictly decoded base64 (padding may be missing); None for anything else, so junk never becomes a key."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True) or None
    except (ValueError, binascii.Error):
        return None


def mac(key: bytes, *parts: bytes, algorithm: str = "sha256") -> bytes:
    """HMAC over the joined parts, without joining them in memory. `algorithm` is one of options.ALGORITHMS."""
    running = hmac.new(key, digestmod=getattr(hashlib, algorithm))
    for part in parts:
        running.update(part)
    return running.digest()


def hex_mac(key: bytes, *parts: bytes, algorithm: str = "sha256") -> bytes:
    """The same as lower-case hex text."""
    return mac(key, *parts, algorithm=algorithm).hex().encode()


def base64_mac(key: bytes, *parts: bytes, algorithm: str = "sha256") -> bytes:
    """The same as padded standard base64 text."""
    return base64.b64encode(mac(key, *parts, algorithm=algorithm))


def spellings(text: str) -> list[bytes]:
    """A header's text as the bytes it may have been: web servers hand over UTF-8 decoded as Latin-1."""
    plain = raw(text)
    return [plain, text.encode("latin-1")] if not text.isascii() and max(text) <= "\xff" else [plain]


def raw(text: str) -> bytes:
    """Header text as bytes; never raises, whatever a server let through."""
    return text.encode("utf-8", "surrogatepass")


def equals_any(expected: bytes, given: Iterable[bytes]) -> bool:
    """True when one of the given values is the expected one; looks at all of them, each in constant time.

    The *encoded* forms are compared: base64 decoders are lenient, texts are not.
    """
    found = False
    for value in given:
        found |= hmac.compare_digest(expected, value)
    return found


def by_text(expected: Callable[[bytes], bytes], given: Sequence[bytes]) -> Callable[[str], bool | None]:
    """The `accepts` of `decide` for schemes whose key is the secret's literal text."""

    def accepts(secret: str) -> bool | None:
        key = text_key(secret)
        return None if key is None else equals_any(expected(key), given)

    return accepts


def is_seconds(text: str) -> bool:
    """True for plain digits, the only form of a unix timestamp that is taken."""
    return _SECONDS.fullmatch(text) is not None


def is_fresh(timestamp: str, now: object, window: float) -> bool:
    """True when |now - timestamp| <= window (seconds; the edge still passes). A missing or NaN clock is never fresh."""
    if not isinstance(now, (int, float)) or not is_seconds(timestamp):
        return False
    return abs(now - int(timestamp)) <= window


def decide(
    secrets: Sequence[str],
    delivery: Delivery,
    *,
    accepts: Callable[[str], bool | None],
    timestamp: str | None = None,
    dedupe: Callable[[], object] = lambda: None,
) -> Verdict:
    """The rule all schemes share: find the secret that matches, then look at the time, then at the id.

    `accepts(secret)`: True, False, or None when this secret is unusable. The time is judged after the
    signature, so "stale" always means genuine but old; `dedupe` runs last, so nothing of an unproven
    body is ever parsed.
    """
    answers = [accepts(secret) for secret in secrets]
    if True not in answers:
        if all(answer is None for answer in answers):
            return refused("no usable secret is configured for this endpoint")
        return refused("the signature does not match any of the endpoint's secrets")
    matched = answers.index(True)
    window = window_seconds(delivery.options)
    if timestamp is not None and not is_fresh(timestamp, delivery.now, window):
        reason = f"the signature is right but its time is more than {window:g} s away from now"
        return Verdict(ok=False, reason=reason, code="stale", matched=matched)
    reason = "the signature matches" if matched == 0 else f"the signature matches secret number {matched + 1}"
    return Verdict(ok=True, reason=reason, dedupe_id=usable_id(dedupe()), code="ok", matched=matched)


def missing(header: str) -> Verdict:
    """The usual answer when the signature header is absent or empty."""
    return unsigned(f"the header {header} is missing or empty")


def signing_key(secret: str) -> bytes:
    """The literal key for signing. ValueError when the secret is empty."""
    key = text_key(secret)
    if key is None:
        raise ValueError("the secret is empty; nothing can be signed with it")
    return key
