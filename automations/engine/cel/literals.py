"""The values of literal tokens."""

from __future__ import annotations

import re

from .errors import Fault
from .values import Uint

INT_MIN, INT_MAX, UINT_MAX = -(2**63), 2**63 - 1, 2**64 - 1
_ESCAPE = re.compile(
    r"\\(?:([abfnrtv\\?\"'`])|[xX]([0-9a-fA-F]{2})|([0-3][0-7]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|)", re.DOTALL
)
_SIMPLE = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


def integer(text: str, *, negative: bool = False) -> int:
    """The value of an int or uint token; refuses what 64 bits cannot hold."""
    unsigned = text[-1] in "uU"
    digits = text[:-1] if unsigned else text
    if len(digits) > 512:
        raise Fault("this number is too long")
    value = int(digits, 16) if digits[:2] == "0x" else int(digits)
    value = -value if negative else value
    low, high = (0, UINT_MAX) if unsigned else (INT_MIN, INT_MAX)
    if not low <= value <= high:
        raise Fault(f"{'-' if negative else ''}{text[:24]} does not fit 64 bits")
    return Uint(value) if unsigned else value


def double(text: str, *, negative: bool = False) -> float:
    """The value of a double token."""
    value = float(text)
    if value == float("inf"):
        raise Fault(f"{text[:24]} is too large for a double")
    return -value if negative else value


def text_or_bytes(token: str) -> str | bytes:
    """The value of a string or bytes token, quotes, prefixes and escapes resolved."""
    prefix = token[: len(token) - len(token.lstrip("bBrR"))].lower()
    body = token[len(prefix) :]
    quotes = 3 if body[:3] in ("'''", '"""') else 1
    body = body[quotes:-quotes]
    if "\r" in body:
        body = body.replace("\r\n", "\n").replace("\r", "\n")
    raw = "r" in prefix
    if "b" in prefix:
        return _encode(body) if raw else _bytes(body)
    return body if raw or "\\" not in body else _ESCAPE.sub(_character, body)


def _encode(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise Fault("the text holds half a surrogate pair") from None


def _character(found: re.Match[str]) -> str:
    simple, hexadecimal, octal, short, long = found.groups()
    if simple:
        return _SIMPLE.get(simple, simple)
    digits = hexadecimal or short or long
    if not digits and not octal:
        raise Fault("unknown escape sequence in a text")
    point = int(digits, 16) if digits else int(octal, 8)
    if 0xD800 <= point <= 0xDFFF or point > 0x10FFFF:
        raise Fault(f"\\{found.group()[1:]} is no Unicode character")
    return chr(point)


def _bytes(body: str) -> bytes:
    pieces: list[bytes] = []
    at = 0
    for found in _ESCAPE.finditer(body):
        if found.group(4) or found.group(5):
            raise Fault("\\u and \\U are for texts, not for bytes")
        pieces.append(_encode(body[at : found.start()]))
        character = _character(found)
        pieces.append(bytes([ord(character)]))
        at = found.end()
    pieces.append(_encode(body[at:]))
    return b"".join(pieces)
