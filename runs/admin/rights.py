"""What of execution a person may see (CONTRACT: roles and verbs)."""

from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from automations.models import Workflow
from automations.permissions import may, workflow_ids
from runs.models import Evaluation, Event, Run


def of_visible_workflows(rows: QuerySet, user: Any, path: str = "workflow") -> QuerySet:
    """The rows that belong to workflows `user` may view."""
    ids = workflow_ids(user)
    return rows if ids is None else rows.filter(**{f"{path}__in": ids})


def visible_events(user: Any) -> QuerySet[Event]:
    """The events that a workflow `user` may view was asked about."""
    return _events_asked(user, "view")


def may_see_payload(user: Any, run: Run) -> bool:
    """Whether `user` may see what went in and out: live data for operators and up, simulated for builders too."""
    if run.mode == Run.Mode.SIMULATE:
        return may_see_simulated(user, run.workflow)
    return may(user, "payload", run.workflow)


def may_see_simulated(user: Any, workflow: Workflow) -> bool:
    return may(user, "test", workflow) or may(user, "payload", workflow)


def may_see_event_payload(user: Any, event: Event) -> bool:
    verbs = ("payload", "test") if event.simulated else ("payload",)
    return any(_events_asked(user, verb).filter(pk=event.pk).exists() for verb in verbs)


def _events_asked(user: Any, verb: str) -> QuerySet[Event]:
    ids = workflow_ids(user, verb)
    if ids is None:
        return Event.objects.all()
    asked = Evaluation.objects.filter(event=OuterRef("pk"), workflow__in=ids)
    started = Run.objects.filter(event=OuterRef("pk"), workflow__in=ids)
    return Event.objects.filter(Q(Exists(asked)) | Q(Exists(started)))
