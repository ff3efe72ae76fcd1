"""Arithmetic per the CEL language definition: 64-bit integers that refuse to overflow, IEEE doubles.

One deliberate difference: an int and a double may be mixed, the result is a double, because JSON writes
the same quantity as ``90`` or ``90.5``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from .budget import Frame
from .comparison import as_double
from .errors import Fault
from .literals import INT_MAX, INT_MIN, UINT_MAX
from .times import between, duration, nanos, timestamp
from .values import Uint, plain, type_name

_TIME_COST = 12  # operations of calculating with a timestamp or duration
_NAMES = {"+": "added", "-": "subtracted", "*": "multiplied", "/": "divided", "%": "divided with %"}


def bounded(value: int) -> int:
    """An int result, refused beyond 64 bits."""
    if INT_MIN <= value <= INT_MAX:
        return value
    raise Fault("integer overflow: the result does not fit 64 bits")


def bounded_uint(value: int) -> Uint:
    """A uint result, refused below 0 and beyond 64 bits."""
    if 0 <= value <= UINT_MAX:
        return Uint(value)
    raise Fault("unsigned integer overflow: the result does not fit 64 bits")


def calculate(frame: Frame, operator: str, left: Any, right: Any) -> Any:
    """``left operator right`` for ``+ - * / %``."""
    left, right = plain(left), plain(right)
    kind, other = type(left), type(right)
    if kind is int and other is int:
        return bounded(_INTEGERS[operator](left, right))
    if kind is Uint and other is Uint:
        return bounded_uint(_INTEGERS[operator](int(left), int(right)))
    if kind in (int, float) and other in (int, float) and operator != "%":
        return _DOUBLES[operator](as_double(left), as_double(right))
    result = None
    if operator == "+":
        result = _joined(frame, left, right) if kind is other else None
        result = _later(frame, left, right) if result is None else result
    elif operator == "-":
        result = _earlier(frame, left, right)
    if result is None:
        raise Fault(f"{type_name(left)} and {type_name(right)} cannot be {_NAMES[operator]}")
    return result


def negate(value: Any) -> Any:
    """``-value`` of an int or double."""
    value = plain(value)
    if type(value) is int:
        return bounded(-value)
    if type(value) is float:
        return -value
    raise Fault(f"{type_name(value)} cannot be negated")


def _quotient(left: int, right: int) -> int:
    if right == 0:
        raise Fault("division by zero")
    result = abs(left) // abs(right)
    return result if (left < 0) == (right < 0) else -result


def _remainder(left: int, right: int) -> int:
    if right == 0:
        raise Fault("modulus by zero")
    return left - right * _quotient(left, right)


def _double_quotient(left: float, right: float) -> float:
    if right:
        return left / right
    if left == 0 or math.isnan(left) or math.isnan(right):
        return math.nan
    return math.copysign(math.inf, left) * math.copysign(1.0, right)


_INTEGERS: dict[str, Callable[[int, int], int]] = {
    "+": int.__add__,
    "-": int.__sub__,
    "*": int.__mul__,
    "/": _quotient,
    "%": _remainder,
}
_DOUBLES: dict[str, Callable[[float, float], float]] = {
    "+": float.__add__,
    "-": float.__sub__,
    "*": float.__mul__,
    "/": _double_quotient,
}


def _joined(frame: Frame, left: Any, right: Any) -> Any:
    if isinstance(left, str | bytes):
        frame.charge_text(len(left) + len(right))
        return left + right
    if isinstance(left, list):
        frame.charge_items(len(left) + len(right))
        return left + right
    return None


def _later(frame: Frame, left: Any, right: Any) -> datetime | timedelta | None:
    frame.charge(_TIME_COST)
    if isinstance(left, timedelta) and isinstance(right, timedelta):
        return duration(nanos(left) + nanos(right))
    if isinstance(left, datetime) and isinstance(right, timedelta):
        return timestamp(nanos(left) + nanos(right))
    if isinstance(left, timedelta) and isinstance(right, datetime):
        return timestamp(nanos(left) + nanos(right))
    return None


def _earlier(frame: Frame, left: Any, right: Any) -> datetime | timedelta | None:
    frame.charge(_TIME_COST)
    if isinstance(left, timedelta) and isinstance(right, timedelta):
        return duration(nanos(left) - nanos(right))
    if isinstance(left, datetime) and isinstance(right, timedelta):
        return timestamp(nanos(left) - nanos(right))
    if isinstance(left, datetime) and isinstance(right, datetime):
        return between(left, right)
    return None
