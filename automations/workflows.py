"""Deleting a workflow, with all that belongs to it."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from guardian.models import GroupObjectPermission, UserObjectPermission

from automations import ports
from automations.history import remove
from automations.models import Epoch, Mode, Workflow
from automations.permissions import require
from automations.refusals import Conflict, Stale


@transaction.atomic
def delete(workflow: Workflow, *, by: Any, revision: int | None = None) -> None:
    """Delete a workflow that is not executed, its versions and finished runs; its history stays.

    `revision` is the one the decision rests on. Raises PermissionDenied, Conflict, Stale.
    """
    locked = Workflow.objects.select_for_update().get(pk=workflow.pk)
    require(by, "delete", locked)
    if revision is not None and revision != locked.revision:
        raise Stale()
    if locked.mode == Mode.EXECUTE:
        raise Conflict("It is being executed: set it to draft first.")
    ports.forget_workflow(locked)
    locked.listeners.all().delete()
    locked.releases.all().delete()
    Workflow.objects.filter(pk=locked.pk).update(current_version=None)
    locked.current_version = None
    locked.versions.all().delete()
    for model in (UserObjectPermission, GroupObjectPermission):
        of_workflows = {"content_type__app_label": "automations", "content_type__model": "workflow"}
        model.objects.filter(**of_workflows, object_pk=str(locked.pk)).delete()
    remove(locked, by=by, reason="deleted")
    Epoch.advance()
