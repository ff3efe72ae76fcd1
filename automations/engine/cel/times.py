"""Timestamps and durations to the nanosecond: reading, writing and calculating.

Formats: RFC 3339 for timestamps, the duration strings of the CEL language definition (``1h30m``, ``1.5s``).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

from .errors import Fault
from .values import NanoSpan, NanoTime

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_SECOND = 1_000_000_000
_FIRST, _LAST = -62_135_596_800 * _SECOND, 253_402_300_800 * _SECOND - 1
_LONGEST = 315_576_000_000 * _SECOND
_TIMESTAMP = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,9}))?"
    r"(?:[Zz]|([+-])([0-9]{2}):([0-9]{2}))"
)
_DURATION = re.compile(r"([+-]?)((?:(?:[0-9]{1,24}\.?[0-9]{0,24}|\.[0-9]{1,24})(?:ns|us|µs|μs|ms|s|m|h))+|0)")
_PART = re.compile(r"([0-9]*)\.?([0-9]*)(ns|us|µs|μs|ms|s|m|h)")
_UNITS = {
    "ns": 1, "us": 1_000, "µs": 1_000, "μs": 1_000, "ms": 1_000_000,
    "s": _SECOND, "m": 60 * _SECOND, "h": 3600 * _SECOND,
}  # fmt: skip
_OFFSET = re.compile(r"([+-]?)([0-9]{1,2}):([0-9]{2})")
_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]{0,31}(?:/[A-Za-z0-9_+-]{1,31}){0,2}")


def nanos(value: datetime | timedelta) -> int:
    """Nanoseconds of a duration, or since 1970-01-01T00:00:00Z of a timestamp."""
    rest = value.rest if isinstance(value, NanoTime | NanoSpan) else 0
    span = value - EPOCH if isinstance(value, datetime) else value
    return (span.days * 86_400_000_000 + span.seconds * 1_000_000 + span.microseconds) * 1_000 + rest


def timestamp(total: int) -> datetime:
    """The timestamp ``total`` nanoseconds after 1970; only years 1 to 9999 exist."""
    if not _FIRST <= total <= _LAST:
        raise Fault("the timestamp is out of range (years 1 to 9999)")
    micros, rest = divmod(total, 1_000)
    value = EPOCH + timedelta(microseconds=micros)
    if not rest:
        return value
    fine = NanoTime(
        value.year, value.month, value.day, value.hour, value.minute, value.second, value.microsecond, tzinfo=UTC
    )
    fine.rest = rest
    return fine


def duration(total: int) -> timedelta:
    """The duration of ``total`` nanoseconds; at most about 10,000 years."""
    if not -_LONGEST <= total <= _LONGEST:
        raise Fault("the duration is out of range (about 10,000 years)")
    micros, rest = divmod(total, 1_000)
    if not rest:
        return timedelta(microseconds=micros)
    fine = NanoSpan(microseconds=micros)
    fine.rest = rest
    return fine


def between(later: datetime, earlier: datetime) -> timedelta:
    """The duration from one timestamp to another; at most 2**63 nanoseconds (292 years), as CEL has it."""
    total = nanos(later) - nanos(earlier)
    if not -(2**63) <= total < 2**63:
        raise Fault("the duration is out of range (about 292 years between timestamps)")
    return duration(total)


def parse_timestamp(text: str) -> datetime:
    """An RFC 3339 text, e.g. ``2026-01-31T12:00:00Z``, as a timestamp."""
    found = _TIMESTAMP.fullmatch(text) if len(text) < 64 else None
    if found is None:
        raise Fault(f"'{text[:40]}' is no timestamp such as 2026-01-31T12:00:00Z")
    year, month, day, hour, minute, second = (int(part) for part in found.groups()[:6])
    fraction, sign, hours, minutes = found.groups()[6:]
    if year == 0 or int(hours or 0) > 23 or int(minutes or 0) > 59:
        raise Fault(f"the timestamp '{text[:40]}' is out of range")
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError as error:
        raise Fault(f"'{text[:40]}' is no timestamp: {error}") from None
    offset = (int(hours or 0) * 3600 + int(minutes or 0) * 60) * _SECOND
    total = nanos(moment) + int((fraction or "").ljust(9, "0"))
    return timestamp(total + offset if sign == "-" else total - offset)


def parse_duration(text: str) -> timedelta:
    """A text of decimal numbers with units h, m, s, ms, us, ns, e.g. ``1h30m``, as a duration."""
    found = _DURATION.fullmatch(text) if len(text) < 256 else None
    if found is None:
        raise Fault(f"'{text[:40]}' is no duration such as 1h30m or 1.5s")
    total = 0
    for whole, fraction, unit in _PART.findall(found.group(2)):
        size = _UNITS[unit]
        total += int(whole or 0) * size + int(fraction or 0) * size // 10 ** len(fraction)
    return duration(-total if found.group(1) == "-" else total)


def _fraction(rest: int) -> str:
    return f".{rest:09d}".rstrip("0") if rest else ""


def format_timestamp(value: datetime) -> str:
    """RFC 3339 in UTC, with as many digits of the second as needed."""
    seconds, rest = divmod(nanos(value), _SECOND)
    moment = EPOCH + timedelta(seconds=seconds)
    return moment.replace(tzinfo=None).isoformat() + _fraction(rest) + "Z"


def format_duration(value: timedelta) -> str:
    """Seconds with as many digits as needed, e.g. ``5400s`` or ``-1.5s``."""
    total = nanos(value)
    seconds, rest = divmod(abs(total), _SECOND)
    return f"{'-' if total < 0 else ''}{seconds}{_fraction(rest)}s"


def zone(name: str) -> tzinfo:
    """An IANA zone by name (``Europe/Berlin``), or a fixed offset (``+02:00``, ``02:00``)."""
    if name in ("", "UTC", "Z"):
        return UTC
    fixed = _OFFSET.fullmatch(name)
    if fixed is not None:
        minutes = int(fixed.group(2)) * 60 + int(fixed.group(3))
        if minutes >= 24 * 60:
            raise Fault(f"'{name}' is no time zone")
        return timezone(timedelta(minutes=-minutes if fixed.group(1) == "-" else minutes))
    if _ZONE.fullmatch(name) is None:
        raise Fault(f"'{name[:40]}' is no time zone")
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        raise Fault(f"'{name}' is no time zone") from None


def local(value: datetime, name: str | None) -> datetime:
    """The timestamp as the clocks of a zone show it."""
    try:
        return value.astimezone(UTC if name is None else zone(name))
    except OverflowError:
        raise Fault("the timestamp is out of range in that time zone") from None
