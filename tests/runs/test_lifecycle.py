"""Cancelling runs, and forgetting those of a workflow that is deleted."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied

from automations import ports
from automations.permissions import grant
from automations.refusals import Conflict
from runs import dispatch, lifecycle
from runs.models import Agenda, Event, LogEntry, Run
from runs.simulation import run_test
from tests.builders import action, workflow
from tests.runs.failures import run_of

pytestmark = pytest.mark.django_db


def test_a_cancel_is_asked_for_and_wakes_whoever_carries_it_out(ana: User) -> None:
    run = dispatch.start(workflow(action("a")), {}, by=ana)
    signals = Agenda.objects.get().signals
    run = lifecycle.cancel(run, by=ana, reason="a mistake")
    assert run.cancelled_at is not None
    assert run.cancel_reason == "a mistake"
    assert run.status == "queued", "the worker that wakes finishes it"
    row = Agenda.objects.get()
    assert row.signals == signals + 1
    assert row.rank is not None
    assert LogEntry.objects.get().message == "Cancelled by ana: a mistake."


def test_a_cancel_is_never_held_back_by_a_limit(ana: User) -> None:
    run = dispatch.start(workflow(action("a")), {}, by=ana)
    Agenda.objects.update(blocked_by="limit", rank=None, limit_key="x", limit_count=1)
    lifecycle.cancel(run, by=ana)
    row = Agenda.objects.get()
    assert row.blocked_by is None
    assert row.rank is not None


def test_asking_twice_is_asking_once(ana: User) -> None:
    run = dispatch.start(workflow(action("a")), {}, by=ana)
    first = lifecycle.cancel(run, by=ana).cancelled_at
    assert lifecycle.cancel(run, by=ana).cancelled_at == first
    assert LogEntry.objects.count() == 1


def test_a_run_that_has_ended_cannot_be_cancelled() -> None:
    run = run_of(workflow(action("a")))
    with pytest.raises(Conflict, match="failed"):
        lifecycle.cancel(run, by=None)
    assert Run.objects.get().cancelled_at is None


def test_cancelling_needs_the_right_to_run(ben: User) -> None:
    run = dispatch.start(workflow(action("a")), {}, by=None)
    grant(run.workflow, ben, "builder")
    with pytest.raises(PermissionDenied):
        lifecycle.cancel(run, by=ben)


def test_a_rollback_cancels_the_unfinished_runs_of_the_version_it_leaves(ana: User) -> None:
    made = workflow(action("a"))
    runs = [dispatch.start(made, {}, by=ana) for _ in range(2)]
    ended = run_of(made)
    assert ports.cancel_runs(made, made.current_version, ana, "rolled back") == 2
    assert Run.objects.exclude(cancelled_at=None).count() == len(runs)
    ended.refresh_from_db()
    assert ended.cancelled_at is None


def test_a_workflow_with_unfinished_runs_cannot_be_forgotten(ana: User) -> None:
    made = workflow(action("a"))
    dispatch.start(made, {}, by=ana)
    with pytest.raises(Conflict, match="1 of its runs"):
        ports.forget_workflow(made)


def test_forgetting_a_workflow_deletes_its_runs_and_what_its_tests_made(ana: User) -> None:
    made = workflow(action("a"))
    kept = run_of(made).event
    run_test(made, by=ana, payload={})
    ports.forget_workflow(made)
    assert not Run.objects.exists()
    assert list(Event.objects.all()) == [kept]
    made.current_version = None
    made.save()
    made.delete()
