"""What goes into a check and what comes out of it: Delivery, Outgoing, Verdict, Scheme.

No Django, no clock, no I/O: the time arrives as an argument, so every answer can be repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Code = Literal["ok", "bad_signature", "stale", "unsigned"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to "did this really come from them?".

    `ok`: accept it. `reason`: one sentence for the receipt, never containing a secret.
    `dedupe_id`: the sender's own id of this message, the same over its retries; None when the scheme
    has none, and always None when `ok` is false. `code`: ok | bad_signature | stale | unsigned.
    `matched`: index in `secrets` of the one that matched (also for a stale one), None without a match.
    """

    ok: bool
    reason: str
    dedupe_id: str | None = None
    code: Code = "bad_signature"
    matched: int | None = None

    @property
    def stale(self) -> bool:
        """True when the signature is right and its time is outside the window."""
        return self.code == "stale"


def unsigned(reason: str) -> Verdict:
    """The message carries no signature at all."""
    return Verdict(ok=False, reason=reason, code="unsigned")


def refused(reason: str) -> Verdict:
    """The message carries a signature that proves nothing."""
    return Verdict(ok=False, reason=reason, code="bad_signature")


@dataclass(frozen=True, slots=True)
class Delivery:
    """One received message: lower-case header names, the raw body, the receiver's clock (unix seconds),
    the public address it was sent to (only Twilio and access tokens need it), the endpoint's options."""

    headers: Mapping[str, str]
    body: bytes
    now: float
    url: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)

    def header(self, name: str) -> str:
        """The header's value without surrounding blanks; "" when absent."""
        return self.headers.get(name.lower(), "")


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message to sign: raw body, unix seconds, its id, the receiver's address, options."""

    body: bytes
    now: float
    message_id: str = ""
    url: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def timestamp(self) -> str:
        """Whole unix seconds as text, as every scheme sends it."""
        return str(int(self.now))


@dataclass(frozen=True, slots=True)
class Scheme:
    """One way of signing: how to check it, how to make it, and what its form needs to know.

    `secret`: "text" (used literally), "whsec" (base64 key behind `whsec_`) or "none".
    `options`: the endpoint options it reads. `timed`: the signature covers a time, so `window` applies.
    """

    name: str
    title: str
    check: Callable[[Sequence[str], Delivery], Verdict]
    sign: Callable[[str, Outgoing], dict[str, str]]
    secret: Literal["text", "whsec", "none"] = "text"
    options: tuple[str, ...] = ()
    timed: bool = False


def lower_names(headers: object) -> dict[str, str]:
    """Header names in lower case, values as stripped text; what is neither text nor bytes is left out.

    When two spellings of one name arrive the first stands: a later one cannot replace it.
    """
    found: dict[str, str] = {}
    for name, value in headers.items() if isinstance(headers, Mapping) else ():
        name, value = _text(name), _text(value)
        if name is not None and value is not None:
            found.setdefault(name.lower(), value.strip(" \t"))
    return found


def _text(value: object) -> str | None:
    if isinstance(value, str):
        return value
    return value.decode("latin-1") if isinstance(value, (bytes, bytearray)) else None
