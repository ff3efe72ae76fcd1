"""Shared conditions: a team's rules that its workflows use by `{use: team/name}`."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from automations.engine.action_reader import KEY_FORM
from automations.engine.conditions import compile_condition
from automations.engine.errors import DefinitionError, Problem
from automations.engine.scope import IN_A_RUN
from automations.history import keep
from automations.listeners import write_listeners
from automations.models import Condition, Epoch, Mode, Workflow
from automations.permissions import holds_any_role, visible_to
from automations.plans import used_by
from automations.refusals import Invalid


def listed(by: Any) -> QuerySet[Condition]:
    """The shared conditions `by` may see: everybody who holds any role."""
    shared = Condition.objects.filter(workflow=None).select_related("team")
    return shared if by is None or holds_any_role(by) else shared.none()


@transaction.atomic
def create(team: str, name: str, tree: Any, *, by: Any) -> Condition:
    """A new condition of a team `by` belongs to. Raises PermissionDenied, Invalid, DefinitionError."""
    group = Group.objects.filter(name=team).first()
    if group is None:
        raise Invalid.at("team", f"There is no team {team}.")
    _require_member(by, group)
    if not name or "/" in name or name != name.strip():
        raise Invalid.at("name", f"“{name[:80]}” cannot be a condition's name. {KEY_FORM}")
    _check(tree)
    condition = Condition(team=group, name=name, tree=tree)
    try:
        with transaction.atomic():
            keep(condition, by=by, reason="created")
    except IntegrityError:
        raise Invalid.at("name", f"There is a condition {team}/{name} already.") from None
    Epoch.advance()
    return condition


@transaction.atomic
def update(condition: Condition, tree: Any, *, by: Any) -> Condition:
    """Change the rule: drafts follow at once, released versions keep their text. Raises as `create` does."""
    _require_member(by, condition.team)
    _check(tree)
    condition.tree = tree
    keep(condition, by=by, reason="changed")
    for workflow in _users(condition):
        if workflow.mode == Mode.SIMULATE:
            write_listeners(workflow)
    Epoch.advance()
    return condition


def using(condition: Condition, *, by: Any) -> list[Workflow]:
    """The workflows `by` may see whose drafts use the condition."""
    visible = set(visible_to(by).values_list("pk", flat=True))
    return [workflow for workflow in _users(condition) if workflow.pk in visible]


def _users(condition: Condition) -> list[Workflow]:
    own = Condition.objects.filter(workflow__isnull=False).select_related("workflow")
    return [row.workflow for row in own if row.workflow and used_by(row.tree) == str(condition)]


def _require_member(by: Any, team: Group | None) -> None:
    member = by is None or by.is_superuser or (team is not None and by.groups.filter(pk=team.pk).exists())
    if not member:
        raise PermissionDenied(f"You do not belong to the team {team}.")


def _check(tree: Any) -> None:
    """A shared condition stands alone: it names no other condition and reads what any run has."""
    try:
        compile_condition(tree, names=IN_A_RUN)
    except DefinitionError as error:
        problems = [Problem(f"tree.{p.path}" if p.path else "tree", p.message, p.fix) for p in error.problems]
        raise DefinitionError(problems) from None
