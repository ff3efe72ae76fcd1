"""Conversions between types: ``int``, ``uint``, ``double``, ``string``, ``bytes``, ``bool``,
``timestamp`` and ``duration``."""

from __future__ import annotations

import math
import re
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from .. import times
from ..arithmetic import bounded, bounded_uint
from ..budget import Frame
from ..comparison import as_double
from ..errors import Fault
from ..values import CelType, Uint
from .registry import function

_INTEGER = re.compile(r"[+-]?[0-9]{1,40}")
_UNSIGNED = re.compile(r"\+?[0-9]{1,40}")
_DOUBLE = re.compile(r"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,9})?|inf(?:inity)?|nan)", re.IGNORECASE)
_BOOLS = dict.fromkeys(("1", "t", "true", "TRUE", "True"), True)
_BOOLS |= dict.fromkeys(("0", "f", "false", "FALSE", "False"), False)


def format_double(value: float) -> str:
    """A double as people write it: the shortest digits that read back the same, no exponent
    between 1e-6 and 1e21, ``Infinity``, ``-Infinity`` and ``NaN``."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0 or 1e-6 <= abs(value) < 1e21:
        text = repr(value)
        if "e" in text:
            text = format(Decimal(text), "f")
        return text.removesuffix(".0")
    mantissa, exponent = f"{value!r}".split("e")
    return f"{mantissa.removesuffix('.0')}e{exponent[0]}{exponent[1:].zfill(2)}"


@function("int", "int|uint|double|string|timestamp")
def int_(frame: Frame, value: Any) -> int:
    if isinstance(value, str):
        if _INTEGER.fullmatch(value) is None:
            raise Fault(f"'{value[:40]}' is not a whole number")
        return bounded(int(value))
    if isinstance(value, datetime):
        return times.nanos(value) // 1_000_000_000
    if isinstance(value, float):
        if not -(2.0**63) < value < 2.0**63:
            raise Fault("the double is out of range for int")
        return int(value)
    return bounded(int(value))


@function("uint", "int|uint|double|string")
def uint(frame: Frame, value: Any) -> Uint:
    if isinstance(value, str):
        if _UNSIGNED.fullmatch(value) is None:
            raise Fault(f"'{value[:40]}' is not a whole number of 0 or more")
        return bounded_uint(int(value))
    if isinstance(value, float):
        if not 0 <= value < 2.0**64:
            raise Fault("the double is out of range for uint")
        return Uint(int(value))
    return bounded_uint(int(value))


@function("double", "int|uint|double|string")
def double(frame: Frame, value: Any) -> float:
    if isinstance(value, str):
        if len(value) > 400 or _DOUBLE.fullmatch(value) is None:
            raise Fault(f"'{value[:40]}' is not a number")
        return float(value)
    return as_double(value)


@function("string", "string|bytes|bool|int|uint|double|timestamp|duration|type", cost=16)
def string(frame: Frame, value: Any) -> str:
    if isinstance(value, bytes):
        frame.charge_text(len(value))
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise Fault("the bytes are not UTF-8 text") from None
    if isinstance(value, bool):
        return "true" if value else "false"
    return to_text(value)


def to_text(value: Any) -> str:
    """The text of a number, text, timestamp, duration or type."""
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return format_double(value)
    if isinstance(value, int):
        return str(bounded(int(value)) if type(value) is int else int(value))
    if isinstance(value, datetime):
        return times.format_timestamp(value)
    if isinstance(value, timedelta):
        return times.format_duration(value)
    if isinstance(value, CelType):
        return value.name
    raise Fault("this value has no text")


@function("bytes", "string|bytes")
def bytes_(frame: Frame, value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    frame.charge_text(len(value))
    try:
        return bytes(value.encode())
    except UnicodeEncodeError:
        raise Fault("the text holds half a surrogate pair") from None


@function("bool", "bool|string")
def bool_(frame: Frame, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if value not in _BOOLS:
        raise Fault(f"'{value[:40]}' is neither true nor false")
    return _BOOLS[value]


@function("timestamp", "string|int|timestamp", cost=24)
def timestamp(frame: Frame, value: Any) -> datetime:
    """From an RFC 3339 text or from seconds since 1970."""
    if isinstance(value, str):
        return times.parse_timestamp(value)
    return value if isinstance(value, datetime) else times.timestamp(value * 1_000_000_000)


@function("duration", "string|duration", cost=24)
def duration(frame: Frame, value: Any) -> timedelta:
    return times.parse_duration(value) if isinstance(value, str) else value
