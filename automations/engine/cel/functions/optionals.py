"""Optional values. ``or`` and ``orValue`` evaluate their argument only if needed, so the compiler has them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from ..budget import Frame
from ..errors import Fault
from ..times import nanos
from ..values import NONE, CelType, Optional, plain
from .registry import function


@function("optional.none")
def none(frame: Frame) -> Optional:
    return NONE


@function("optional.of", "any")
def of(frame: Frame, value: Any) -> Optional:
    return Optional((value,))


@function("optional.ofNonZeroValue", "any")
def of_non_zero_value(frame: Frame, value: Any) -> Optional:
    return NONE if _is_zero(value) else Optional((value,))


def _is_zero(value: Any) -> bool:
    if isinstance(value, datetime | timedelta):
        return nanos(value) == 0
    return not isinstance(value, CelType | Optional) and not value


@function("hasValue", "optional", method=True)
def has_value(frame: Frame, optional: Optional) -> bool:
    return bool(optional.items)


@function("value", "optional", method=True)
def value(frame: Frame, optional: Optional) -> Any:
    if not optional.items:
        raise Fault("the optional has no value")
    return optional.items[0]


@function("optional.unwrap", "list")
@function("unwrapOpt", "list", method=True)
def unwrap(frame: Frame, items: list[Any]) -> list[Any]:
    """The values of a list of optionals, those without one left out."""
    frame.charge_items(len(items))
    kept: list[Any] = []
    for item in map(plain, items):
        if not isinstance(item, Optional):
            raise Fault("unwrapOpt() needs a list of optionals")
        kept.extend(item.items)
    return kept
