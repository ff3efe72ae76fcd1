"""Who may decide an approval, who may see it, and whom it asks.

Being named, as a user or through a group, is the right to decide; where nobody is named it is the verb `approve`.
Whoever started the run never decides about its steps.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import Q, QuerySet

from automations.permissions import VERBS, grants, workflow_ids
from automations.permissions import visible_to as workflows
from runs.models import Approval, Approver
from runs.states import ApprovalState

DELEGATED = "delegated"
INITIATOR = "Whoever started the run does not decide about its steps."


def names_of(user: Any) -> set[str]:
    """The names by which this user may have been named."""
    return {user.get_username(), *user.groups.values_list("name", flat=True)}


def visible_to(user: Any) -> QuerySet[Approval]:
    """What `user` may decide, and that of workflows they may view."""
    ids = workflow_ids(user)
    if ids is None:
        return Approval.objects.all()
    named = Approver.objects.filter(name__in=names_of(user)).values("approval")
    return Approval.objects.filter(Q(workflow__in=ids) | Q(pk__in=named))


class Sight:
    """What one user may do with approvals, asked once and not once per row."""

    def __init__(self, user: Any) -> None:
        self.user = user
        self._workflows: dict[str, set[int]] = {}

    @cached_property
    def names(self) -> set[str]:
        return names_of(self.user)

    def why_not(self, approval: Approval) -> str:
        """Why this user may not decide it, "" when they may. Its state is another question."""
        if self.user is None or not self.user.is_active:
            return "A person decides, nobody else."
        if self.user.pk == approval.run.started_by_id:
            return INITIATOR
        if not self._asked(approval):
            return "You are not among those who decide this."
        if has_delegated(self.user, approval):
            return "You have delegated this decision."
        return ""

    def may_see_input(self, approval: Approval) -> bool:
        """Approvers see that step's payload, besides those who see all payloads."""
        return self._may("payload", approval) or self._may("approve", approval) or self._asked(approval)

    def _asked(self, approval: Approval) -> bool:
        named = approval.approver_names
        return (
            bool(self.names.intersection(named))
            if named and not self.user.is_superuser
            else self._may("approve", approval)
        )

    def _may(self, verb: str, approval: Approval) -> bool:
        if self.user.is_superuser:
            return True
        if verb not in self._workflows:
            self._workflows[verb] = set(workflows(self.user, verb).values_list("pk", flat=True))
        return approval.workflow_id in self._workflows[verb]


def why_not(user: Any, approval: Approval) -> str:
    """Why this user may not decide it, "" when they may. Its state is another question."""
    return Sight(user).why_not(approval)


def waiting_for(user: Any) -> QuerySet[Approval]:
    """Pending approvals that this user may decide, but for those they have delegated."""
    pending = visible_to(user).filter(state=ApprovalState.PENDING).exclude(run__started_by=user.pk)
    if user.is_superuser:
        return pending
    named = Approver.objects.filter(name__in=names_of(user)).values("approval")
    unnamed = Q(approvers=None, workflow__in=workflows(user, "approve"))
    return pending.filter(Q(pk__in=named) | unnamed)


def has_delegated(user: Any, approval: Approval) -> bool:
    return any(one["by"] == user.get_username() and one["decision"] == DELEGATED for one in approval.decisions)


def asks(user: Any) -> bool:
    """Whether this user is named in any approval."""
    return Approver.objects.filter(name__in=names_of(user)).exists()


def asked_people(approval: Approval) -> list[Any]:
    """The active users who may decide it still."""
    people = _people(approval.approver_names or _approving(approval))
    spoken = {one["by"] for one in approval.decisions if one["decision"] in (DELEGATED, "approved")}
    return [user for user in people if user.pk != approval.run.started_by_id and user.get_username() not in spoken]


def _people(names: Iterable[str]) -> QuerySet:
    names = list(names)
    users = get_user_model()._default_manager.filter(is_active=True)
    return users.filter(Q(username__in=names) | Q(groups__name__in=names)).distinct().order_by("pk")


def _approving(approval: Approval) -> list[str]:
    """Users and groups that hold the verb `approve`, by name."""
    held = [one for one in grants(approval.workflow) if one["role"] in VERBS["approve"]]
    owner = approval.workflow.owner
    return [one.get("user") or one["group"] for one in held] + ([owner.get_username()] if owner else [])
