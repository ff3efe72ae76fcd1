"""What changed, by whom, when: the history of a row, and of the rows that belong to it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from simple_history.models import DeletedObject

from automations.html import NOTHING, brief

SHOWN = 100  # changes on a page
DEEDS = {"+": ("Added", "success"), "~": ("Changed", "info"), "-": ("Removed", "danger")}


@dataclass(slots=True)
class Change:
    """One record of a history: `fields` are (name, before, after)."""

    at: datetime
    who: str
    word: str
    tone: str
    noun: str
    reason: str
    fields: list[tuple[str, str, str]] = field(default_factory=list)


def changes_of(row: Any, parts: Iterable[str] = ()) -> list[Change]:
    """The newest changes of `row` and of the rows it has under these related names, newest first."""
    found = _changes(
        type(row).history.filter(**{row._meta.pk.name: row.pk}), f"the {row._meta.verbose_name}", named=False
    )
    for name in parts:
        relation = row._meta.get_field(name)
        model, column = relation.related_model, relation.field.name
        found += _changes(model.history.filter(**{column: row.pk}), str(model._meta.verbose_name))
    return sorted(found, key=lambda change: change.at, reverse=True)[:SHOWN]


def _changes(records: Any, noun: str, *, named: bool = True) -> list[Change]:
    newest = list(records.select_related("history_user").order_by("-history_date", "-history_id")[: SHOWN + 1])
    by_row: dict[Any, list[Any]] = {}
    for record in newest:
        by_row.setdefault(record.id, []).append(record)
    found = []
    for same in by_row.values():
        for record, before in zip(same, [*same[1:], None], strict=True):
            name = getattr(record, "key", None) or getattr(record, "name", "") if named else ""
            found.append(_change(record, before, f"{noun} {name}".strip()))
    return [change for change in found if change.word != "Changed" or change.fields or change.reason]


def _change(record: Any, before: Any, noun: str) -> Change:
    word, tone = DEEDS[record.history_type]
    return Change(
        at=record.history_date,
        who=record.history_user.get_username() if record.history_user else "the system",
        word=word,
        tone=tone,
        noun=noun,
        reason=record.history_change_reason or "",
        fields=_differences(record, before) if word == "Changed" and before is not None else [],
    )


def _differences(record: Any, before: Any) -> list[tuple[str, str, str]]:
    delta = record.diff_against(before, foreign_keys_are_objs=True)
    hidden = ("revision", "updated_at", "position")
    return [
        (change.field.replace("_", " "), _shown(change.old), _shown(change.new))
        for change in delta.changes
        if change.field not in hidden
    ]


def _shown(value: Any) -> str:
    if isinstance(value, DeletedObject):
        return NOTHING if value.pk is None else f"#{value.pk}, deleted since"
    if value in (None, "", [], {}):
        return NOTHING
    return brief(value if isinstance(value, (str, int, float, bool, list, dict)) else str(value), 300)


def values_of(record: Any) -> list[tuple[str, Any]]:
    """(name, value) of what the row said then."""
    return [
        (field.verbose_name, getattr(record, field.name))
        for field in record.tracked_fields
        if not field.primary_key and getattr(record, field.attname) not in (None, "", [], {})
    ]
