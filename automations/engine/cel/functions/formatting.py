"""``format`` of the strings extension library: ``%s %d %f %e %b %o %x %X %%``."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

from ..budget import Frame
from ..comparison import as_double
from ..errors import Fault
from ..values import Flag, plain, type_name
from .conversions import format_double, to_text
from .registry import function

MAX_PRECISION = 100
_CLAUSE = re.compile(r"%(?:%|(\.[0-9]{1,9})?([a-zA-Z]))?")


@function("format", "string", "list", method=True, cost=24)
def format_(frame: Frame, template: str, arguments: list[Any]) -> str:
    """The template with its clauses replaced by the arguments in turn."""
    frame.charge(len(template) // 8)
    pieces: list[str] = []
    at = used = 0
    for found in _CLAUSE.finditer(template):
        pieces.append(template[at : found.start()])
        at = found.end()
        frame.charge(4)
        if found.group() == "%%":
            pieces.append("%")
            continue
        if not found.group(2):
            raise Fault(f"unrecognized formatting clause '{template[found.start() : at + 1]}'")
        if used >= len(arguments):
            raise Fault(f"index {used} out of range: format() has too few arguments")
        pieces.append(_clause(frame, found, arguments[used]))
        used += 1
    pieces.append(template[at:])
    frame.charge_text(sum(map(len, pieces)))
    return "".join(pieces)


def _clause(frame: Frame, found: re.Match[str], argument: Any) -> str:
    letter = found.group(2)
    precision = int(found.group(1)[1:]) if found.group(1) else 6
    if precision > MAX_PRECISION:
        raise Fault(f"a precision over {MAX_PRECISION} in format()")
    if letter in ("f", "e"):
        return _fixed(letter, plain(argument), precision)
    writer = _WRITERS.get(letter)
    if writer is None or (found.group(1) and letter != "s"):
        raise Fault(f"unrecognized formatting clause '{found.group()[:20]}'")
    return writer(frame, plain(argument))


def _refused(what: str, kinds: str, value: Any) -> Fault:
    return Fault(f"error during formatting: {what} clause needs {kinds}, was given {type_name(value)}")


def _special(value: Any) -> str | None:
    return format_double(value) if isinstance(value, float) and not math.isfinite(value) else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _fixed(letter: str, value: Any, precision: int) -> str:
    if not _is_number(value):
        raise _refused("fixed-point" if letter == "f" else "scientific", "a number", value)
    number = as_double(value)
    return _special(number) or f"{number:.{precision}{letter}}"


def _decimal(frame: Frame, value: Any) -> str:
    if not _is_number(value):
        raise _refused("decimal", "a number", value)
    return to_text(value)


def _binary(frame: Frame, value: Any) -> str:
    if not isinstance(value, int):
        raise _refused("binary", "an integer or bool", value)
    return f"{value:b}" if abs(value) < 2**64 else to_text(value)


def _octal(frame: Frame, value: Any) -> str:
    if not isinstance(value, int) or isinstance(value, bool):
        raise _refused("octal", "an integer", value)
    return f"{value:o}" if abs(value) < 2**64 else to_text(value)


def _hexadecimal(frame: Frame, value: Any) -> str:
    if isinstance(value, str | bytes):
        frame.charge_text(2 * len(value))
        return (value.encode(errors="replace") if isinstance(value, str) else value).hex()
    if not isinstance(value, int) or isinstance(value, bool):
        raise _refused("hexadecimal", "an integer, text or bytes", value)
    return f"{value:x}" if abs(value) < 2**64 else to_text(value)


def _string(frame: Frame, value: Any, depth: int = 0) -> str:
    """The text of any value; lists as ``[a, b]``, maps as ``{key: value}`` sorted by key."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, bytes):
        frame.charge_text(len(value))
        return value.decode(errors="replace")
    if isinstance(value, list):
        frame.charge(8 + 8 * len(value))
        depth = frame.deeper(depth)
        return _paid(frame, "[" + ", ".join(_string(frame, plain(item), depth) for item in value) + "]")
    if isinstance(value, dict):
        frame.charge(8 + 16 * len(value))
        depth = frame.deeper(depth)
        pairs = sorted((_key(frame, key), _string(frame, plain(item), depth)) for key, item in value.items())
        return _paid(frame, "{" + ", ".join(f"{key}: {text}" for key, text in pairs) + "}")
    return to_text(value)


def _key(frame: Frame, key: Any) -> str:
    return _string(frame, bool(key) if type(key) is Flag else plain(key))


def _paid(frame: Frame, text: str) -> str:
    frame.charge_text(len(text))
    return text


_WRITERS: dict[str, Callable[[Frame, Any], str]] = {
    "s": _string,
    "d": _decimal,
    "b": _binary,
    "o": _octal,
    "x": _hexadecimal,
    "X": lambda frame, value: _hexadecimal(frame, value).upper(),
}
