"""The parts of timestamps and durations."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from .. import times
from ..budget import Frame
from .registry import function

_PARTS: dict[str, Callable[[datetime], int]] = {
    "getFullYear": lambda moment: moment.year,
    "getMonth": lambda moment: moment.month - 1,
    "getDate": lambda moment: moment.day,
    "getDayOfMonth": lambda moment: moment.day - 1,
    "getDayOfWeek": lambda moment: moment.isoweekday() % 7,
    "getDayOfYear": lambda moment: moment.timetuple().tm_yday - 1,
}
_CLOCK_PARTS: dict[str, tuple[Callable[[datetime], int], int, int]] = {
    "getHours": (lambda moment: moment.hour, 3_600_000_000_000, 0),
    "getMinutes": (lambda moment: moment.minute, 60_000_000_000, 0),
    "getSeconds": (lambda moment: moment.second, 1_000_000_000, 0),
    "getMilliseconds": (lambda moment: moment.microsecond // 1_000, 1_000_000, 1_000),
}


def _toward_zero(value: int, divisor: int) -> int:
    return value // divisor if value >= 0 else -(-value // divisor)


def _declare(name: str, part: Callable[[datetime], int], unit: int, modulus: int) -> None:
    def of(frame: Frame, value: Any) -> int:
        if isinstance(value, timedelta):
            count = _toward_zero(times.nanos(value), unit)
            return count - modulus * _toward_zero(count, modulus) if modulus else count
        return part(times.local(value, None))

    def in_zone(frame: Frame, value: datetime, zone: str) -> int:
        return part(times.local(value, zone))

    function(name, "timestamp|duration" if unit else "timestamp", method=True, cost=16)(of)
    function(name, "timestamp", "string", method=True, cost=32)(in_zone)


for _name, _part in _PARTS.items():
    _declare(_name, _part, 0, 0)
for _name, (_part, _unit, _modulus) in _CLOCK_PARTS.items():
    _declare(_name, _part, _unit, _modulus)
