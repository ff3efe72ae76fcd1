"""Who may do what: roles per workflow, kept as guardian object permissions of the same names (CONTRACT 9).

A role is held by a user or through a group; the workflow's owner holds `owner` without a grant. `may` answers for one
object, `visible_to` for lists; nothing else in the product decides rights.
"""

from collections.abc import Iterable
from typing import Any

from django.contrib.auth.models import AbstractBaseUser, Group, Permission, User
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.db import models
from django.db.models import Q, QuerySet
from guardian.models import GroupObjectPermission, UserObjectPermission
from guardian.shortcuts import assign_perm, get_objects_for_user, remove_perm

from automations import ports
from automations.models import Workflow

ROLES = ("viewer", "builder", "operator", "approver", "releaser", "owner")
#: verb → the roles that hold it. "payload" is the sight of live data, "test" runs simulations.
VERBS: dict[str, frozenset[str]] = {
    "view": frozenset(ROLES),
    "payload": frozenset({"operator", "releaser", "owner"}),
    "edit": frozenset({"builder", "owner"}),
    "test": frozenset({"builder", "operator", "releaser", "owner"}),
    "run": frozenset({"operator", "owner"}),
    "hold": frozenset({"operator", "releaser", "owner"}),
    "approve": frozenset({"approver", "owner"}),
    "release": frozenset({"releaser", "owner"}),
    "rollback": frozenset({"operator", "releaser", "owner"}),
    "grant": frozenset({"owner"}),
    "delete": frozenset({"owner"}),
}


def roles(user: Any, workflow: Workflow) -> frozenset[str]:
    """The roles `user` holds on `workflow`; a superuser and the owner hold all."""
    if not user or not user.is_active:
        return frozenset()
    if user.is_superuser or workflow.owner_id == user.pk:
        return frozenset(ROLES)
    held = set(
        _rows(UserObjectPermission, workflow).filter(user_id=user.pk).values_list("permission__codename", flat=True)
    )
    held |= set(
        _rows(GroupObjectPermission, workflow)
        .filter(group__user=user.pk)
        .values_list("permission__codename", flat=True)
    )
    return frozenset(held) & frozenset(ROLES)


def _rows(model: type[models.Model], thing: models.Model) -> QuerySet:
    return model._default_manager.filter(
        content_type__app_label=thing._meta.app_label,
        content_type__model=thing._meta.model_name,
        object_pk=str(thing.pk),
    )


def may(user: Any, verb: str, workflow: Workflow) -> bool:
    """Whether `user` holds a role on `workflow` that carries `verb`. `user` None is the system itself: always."""
    return user is None or bool(roles(user, workflow) & VERBS[verb])


def require(user: Any, verb: str, workflow: Workflow) -> None:
    """Raise PermissionDenied unless `may`. Every mutation calls this itself, so that no path goes round it."""
    if not may(user, verb, workflow):
        raise PermissionDenied(f"You may not {verb} this workflow.")


def visible_to(user: Any, verb: str = "view") -> QuerySet[Workflow]:
    """The workflows on which `user` holds `verb`."""
    if user is None or (user.is_active and user.is_superuser):
        return Workflow.objects.all()
    if not user.is_active:
        return Workflow.objects.none()
    granted = get_objects_for_user(
        user,
        [f"automations.{role}" for role in sorted(VERBS[verb])],
        Workflow,
        any_perm=True,
        accept_global_perms=False,
        with_superuser=False,
    )
    return Workflow.objects.filter(Q(owner=user) | Q(pk__in=granted.values("pk")))


def workflow_ids(user: Any, verb: str = "view") -> QuerySet | None:
    """Ids for `workflow__in=`; None where no restriction is needed (superuser, system)."""
    return None if user is None or user.is_superuser else visible_to(user, verb).values("pk")


def may_use(user: Any, thing: models.Model) -> bool:
    """Whether `user` may name a connection or an endpoint in a workflow: its role `user`."""
    return user is None or user.is_superuser or user.has_perm(f"{thing._meta.app_label}.user", thing)


def usable_by(user: Any, model: type[models.Model]) -> QuerySet:
    """The connections or endpoints `user` may name."""
    if user is None or user.is_superuser:
        return model._default_manager.all()
    return get_objects_for_user(user, f"{model._meta.app_label}.user", model, accept_global_perms=False)


def may_run_as(user: Any, account: AbstractBaseUser) -> bool:
    """Whether `user` may let actions act as `account`: as themself, or with the role `user` on that account."""
    if user is None or user.is_superuser or user.pk == account.pk:
        return True
    return user.has_perm("auth.run_as_user", account)


def make_run_as_permission(**_: Any) -> None:
    """The role `user` of accounts is a permission on Django's own model: made here after every migrate."""
    Permission.objects.get_or_create(
        content_type=ContentType.objects.get_for_model(User),
        codename="run_as_user",
        defaults={"name": "May let actions act as this account"},
    )


def grant(workflow: Workflow, holder: User | Group, role: str) -> None:
    """Give `role` on `workflow` to a user or group. Raises ValueError for an unknown role."""
    if role not in ROLES:
        raise ValueError(f"There is no role {role}: one of {', '.join(ROLES)}.")
    assign_perm(f"automations.{role}", holder, workflow)


def grants(workflow: Workflow) -> list[dict[str, str]]:
    """`[{"user" | "group": name, "role"}]`, groups last; the owner of the document is not among them."""
    users = _rows(UserObjectPermission, workflow).values_list("user__username", "permission__codename")
    groups = _rows(GroupObjectPermission, workflow).values_list("group__name", "permission__codename")
    return [{"user": name, "role": role} for name, role in sorted(users) if role in ROLES] + [
        {"group": name, "role": role} for name, role in sorted(groups) if role in ROLES
    ]


def replace_grants(workflow: Workflow, wanted: Iterable[tuple[User | Group, str]]) -> None:
    """Make `wanted` all there is. Call inside a transaction."""
    for model, name in ((UserObjectPermission, "user"), (GroupObjectPermission, "group")):
        for row in _rows(model, workflow).select_related("permission", name):
            if row.permission.codename in ROLES:
                remove_perm(f"automations.{row.permission.codename}", getattr(row, name), workflow)
    for holder, role in wanted:
        grant(workflow, holder, role)


def holds_any_role(user: Any) -> bool:
    """Whether `user` holds any role: staff, superuser, or a role on any workflow or service."""
    if not user.is_active:
        return False
    if user.is_staff or user.is_superuser or Workflow.objects.filter(owner=user).exists():
        return True
    codenames = (*ROLES, "user")
    return (
        UserObjectPermission.objects.filter(user=user, permission__codename__in=codenames).exists()
        or GroupObjectPermission.objects.filter(group__user=user, permission__codename__in=codenames).exists()
    )


def may_sign_in(user: Any) -> bool:
    """Whether `user` may open the admin: whoever holds any role, or is named to approve something."""
    return holds_any_role(user) or (user.is_active and ports.asks(user))


def may_create(user: Any) -> bool:
    """Whether `user` may create workflows: by default whoever holds a role."""
    return user is None or user.is_superuser or user.has_perm("automations.add_workflow") or holds_any_role(user)


def may_manage(user: Any, verb: str, thing: models.Model | type[models.Model]) -> bool:
    """Whether `user` may add, change, delete or view connections or endpoints: all of them, or this one."""
    if user is None:
        return True
    permission = f"{thing._meta.app_label}.{verb}_{thing._meta.model_name}"
    return user.has_perm(permission) or (isinstance(thing, models.Model) and user.has_perm(permission, thing))


def require_manage(user: Any, verb: str, thing: models.Model | type[models.Model]) -> None:
    """Raise PermissionDenied unless `may_manage`."""
    if not may_manage(user, verb, thing):
        raise PermissionDenied(f"You may not {verb} this {thing._meta.verbose_name}.")


def entrust(user: Any, thing: models.Model) -> None:
    """Let whoever made a connection or an endpoint name, change and delete it."""
    if user is not None:
        label, name = thing._meta.app_label, thing._meta.model_name
        for permission in ("user", f"view_{name}", f"change_{name}", f"delete_{name}"):
            assign_perm(f"{label}.{permission}", user, thing)


def listed_for(user: Any, model: type[models.Model]) -> QuerySet:
    """The connections or endpoints `user` may see: those they may name or manage."""
    if may_manage(user, "view", model) or may_manage(user, "change", model):
        return model._default_manager.all()
    label, name = model._meta.app_label, model._meta.model_name
    permissions = [f"{label}.{permission}" for permission in ("user", f"view_{name}", f"change_{name}")]
    return get_objects_for_user(user, permissions, model, any_perm=True, accept_global_perms=False)


__all__ = [
    "ROLES",
    "VERBS",
    "entrust",
    "grant",
    "grants",
    "holds_any_role",
    "listed_for",
    "make_run_as_permission",
    "may",
    "may_create",
    "may_manage",
    "may_run_as",
    "may_sign_in",
    "may_use",
    "replace_grants",
    "require",
    "require_manage",
    "roles",
    "usable_by",
    "visible_to",
    "workflow_ids",
]
