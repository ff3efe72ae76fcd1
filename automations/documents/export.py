"""Rows → document."""

from __future__ import annotations

from typing import Any

from automations.documents.columns import PARTS, PEOPLE, WORKFLOW, shown
from automations.models import Workflow


def document_of(workflow: Workflow) -> dict[str, Any]:
    """The draft as a definition document; what `save` of it would store is what is stored."""
    columns = shown(workflow, [name for name in WORKFLOW if name not in PEOPLE])
    columns.update({name: who for name in PEOPLE if (who := _name(getattr(workflow, name)))})
    document: dict[str, Any] = {"workflow": workflow.slug}
    document.update({name: columns[name] for name in WORKFLOW if name in columns})
    parts = {
        "triggers": _list(workflow, "triggers"),
        "conditions": {row.name: row.tree for row in workflow.conditions.all()},
        "actions": _list(workflow, "actions"),
        "scenarios": _list(workflow, "scenarios"),
    }
    document.update({name: part for name, part in parts.items() if part})
    return document


def _list(workflow: Workflow, name: str) -> list[dict[str, Any]]:
    _model, key, columns = PARTS[name]
    return [{key: getattr(row, key), **shown(row, columns)} for row in getattr(workflow, name).all()]


def _name(holder: Any) -> str:
    if holder is None:
        return ""
    return holder.get_username() if hasattr(holder, "get_username") else holder.name
