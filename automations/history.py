"""Who changed a definition, and why: every history row is written through here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.db import models

REASON_LIMIT = 100  # the column's


def keep(row: models.Model, *, by: Any, reason: str = "") -> None:
    """Save the row with its history: `by` None is the system."""
    _sign(row, by, reason)
    row.save()


def remove(row: models.Model, *, by: Any, reason: str = "") -> None:
    """Delete the row; its history stays."""
    _sign(row, by, reason)
    row.delete()


def assign(row: models.Model, values: Mapping[str, Any]) -> bool:
    """Set these columns; True if any of them changed. JSON tells 1 from true and 1.0, `==` does not."""
    changed = [name for name, value in values.items() if _text(getattr(row, name)) != _text(value)]
    for name in changed:
        setattr(row, name, values[name])
    return bool(changed)


def _sign(row: Any, by: Any, reason: str) -> None:
    row._history_user = by
    row._change_reason = reason[:REASON_LIMIT] or None


def _text(value: Any) -> Any:
    return json.dumps(value, default=repr)
