"""Equality, order and membership, per the CEL language definition: numbers compare across their types,
other values of different types are unequal and have no order."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from operator import ge, gt, le, lt
from typing import Any

from .budget import Frame
from .errors import Fault
from .times import nanos
from .values import CelType, Flag, Optional, Uint, plain, type_name

NUMBERS = frozenset({int, Uint, float})
KEYS = frozenset({str, bool, int, Uint, float})  # types that may be looked up in a map
_ATOMS = frozenset({str, bytes, bool, type(None), CelType})
_ORDERED = frozenset({str, bytes, bool})
ORDERS: dict[str, Callable[[Any, Any], bool]] = {"<": lt, "<=": le, ">": gt, ">=": ge}


def as_double(number: int | float) -> float:
    """A number as a double; beyond its range, infinity of the same sign."""
    try:
        return float(number)
    except OverflowError:
        return float("inf") if number > 0 else float("-inf")


def equals(frame: Frame, left: Any, right: Any, depth: int = 0) -> bool:
    """CEL equality. Raises for open values and when the budget does not allow the walk."""
    left, right = plain(left), plain(right)
    kind, other = type(left), type(right)
    if kind in NUMBERS:
        return other in NUMBERS and _same_number(left, right)
    if kind in _ATOMS:
        if kind is other and kind in (str, bytes):
            frame.charge_scan(min(len(left), len(right)))
        return kind is other and left == right
    if kind is list or kind is dict or kind is Optional:
        if kind is not other:
            return False
        depth = frame.deeper(depth)
        frame.charge(4)
        if kind is list:
            return _same_lists(frame, left, right, depth)
        return (
            _same_maps(frame, left, right, depth)
            if kind is dict
            else _same_lists(frame, left.items, right.items, depth)
        )
    for base in (datetime, timedelta):
        if isinstance(left, base):
            frame.charge(8)
            return isinstance(right, base) and nanos(left) == nanos(right)
    return bool(left == right)


def _same_number(left: Any, right: Any) -> bool:
    if type(left) is float or type(right) is float:
        return as_double(left) == as_double(right)
    return int(left) == int(right)


def _same_lists(frame: Frame, left: Any, right: Any, depth: int) -> bool:
    if len(left) != len(right):
        return False
    for one, two in zip(left, right, strict=True):
        frame.charge(1)
        if not equals(frame, one, two, depth):
            return False
    return True


def _same_maps(frame: Frame, left: dict[Any, Any], right: dict[Any, Any], depth: int) -> bool:
    if len(left) != len(right):
        return False
    for key, value in left.items():
        frame.charge(2)
        found, other = find(frame, right, bool(key) if type(key) is Flag else key)
        if not found or not equals(frame, value, other, depth):
            return False
    return True


def ordered(frame: Frame, operator: str, left: Any, right: Any) -> bool:
    """``<``, ``<=``, ``>`` or ``>=`` of two values; raises where the types have no order."""
    left, right = plain(left), plain(right)
    kind, other = type(left), type(right)
    compare = ORDERS[operator]
    if kind in NUMBERS and other in NUMBERS:
        if kind is float or other is float:
            return compare(as_double(left), as_double(right))
        return compare(int(left), int(right))
    if kind is other and kind in _ORDERED:
        if kind is not bool:
            frame.charge_scan(min(len(left), len(right)))
        return compare(left, right)
    for base in (datetime, timedelta):
        if isinstance(left, base) and isinstance(right, base):
            frame.charge(8)
            return compare(nanos(left), nanos(right))
    raise Fault(f"{type_name(left)} and {type_name(right)} cannot be compared with {operator}")


def find(frame: Frame, values: dict[Any, Any], key: Any) -> tuple[bool, Any]:
    """Look a key up in a map: (found, value). Numbers find keys of the same value, a bool only a bool."""
    kind = type(key)
    if kind is str:
        return (True, values[key]) if key in values else (False, None)
    if kind is bool:
        return _find_bool(frame, values, key)
    if kind is float:
        if key != key or key not in values:
            return False, None
        key = int(key)
    elif kind is not int and kind is not Uint:
        key = plain(key)
        return find(frame, values, key) if type(key) in (str, bool, int, float) else (False, None)
    if key not in values:
        return False, None
    if 0 <= key <= 1 and _has_bool(frame, values, key):
        return False, None
    return True, values[key]


def _find_bool(frame: Frame, values: dict[Any, Any], key: bool) -> tuple[bool, Any]:
    flag = Flag(key)
    if flag in values:
        return True, values[flag]
    if key in values and _has_bool(frame, values, key):
        return True, values[key]
    return False, None


def _has_bool(frame: Frame, values: dict[Any, Any], key: int) -> bool:
    """Whether a map from outside holds ``key`` as a bool; Python does not tell on look-up."""
    frame.charge(len(values) // 8)
    return any(type(known) is bool and known == key for known in values)


def contains(frame: Frame, value: Any, values: Any) -> bool:
    """``value in values``: an element of a list or a key of a map."""
    values, value = plain(values), plain(value)
    if type(values) is dict:
        if type(value) not in KEYS:
            raise Fault(f"a {type_name(value)} cannot be a key")
        return find(frame, values, value)[0]
    if type(values) is not list:
        raise Fault(f"'in' needs a list or map, not {type_name(values)}")
    kind = type(value)
    quick = kind is str or kind is int
    for item in values:
        frame.left -= 1
        if quick and type(item) is kind:
            if item == value:
                return True
        elif equals(frame, value, item):
            return True
    frame.charge(0)
    return False
