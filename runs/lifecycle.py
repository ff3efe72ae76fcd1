"""The end of a run that somebody asks for, and of all runs of a workflow that is deleted."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from automations.models import Version, Workflow
from automations.permissions import require
from automations.refusals import Conflict
from runs import agenda, bell, database
from runs.models import Event, Run
from runs.rerun import because, who, write_log
from runs.states import FINISHED_RUN


@transaction.atomic
def cancel(run: Run, *, by: Any, reason: str = "") -> Run:
    """Ask for the run's end: its owner (or whoever wakes it) starts nothing new in it and finishes it.

    Never held back by a limit. Asking twice is asking once. Needs the verb `run`; raises Conflict when it has ended.
    """
    require(by, "run", run.workflow)
    asked = _ask([run.pk], reason, by)
    run.refresh_from_db()
    if not asked and run.status in FINISHED_RUN:
        raise Conflict(f"The run has ended: {run.get_status_display().lower()}.")
    return run


def cancel_runs(workflow: Workflow, version: Version, by: Any, reason: str) -> int:
    """Cancel the unfinished runs of a version. Returns how many; the caller has checked the right to."""
    with transaction.atomic():
        open_runs = Run.objects.filter(workflow=workflow, version=version, cancelled_at=None)
        return _ask(list(open_runs.exclude(status__in=FINISHED_RUN).values_list("pk", flat=True)), reason, by)


def _ask(ids: list[int], reason: str, by: Any) -> int:
    """Guarded: only an unfinished run that nobody has cancelled yet."""
    now, asked = database.now(), 0
    for pk in sorted(ids):
        # The agenda row first: every transaction of several rows locks it before any other.
        agenda.let_through(agenda.RUN, pk, now)
        unfinished = Run.objects.filter(pk=pk, cancelled_at=None).exclude(status__in=FINISHED_RUN)
        if unfinished.update(cancelled_at=now, cancel_reason=reason[:500]):
            asked += 1
            write_log(Run(pk=pk), now, f"Cancelled by {who(by)}{because(reason)}.")
    if asked:
        bell.ring_after_commit()
    return asked


@transaction.atomic
def forget_workflow(workflow: Workflow) -> None:
    """Delete the runs of a workflow that is about to be deleted, and the events its tests made.

    Raises Conflict while one is unfinished: what was accepted is not lost by a click.
    """
    unfinished = Run.objects.filter(workflow=workflow).exclude(status__in=FINISHED_RUN).count()
    if unfinished:
        raise Conflict(f"{unfinished} of its runs are still going on: cancel them, or wait until they have ended.")
    tested = list(Event.objects.filter(simulated=True, runs__workflow=workflow).values_list("pk", flat=True).distinct())
    Run.objects.filter(workflow=workflow).delete()
    for start in range(0, len(tested), 1000):
        Event.objects.filter(pk__in=tested[start : start + 1000], runs=None).delete()
