"""The math extension library."""

from __future__ import annotations

import math
from typing import Any

from ..arithmetic import bounded
from ..budget import Frame
from ..comparison import NUMBERS, as_double, ordered
from ..errors import Fault
from ..literals import UINT_MAX
from ..values import Uint, plain, type_name
from .registry import function, variadic


def _extreme(frame: Frame, operator: str, values: list[Any]) -> Any:
    if not values:
        raise Fault("math.least() and math.greatest() need at least one number")
    frame.charge(4 * len(values))
    best = None
    for value in map(plain, values):
        if type(value) not in NUMBERS:
            raise Fault(f"math.least() and math.greatest() take numbers, not {type_name(value)}")
        if best is None or ordered(frame, operator, value, best):
            best = value
    return best


@variadic("math.greatest", "number")
def greatest(frame: Frame, *values: Any) -> Any:
    return _extreme(frame, ">", list(values))


@variadic("math.least", "number")
def least(frame: Frame, *values: Any) -> Any:
    return _extreme(frame, "<", list(values))


@function("math.greatest", "list|number")
def greatest_of(frame: Frame, value: Any) -> Any:
    return _extreme(frame, ">", value if isinstance(value, list) else [value])


@function("math.least", "list|number")
def least_of(frame: Frame, value: Any) -> Any:
    return _extreme(frame, "<", value if isinstance(value, list) else [value])


def _whole(value: float) -> bool:
    return math.isfinite(value) and abs(value) < 2.0**52


@function("math.ceil", "double")
def ceil(frame: Frame, value: float) -> float:
    return math.copysign(float(math.ceil(value)), value) if _whole(value) else value


@function("math.floor", "double")
def floor(frame: Frame, value: float) -> float:
    return float(math.floor(value)) if _whole(value) and value else value


@function("math.trunc", "double")
def trunc(frame: Frame, value: float) -> float:
    return math.copysign(float(math.trunc(value)), value) if _whole(value) else value


@function("math.round", "double")
def round_(frame: Frame, value: float) -> float:
    """To the nearest whole number, halves away from zero."""
    if not _whole(value):
        return value
    whole = math.floor(abs(value))
    return math.copysign(float(whole + (abs(value) - whole >= 0.5)), value)


@function("math.abs", "number")
def abs_(frame: Frame, value: Any) -> Any:
    return abs(value) if isinstance(value, float) else value if isinstance(value, Uint) else bounded(abs(value))


@function("math.sign", "number")
def sign(frame: Frame, value: Any) -> Any:
    if isinstance(value, float):
        return value if value == 0 or math.isnan(value) else math.copysign(1.0, value)
    result = (value > 0) - (value < 0)
    return Uint(result) if isinstance(value, Uint) else result


@function("math.sqrt", "number")
def sqrt(frame: Frame, value: Any) -> float:
    number = as_double(value)
    return math.sqrt(number) if number >= 0 else math.nan


@function("math.isNaN", "double")
def is_nan(frame: Frame, value: float) -> bool:
    return math.isnan(value)


@function("math.isInf", "double")
def is_inf(frame: Frame, value: float) -> bool:
    return math.isinf(value)


@function("math.isFinite", "double")
def is_finite(frame: Frame, value: float) -> bool:
    return math.isfinite(value)


def _pair(left: int, right: int) -> bool:
    """Whether both are uint; a mix of int and uint is refused."""
    if type(left) is not type(right):
        raise Fault("a bit operation needs two int or two uint")
    return type(left) is Uint


def _bits(value: int, unsigned: bool) -> int:
    """The low 64 bits as an int or uint."""
    value &= UINT_MAX
    if unsigned:
        return Uint(value)
    return value - 2**64 if value >= 2**63 else value


@function("math.bitAnd", "integer", "integer")
def bit_and(frame: Frame, left: int, right: int) -> int:
    return _bits(int(left) & int(right), _pair(left, right))


@function("math.bitOr", "integer", "integer")
def bit_or(frame: Frame, left: int, right: int) -> int:
    return _bits(int(left) | int(right), _pair(left, right))


@function("math.bitXor", "integer", "integer")
def bit_xor(frame: Frame, left: int, right: int) -> int:
    return _bits(int(left) ^ int(right), _pair(left, right))


@function("math.bitNot", "integer")
def bit_not(frame: Frame, value: int) -> int:
    return _bits(~int(value), isinstance(value, Uint))


def _offset(offset: int) -> int:
    if offset < 0:
        raise Fault(f"a bit shift by a negative offset: {offset}")
    return min(offset, 64)


@function("math.bitShiftLeft", "integer", "int")
def bit_shift_left(frame: Frame, value: int, offset: int) -> int:
    return _bits((int(value) & UINT_MAX) << _offset(offset), isinstance(value, Uint))


@function("math.bitShiftRight", "integer", "int")
def bit_shift_right(frame: Frame, value: int, offset: int) -> int:
    """A logical shift: zeros come in from the left, also for a negative int."""
    return _bits((int(value) & UINT_MAX) >> _offset(offset), isinstance(value, Uint))
