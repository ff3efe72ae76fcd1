"""Access: who holds which role on a workflow, given and taken here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.contrib.auth.models import Group, User
from django.db import transaction

from automations.models import Workflow
from automations.permissions import ROLES, grants, replace_grants, require
from automations.refusals import Invalid

Grant = Mapping[str, str]


def access_of(workflow: Workflow, *, by: Any) -> list[dict[str, str]]:
    """`[{"user" | "group": name, "role"}]`; the document's owner is not among them. Raises PermissionDenied."""
    require(by, "view", workflow)
    return grants(workflow)


@transaction.atomic
def set_access(workflow: Workflow, wanted: Iterable[Grant], *, by: Any) -> list[dict[str, str]]:
    """Make `wanted` all the grants there are. Raises PermissionDenied, Invalid with the path of what is not right."""
    locked = Workflow.objects.select_for_update().get(pk=workflow.pk)
    require(by, "grant", locked)
    errors: list[tuple[str, str]] = []
    holders = [_holder(index, entry, errors) for index, entry in enumerate(wanted)]
    if errors:
        raise Invalid("These grants are not right.", errors=errors)
    replace_grants(locked, [holder for holder in holders if holder is not None])
    return grants(locked)


def give(workflow: Workflow, entry: Grant, *, by: Any) -> list[dict[str, str]]:
    """One grant more. Raises as `set_access` does."""
    with transaction.atomic():
        return set_access(workflow, [*_without(workflow, entry), entry], by=by)


def take(workflow: Workflow, entry: Grant, *, by: Any) -> list[dict[str, str]]:
    """One grant less. Raises PermissionDenied."""
    with transaction.atomic():
        return set_access(workflow, _without(workflow, entry), by=by)


def _without(workflow: Workflow, entry: Grant) -> list[dict[str, str]]:
    return [grant for grant in grants(workflow) if grant != dict(entry)]


def _holder(index: int, entry: Grant, errors: list[tuple[str, str]]) -> tuple[User | Group, str] | None:
    """The user or group of an entry and the role; notes what is wrong with it."""
    path, user, group, role = f"[{index}]", entry.get("user"), entry.get("group"), entry.get("role", "")
    if role not in ROLES:
        errors.append((f"{path}.role", f"There is no role {role}: one of {', '.join(ROLES)}."))
    if bool(user) == bool(group):
        errors.append((path, "Name a user or a group."))
        return None
    holder = User.objects.filter(username=user).first() if user else Group.objects.filter(name=group).first()
    if holder is None:
        noun, name = ("user", user) if user else ("group", group)
        errors.append((f"{path}.{noun}", f"There is no {noun} {name}."))
        return None
    return holder, role
