"""Which columns stand in the definition document, in the order people read them; names are the same on both sides.

A column that holds its empty value is absent from the document, and what is absent becomes the empty value.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

from django.db import models

from automations.models import Action, Scenario, Trigger, Workflow

PEOPLE = ("owner", "deputy", "team", "run_as")
WORKFLOW = (
    *("name", "description", "process", *PEOPLE, "mode", "tags", "priority", "timeout", "concurrency", "sla"),
    *("retention", "sensitive", "encrypt", "runbook", "alerts"),
)
TRIGGER = ("kind", "config", "filter", "dedupe", "subject", "contract", "debounce", "throttle")
ACTION = (
    *("kind", "needs", "join", "after_skip", "when", "on_unknown", "for_each", "parallel", "repeat", "owner"),
    *("replaces", "risk", "safety", "cap", "approval", "valid_for", "patience", "if_it_fails", "config", "retry"),
    *("timeout", "on_failure", "compensate"),
)
SCENARIO = ("trigger", "payload", "headers", "as_user", "outputs", "expect")

#: The workflow's own columns that a save takes over as they are.
PLAIN = tuple(name for name in WORKFLOW if name not in (*PEOPLE, "mode"))
#: list of the document → (model, its key column, its columns)
PARTS: dict[str, tuple[type[models.Model], str, tuple[str, ...]]] = {
    "triggers": (Trigger, "key", TRIGGER),
    "actions": (Action, "key", ACTION),
    "scenarios": (Scenario, "name", SCENARIO),
}
#: Shown even when they hold their default: a definition says its mode, a scenario says what arrives.
ALWAYS = {(Workflow, "mode"), (Scenario, "payload")}


def empty(model: type[models.Model], name: str) -> Any:
    """What the column holds when the document says nothing."""
    field = cast(models.Field, model._meta.get_field(name))
    return None if field.null else field.get_default()


def shown(row: models.Model, names: Iterable[str]) -> dict[str, Any]:
    """The columns as the document shows them, empty ones left out."""
    model = type(row)
    values = {name: _plain(getattr(row, name)) for name in names}
    return {
        name: value
        for name, value in values.items()
        if (model, name) in ALWAYS or (value is not None and not _same(value, empty(model, name)))
    }


def taken(model: type[models.Model], part: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """The columns' values for this part of the document; null counts as absent."""
    given = {name: part.get(name) for name in names}
    return {name: empty(model, name) if value is None else value for name, value in given.items()}


def too_long(model: type[models.Model], values: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """(name, message) for every text that its column cannot hold, or that is no text at all."""
    for name, value in values.items():
        field = model._meta.get_field(name)
        if not isinstance(field, models.CharField) or value is None:
            continue
        if not isinstance(value, str):
            yield name, "This must be text."
        elif field.max_length and len(value) > field.max_length:
            yield name, f"This has {len(value)} characters, at most {field.max_length} are possible."


def _plain(value: Any) -> Any:
    """A choice that was set in memory is an enum still; a document holds plain text."""
    return str(value) if isinstance(value, models.Choices) else value


def _same(value: Any, other: Any) -> bool:
    return type(value) is type(other) and value == other
