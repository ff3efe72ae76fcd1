"""What of execution a person may see (CONTRACT: roles and verbs)."""

from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from automations.models import Workflow
from automations.permissions import may, workflow_ids
from runs.models import Evaluation, Event, Run

SAMPLE = 200  # newest rows looked at


def of_visible_workflows(rows: QuerySet, user: Any) -> QuerySet:
    """The rows that belong to workflows `user` may view, in a form in which the newest are found quickly.

    Where the newest rows are mostly visible, walking them from the end is short; else the index on the workflow is.
    Without statistics a database takes the index either way, and sorts a million rows to show fifty.
    """
    ids = workflow_ids(user)
    if ids is None:
        return rows
    seen = set(ids.values_list("pk", flat=True))
    if len(seen) < 2:
        return rows.filter(workflow=next(iter(seen), None))
    newest = rows.model._default_manager.order_by("-pk").values_list("workflow", flat=True)[:SAMPLE]
    if sum(workflow in seen for workflow in newest) * 4 < SAMPLE:
        return rows.filter(workflow__in=seen)
    return rows.filter(Exists(Workflow.objects.filter(pk=OuterRef("workflow"), pk__in=seen)))


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
