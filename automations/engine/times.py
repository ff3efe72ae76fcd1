"""Moments as text: RFC 3339 in UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_PATTERN = re.compile(
    r"(\d{4}-\d{2}-\d{2})(?:[Tt ](\d{2}:\d{2}:\d{2})(\.\d{1,9})?(?:([Zz])|([+-]\d{2}:\d{2})))?", re.ASCII
)


def parse(text: str) -> datetime | None:
    """Return the moment an RFC 3339 text stands for, None if it is not one; a bare date is its first moment in UTC."""
    match = _PATTERN.fullmatch(text)
    if match is None:
        return None
    day, clock, fraction, _zulu, offset = match.groups()
    # Python keeps microseconds; finer digits are cut.
    written = f"{day}T{clock or '00:00:00'}{(fraction or '.0')[:7]:0<7}{offset or '+00:00'}"
    try:
        return datetime.fromisoformat(written)
    except ValueError:
        return None


def show(moment: datetime) -> str:
    """Return the moment as RFC 3339 in UTC, like `2026-01-31T08:00:00Z`; without a zone it is taken as UTC."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat().replace("+00:00", "Z")
