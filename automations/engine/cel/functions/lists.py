"""The lists extension library. Positions count from 0."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from ..budget import Frame
from ..comparison import NUMBERS, as_double
from ..errors import Fault
from ..times import nanos
from ..values import NONE, CelType, Flag, Optional, plain, type_name
from .registry import function


@function("slice", "list", "int", "int", method=True)
def slice_(frame: Frame, items: list[Any], start: int, end: int) -> list[Any]:
    if not 0 <= start <= end <= len(items):
        raise Fault(f"cannot slice({start}, {end}) a list of {len(items)}")
    frame.charge_items(end - start)
    return items[start:end]


@function("flatten", "list", method=True)
def flatten(frame: Frame, items: list[Any]) -> list[Any]:
    return flatten_to(frame, items, 1)


@function("flatten", "list", "int", method=True)
def flatten_to(frame: Frame, items: list[Any], levels: int) -> list[Any]:
    """Replace lists inside the list by their elements, ``levels`` deep."""
    if levels < 0:
        raise Fault("flatten() needs a level of 0 or more")
    for _ in range(min(levels, frame.budget.nesting)):
        frame.charge(len(items))
        if not any(type(item) is list for item in items):
            break
        frame.charge_items(sum(len(item) if type(item) is list else 1 for item in items))
        items = [part for item in items for part in (item if type(item) is list else (item,))]
    return items


@function("lists.range", "int")
def range_(frame: Frame, count: int) -> list[int]:
    """The whole numbers from 0 up to, not including, ``count``."""
    frame.charge_items(2 * max(0, count))
    return list(range(count))


@function("first", "list", method=True)
def first(frame: Frame, items: list[Any]) -> Optional:
    return Optional((items[0],)) if items else NONE


@function("last", "list", method=True)
def last(frame: Frame, items: list[Any]) -> Optional:
    return Optional((items[-1],)) if items else NONE


@function("distinct", "list", method=True)
def distinct(frame: Frame, items: list[Any]) -> list[Any]:
    """The elements without repetitions, in the order they first appear."""
    frame.charge_items(4 * len(items))
    seen: set[Any] = set()
    kept: list[Any] = []
    for item in items:
        key = _identity(frame, item, 0)
        if key not in seen:
            seen.add(key)
            kept.append(item)
    return kept


def _identity(frame: Frame, value: Any, depth: int) -> Any:
    """Something hashable that is the same for values that are equal in CEL."""
    value = plain(value)
    if isinstance(value, bool) or value is None or isinstance(value, str | bytes | CelType):
        return type(value).__name__, value
    if isinstance(value, int | float):
        number = as_double(value)
        if math.isnan(number):
            return "nan", object()
        exact = abs(number) < 2.0**53 or not isinstance(value, int)
        return "number", number if exact else int(value)
    depth = frame.deeper(depth)
    if isinstance(value, list):
        frame.charge(8 + 4 * len(value))
        return "list", tuple(_identity(frame, item, depth) for item in value)
    if isinstance(value, Optional):
        return "optional", tuple(_identity(frame, item, depth) for item in value.items)
    if isinstance(value, datetime | timedelta):
        return "time" if isinstance(value, datetime) else "span", nanos(value)
    frame.charge(8 + 8 * len(value))
    pairs = ((bool(key) if type(key) is Flag else key, item) for key, item in value.items())
    return "map", frozenset((_identity(frame, key, depth), _identity(frame, item, depth)) for key, item in pairs)


@function("sort", "list", method=True)
def sort(frame: Frame, items: list[Any]) -> list[Any]:
    return sort_by(frame, items, items)


def sort_by(frame: Frame, items: list[Any], keys: list[Any]) -> list[Any]:
    """The items in the order of their keys, which all are numbers or all of one other ordered type."""
    frame.charge_items(len(items))
    frame.charge(len(items) * len(items).bit_length())
    keys = [plain(key) for key in keys]
    order = _order(keys)
    if isinstance(keys[0] if keys else None, str | bytes):
        frame.charge_scan(sum(map(len, keys)) * len(items).bit_length())
    positions = sorted(range(len(items)), key=lambda position: order(keys[position]))
    return [items[position] for position in positions]


def _order(keys: list[Any]) -> Callable[[Any], Any]:
    if all(type(key) in NUMBERS for key in keys):
        return int if all(type(key) is not float for key in keys) else as_double
    for kind in (bool, str, bytes):
        if all(type(key) is kind for key in keys):
            return lambda key: key
    for base in (datetime, timedelta):
        if all(isinstance(key, base) for key in keys):
            return nanos
    kinds = sorted({type_name(key) for key in keys})
    raise Fault(f"only numbers or values of one ordered type can be sorted, not {', '.join(kinds)[:80]}")
