"""The strings extension library. Positions count code points from 0."""

from __future__ import annotations

from typing import Any

from ..budget import Frame
from ..errors import Fault
from ..values import plain, type_name
from .registry import function

_SPACE = "\t\n\v\f\r \x85\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000"
_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
_UPPER = {code + 32: code for code in _LOWER}
_QUOTED = str.maketrans({
    "\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v",
    "\\": "\\\\", '"': '\\"',
})  # fmt: skip


def _checked(text: str, at: int) -> int:
    if not 0 <= at <= len(text):
        raise Fault(f"index out of range: {at}")
    return at


@function("charAt", "string", "int", method=True)
def char_at(frame: Frame, text: str, at: int) -> str:
    return text[_checked(text, at) : at + 1]


@function("indexOf", "string", "string", method=True)
def index_of(frame: Frame, text: str, part: str) -> int:
    frame.charge_search(len(text), len(part))
    return text.find(part)


@function("indexOf", "string", "string", "int", method=True)
def index_of_from(frame: Frame, text: str, part: str, at: int) -> int:
    frame.charge_search(len(text), len(part))
    return text.find(part, _checked(text, at))


@function("lastIndexOf", "string", "string", method=True)
def last_index_of(frame: Frame, text: str, part: str) -> int:
    return _last(frame, text, part)


@function("lastIndexOf", "string", "string", "int", method=True)
def last_index_of_from(frame: Frame, text: str, part: str, at: int) -> int:
    return _last(frame, text[: _checked(text, at) + len(part)], part)


def _last(frame: Frame, text: str, part: str) -> int:
    """``rfind``, which Python does in quadratic time, as ``find`` of the reversed texts where that matters."""
    frame.charge(len(text) // 64)
    if len(part) < 16:
        return text.rfind(part)
    frame.charge_search(len(text), len(part))
    found = text[::-1].find(part[::-1])
    return found if found < 0 else len(text) - len(part) - found


@function("join", "list", method=True)
def join(frame: Frame, items: list[Any]) -> str:
    return join_with(frame, items, "")


@function("join", "list", "string", method=True)
def join_with(frame: Frame, items: list[Any], separator: str) -> str:
    frame.charge(len(items))
    texts = [item if type(item) is str else _text(item) for item in items]
    frame.charge_text(sum(map(len, texts)) + len(separator) * max(0, len(texts) - 1))
    return separator.join(texts)


def _text(item: Any) -> str:
    item = plain(item)
    if not isinstance(item, str):
        raise Fault(f"join() needs a list of texts, but it holds {type_name(item)}")
    return item


@function("split", "string", "string", method=True)
def split(frame: Frame, text: str, separator: str) -> list[str]:
    return split_at_most(frame, text, separator, -1)


@function("split", "string", "string", "int", method=True)
def split_at_most(frame: Frame, text: str, separator: str, limit: int) -> list[str]:
    """At most ``limit`` parts; all of them when it is negative. An empty separator splits into characters."""
    if limit == 0:
        return []
    frame.charge_text(len(text))
    if separator:
        frame.charge_search(len(text), len(separator))
        parts = text.count(separator)
        frame.charge_items(2 * (parts if limit < 0 else min(parts, limit)))
        return text.split(separator, -1 if limit < 0 else min(limit - 1, len(text)))
    frame.charge_items(2 * (len(text) if limit < 0 else min(len(text), limit)))
    if limit < 0 or limit >= len(text):
        return list(text) or [""]
    return [*text[: limit - 1], text[limit - 1 :]]


@function("replace", "string", "string", "string", method=True)
def replace(frame: Frame, text: str, old: str, new: str) -> str:
    return replace_at_most(frame, text, old, new, -1)


@function("replace", "string", "string", "string", "int", method=True)
def replace_at_most(frame: Frame, text: str, old: str, new: str, limit: int) -> str:
    """Replace the first ``limit`` occurrences; all of them when it is negative."""
    frame.charge_search(3 * len(text), len(old))
    count = text.count(old) if limit < 0 else min(text.count(old), limit)
    frame.charge_text(len(text) + count * (len(new) - len(old)))
    frame.charge(count // 4)
    return text.replace(old, new, count)


@function("substring", "string", "int", method=True)
def substring(frame: Frame, text: str, start: int) -> str:
    return text[_paid(frame, text, start, len(text)) :]


@function("substring", "string", "int", "int", method=True)
def substring_to(frame: Frame, text: str, start: int, end: int) -> str:
    return text[_paid(frame, text, start, end) : end]


def _paid(frame: Frame, text: str, start: int, end: int) -> int:
    _checked(text, start)
    _checked(text, end)
    if start > end:
        raise Fault(f"invalid substring range: start {start}, end {end}")
    frame.charge_text(end - start)
    return start


@function("trim", "string", method=True)
def trim(frame: Frame, text: str) -> str:
    frame.charge_text(len(text))
    return text.strip(_SPACE)


@function("lowerAscii", "string", method=True)
def lower_ascii(frame: Frame, text: str) -> str:
    frame.charge_text(4 * len(text))
    return text.lower() if text.isascii() else text.translate(_LOWER)


@function("upperAscii", "string", method=True)
def upper_ascii(frame: Frame, text: str) -> str:
    frame.charge_text(4 * len(text))
    return text.upper() if text.isascii() else text.translate(_UPPER)


@function("reverse", "string|list", method=True)
def reverse(frame: Frame, value: Any) -> Any:
    if isinstance(value, str):
        frame.charge_text(len(value))
    else:
        frame.charge_items(len(value))
    return value[::-1]


@function("strings.quote", "string")
def quote(frame: Frame, text: str) -> str:
    """The text as a literal: in double quotes, control characters, quotes and backslashes escaped."""
    frame.charge_text(4 * len(text) + 2)
    text = "".join("\ufffd" if "\ud800" <= character <= "\udfff" else character for character in text)
    return f'"{text.translate(_QUOTED)}"'
