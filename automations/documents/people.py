"""Owner, deputy, team and run-as account: applied where the importer may grant or use them, else left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group

from automations.models import Workflow
from automations.permissions import may, may_run_as

Missed = list[dict[str, str]]


def apply_people(workflow: Workflow, document: Mapping[str, Any], *, by: Any) -> tuple[dict[str, Any], Missed]:
    """The columns to set, and what was left out as `[{path, message}]`.

    A document that names no owner leaves the owner as it is: no workflow loses its owner by an omission.
    """
    may_grant = may(by, "grant", workflow)
    columns: dict[str, Any] = {}
    missed: Missed = []
    for name in ("deputy", "team", "run_as", "owner"):
        wanted = document.get(name) or ""
        if wanted == _current(workflow, name) or (name == "owner" and not wanted):
            continue
        holder, message = _holder(name, wanted, by, may_grant)
        if message:
            missed.append({"path": name, "message": message})
        else:
            columns[name] = holder
    return columns, missed


def _current(workflow: Workflow, name: str) -> str:
    holder = getattr(workflow, name)
    if holder is None:
        return ""
    return holder.name if name == "team" else holder.get_username()


def _holder(name: str, wanted: str, by: Any, may_grant: bool) -> tuple[Any, str]:
    """The user or group to set, or why not."""
    if name != "run_as" and not may_grant:
        return None, f"You may not set the {name} of this workflow."
    if not wanted:
        return None, ""
    if name == "team":
        team = Group.objects.filter(name=wanted).first()
        return team, "" if team else f"There is no team {wanted}."
    user = get_user_model()._default_manager.filter(username=wanted, is_active=True).first()
    if user is None:
        return None, f"There is no active user {wanted}."
    if name == "run_as" and not may_run_as(by, user):
        return None, f"You may not let actions act as {wanted}."
    return user, ""
