"""Access: who holds which role on a workflow, given and taken here."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Group, User
from django.db import transaction

from automations.models import Workflow
from automations.permissions import ROLES, grants, replace_grants, require
from automations.refusals import Invalid

Wanted = list[tuple[User | Group, str]]


def of(workflow: Workflow) -> list[dict[str, str]]:
    """`[{"user" | "group": name, "role"}]`; the document's owner is not among them."""
    return grants(workflow)


@transaction.atomic
def replace(workflow: Workflow, wanted: Wanted, *, by: Any) -> list[dict[str, str]]:
    """Make `wanted` all the grants there are. Raises PermissionDenied, Invalid (an unknown role)."""
    locked = Workflow.objects.select_for_update().get(pk=workflow.pk)
    require(by, "grant", locked)
    for index, (_holder, role) in enumerate(wanted):
        if role not in ROLES:
            raise Invalid.at(f"[{index}].role", f"There is no role {role}: one of {', '.join(ROLES)}.")
    replace_grants(locked, wanted)
    return grants(locked)
