"""Shared conditions: a team's rules that its workflows use by `{use: team/name}`."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from automations.documents import document_of
from automations.engine.conditions import compile_condition
from automations.engine.errors import DefinitionError, Problem
from automations.engine.scope import IN_A_RUN
from automations.history import keep, remove
from automations.listeners import write_listeners
from automations.models import Condition, Epoch, Mode, Workflow
from automations.permissions import holds_any_role, visible_to
from automations.plans import problems, used_by
from automations.refusals import Conflict, Invalid

LONGEST = 100  # the column's
NAME_FORM = f"Write a text of at most {LONGEST} characters without /, like suspicious-order."


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
    if not name or "/" in name or name != name.strip() or len(name) > LONGEST:
        raise Invalid.at("name", f"“{name[:80]}” cannot be a condition's name. {NAME_FORM}")
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
    """Change the rule: drafts follow at once, released versions keep their text.

    Raises PermissionDenied, DefinitionError: the rule itself is wrong, or a workflow that uses it cannot.
    """
    _require_member(by, condition.team)
    _check(tree)
    _lock_users(condition)
    locked = Condition.objects.select_for_update(of=("self",)).select_related("team").get(pk=condition.pk)
    locked.tree = tree
    keep(locked, by=by, reason="changed")
    users = _users(locked)
    _refuse_where_it_breaks(users, by)
    for workflow in users:
        if workflow.mode == Mode.SIMULATE:
            write_listeners(workflow)
    return locked


@transaction.atomic
def delete(condition: Condition, *, by: Any) -> None:
    """Delete a condition that no draft uses; versions have its text. Raises PermissionDenied, Conflict."""
    _require_member(by, condition.team)
    _lock_users(condition)
    users = _users(condition)
    if users:
        raise Conflict(f"It is used by {_told(users, by)}: take it out there first.")
    remove(condition, by=by, reason="deleted")


def using(condition: Condition, *, by: Any) -> list[Workflow]:
    """The workflows `by` may see whose drafts use the condition."""
    visible = set(visible_to(by).values_list("pk", flat=True))
    return [workflow for workflow in _users(condition) if workflow.pk in visible]


def _users(condition: Condition) -> list[Workflow]:
    own = Condition.objects.filter(workflow__isnull=False).select_related("workflow").order_by("workflow")
    found = {row.workflow_id: row.workflow for row in own if row.workflow and used_by(row.tree) == str(condition)}
    return list(found.values())


def _lock_users(condition: Condition) -> None:
    """Take the locks in the order that a save of a workflow takes them: its row, then the epoch."""
    ids = [workflow.pk for workflow in _users(condition)]
    list(Workflow.objects.select_for_update().filter(pk__in=ids).order_by("pk").values_list("pk"))
    Epoch.advance()


def _refuse_where_it_breaks(users: list[Workflow], by: Any) -> None:
    """Raise DefinitionError for each workflow whose draft would be wrong from now on."""
    visible = set(visible_to(by).values_list("pk", flat=True))
    broken = []
    for workflow in users:
        wrong = [problem for problem in problems(document_of(workflow)) if problem.severity == "wrong"]
        if wrong:
            where = f"{workflow.slug} at {wrong[0].path}" if workflow.pk in visible else "a workflow you may not see"
            broken.append(Problem("tree", f"This cannot be used by {where}: {wrong[0].message}", wrong[0].fix))
    if broken:
        raise DefinitionError(broken)


def _told(users: list[Workflow], by: Any) -> str:
    visible = set(visible_to(by).values_list("pk", flat=True))
    named = [workflow.slug for workflow in users if workflow.pk in visible]
    hidden = len(users) - len(named)
    return " and ".join([*([", ".join(named)] if named else []), *([f"{hidden} you may not see"] if hidden else [])])


def _require_member(by: Any, team: Group | None) -> None:
    member = by is None or by.is_superuser or (team is not None and by.groups.filter(pk=team.pk).exists())
    if not member:
        raise PermissionDenied(f"You do not belong to the team {team}.")


def _check(tree: Any) -> None:
    """A shared condition stands alone: it names no other condition and reads what any run has."""
    try:
        compile_condition(tree, names=IN_A_RUN)
    except DefinitionError as error:
        found = [Problem(f"tree.{p.path}" if p.path else "tree", p.message, p.fix) for p in error.problems]
        raise DefinitionError(found) from None
