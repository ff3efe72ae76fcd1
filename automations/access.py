"""Access: who holds which role on a workflow, and who may name a connection, an endpoint or an account in one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.contrib.auth.models import Group, User
from django.core.exceptions import PermissionDenied
from django.db import transaction
from guardian.shortcuts import assign_perm, get_groups_with_perms, get_users_with_perms, remove_perm

from automations.models import Workflow
from automations.permissions import ROLES, grants, may_manage, replace_grants, require
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


# Naming a connection, an endpoint or an account in a workflow: their role `user` -----------------------------------


def users_of(thing: Any) -> list[dict[str, str]]:
    """`[{"user" | "group": name}]` of those who may name it in a workflow (an account: as run_as)."""
    codename = _use(thing).split(".")[1]
    people: Any = get_users_with_perms(thing, attach_perms=True, with_group_users=False)
    groups: Any = get_groups_with_perms(thing, attach_perms=True)
    named = [{"user": user.get_username()} for user, held in people.items() if codename in held]
    return named + [{"group": group.name} for group, held in groups.items() if codename in held]


@transaction.atomic
def let_use(thing: Any, holder: User | Group, *, by: Any) -> None:
    """Let a user or group name it in a workflow. Raises PermissionDenied."""
    _require_use(thing, by)
    assign_perm(_use(thing), holder, thing)


@transaction.atomic
def stop_using(thing: Any, holder: User | Group, *, by: Any) -> None:
    """Take that right back; what names it already stays as it is. Raises PermissionDenied."""
    _require_use(thing, by)
    remove_perm(_use(thing), holder, thing)


def may_share(user: Any, thing: Any) -> bool:
    """Whether `user` may decide who names it: who may change it; a superuser's account: superusers."""
    if isinstance(thing, User) and thing.is_superuser:
        return user is None or user.is_superuser
    return may_manage(user, "change", thing)


def _require_use(thing: Any, by: Any) -> None:
    if not may_share(by, thing):
        raise PermissionDenied(f"You may not decide who uses this {thing._meta.verbose_name}.")


def _use(thing: Any) -> str:
    return "auth.run_as_user" if isinstance(thing, User) else f"{thing._meta.app_label}.user"
