"""Durations as the definition document writes them: `500ms 2s 10m 1h 24h 7d`."""

from __future__ import annotations

import re

from automations.engine.errors import AutomationError

RIGHT = "Write a whole number and a unit, like 500ms, 2s, 10m, 1h, 24h or 7d."

_PATTERN = re.compile(r"([0-9]{1,12})(ms|s|m|h|d)")
_MILLISECONDS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_LONGEST = 10 * 366 * 86_400_000


class DurationError(AutomationError):
    """This is not a duration."""


def parse(text: object) -> float:
    """Return the seconds that `text` stands for; DurationError says what would be right."""
    if not isinstance(text, str):
        raise DurationError(f"{text!r} is not a duration. {RIGHT}")
    match = _PATTERN.fullmatch(text)
    if match is None:
        raise DurationError(f"“{text[:60]}” is not a duration. {RIGHT}")
    milliseconds = int(match[1]) * _MILLISECONDS[match[2]]
    if milliseconds > _LONGEST:
        raise DurationError(f"“{text}” is longer than ten years. {RIGHT}")
    return milliseconds / 1_000


def format(seconds: float) -> str:
    """Return the shortest text that `parse` reads back as the same milliseconds: 3600.0 becomes `1h`."""
    milliseconds = round(seconds * 1_000)
    for unit in ("d", "h", "m", "s"):
        size = _MILLISECONDS[unit]
        if milliseconds and milliseconds % size == 0:
            return f"{milliseconds // size}{unit}"
    return f"{milliseconds}ms"
