"""Batches: chosen once, paced, stoppable; every item has its own end."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.utils import timezone

from automations.models import Workflow
from automations.permissions import grant
from automations.refusals import Conflict, Invalid
from runs import batches, dead_letters
from runs.models import Agenda, Batch, BatchItem, DeadLetter, Run, Step
from tests.builders import action, workflow
from tests.runs.failures import letter, run_of, step

pytestmark = pytest.mark.django_db

CALL = {"connection": "crm", "method": "POST", "path": "/notes", "json": {"id": "{{ event.id }}"}}


@pytest.fixture
def made(db: None) -> Workflow:
    return workflow(action("a"), action("b"))


def letters(made: Workflow, count: int, key: str = "a") -> list[DeadLetter]:
    return [letter(run_of(made), key) for _ in range(count)]


def look(batch: Batch, now: datetime | None = None) -> datetime | None:
    return batches.perform(batch.pk, now or timezone.now())


def end(batch: Batch, *, passed: list[DeadLetter] = (), failed: list[DeadLetter] = (), ended: list[int] = ()) -> None:  # type: ignore[assignment]
    """What the executor's group commit records of the batch's runs."""
    for one in failed:
        DeadLetter.objects.filter(pk=one.pk).update(state="open")
    with connection.cursor() as cursor:
        batches.settle(
            cursor,
            passed=[(one.run_id, one.step) for one in passed],
            failed=[(one.run_id, one.step) for one in failed],
            ended=list(ended),
        )


def states(batch: Batch) -> list[str]:
    return list(batch.items.order_by("id").values_list("state", flat=True))


# Choosing ----------------------------------------------------------------------------------------------------------


def test_the_dead_letters_are_chosen_once_oldest_first(made: Workflow) -> None:
    first, second, _third = letters(made, 3)
    letter(run_of(made), "a", state="resolved")
    batch = batches.create({}, by=None, limit=2)
    letters(made, 1)
    assert list(batch.items.order_by("id").values_list("dead_letter", flat=True)) == [first.pk, second.pk]
    assert Agenda.objects.get(kind="batch").target == batch.pk


def test_a_filter_names_workflow_fingerprint_time_and_ids(made: Workflow) -> None:
    other = letter(run_of(workflow(action("a"), slug="other")), "a")
    old = letter(run_of(made), "a", opened_at=timezone.now() - timedelta(days=3), fingerprint="0" * 16)
    new = letter(run_of(made), "a")

    def chosen(**filter: Any) -> set[int]:
        return set(batches.select(filter, by=None).values_list("pk", flat=True))

    assert chosen() == {other.pk, old.pk, new.pk}
    assert chosen(workflow="orders") == chosen(workflow=made.pk) == chosen(workflow=str(made.pk)) == {old.pk, new.pk}
    assert chosen(fingerprint="0" * 16) == {old.pk}
    assert chosen(since="24h") == {other.pk, new.pk}
    assert chosen(since=(timezone.now() - timedelta(days=4)).isoformat()) == {other.pk, old.pk, new.pk}
    assert chosen(ids=[old.pk, 999], workflow=None) == {old.pk}
    assert chosen(state="discarded") == set()


@pytest.mark.parametrize(
    "filter", [{"state": "lost"}, {"since": "yesterday"}, {"ids": "1"}, {"ids": ["1"]}, {"colour": "red"}]
)
def test_what_cannot_be_read_is_refused_with_its_path(made: Workflow, filter: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as refused:
        batches.create(filter, by=None)
    assert refused.value.errors[0]["path"] == f"filter.{next(iter(filter))}"


@pytest.mark.parametrize("options", [{"rate": 0}, {"rate": True}, {"limit": 0}, {"stop_after": "3"}])
def test_limits_must_make_sense(made: Workflow, options: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as refused:
        batches.create({}, by=None, **options)
    assert refused.value.errors[0]["path"] == next(iter(options))


def test_only_dead_letters_one_may_replay_are_chosen(made: Workflow, ben: User) -> None:
    mine = letter(run_of(made), "a")
    letter(run_of(workflow(action("a"), slug="other")), "a")
    assert batches.create({}, by=ben).items.count() == 0
    grant(made, ben, "operator")
    assert [item.dead_letter for item in batches.create({}, by=ben).items.all()] == [mine]


def test_a_preview_counts_what_would_happen(svc: User) -> None:
    made = workflow(
        action("call", "http.request", config={**CALL, "url": "http://example.com", "connection": "", "path": ""}),
        action("late", valid_for="1h", approval={"approvers": ["finance"]}),
    )
    subject = {"subject_type": "order", "subject_key": "7"}
    letter(run_of(made, **subject), "call", **subject)
    run_of(made, status="succeeded", **subject)
    letter(run_of(made), "late", opened_at=timezone.now() - timedelta(hours=2))
    letter(run_of(made, status="waiting"), "call", status="unknown")
    assert batches.preview({}, by=None) == {
        "total": 3,
        "repeats": 2,
        "stale": 1,
        "superseded": 1,
        "needs_approval": 1,
        "unknown": 1,
    }
    assert batches.preview({}, by=None, limit=1)["total"] == 1
    assert not Batch.objects.exists()


# Pacing ------------------------------------------------------------------------------------------------------------


def test_each_item_reopens_its_run_and_ends_as_its_step_does(made: Workflow) -> None:
    good, bad = letters(made, 2)
    batch = batches.create({}, by=None, reason="healed")
    assert look(batch) is not None
    assert states(batch) == ["replaying", "replaying"]
    assert set(Run.objects.values_list("status", flat=True)) == {"queued"}
    end(batch, passed=[good], failed=[bad])
    assert states(batch) == ["done", "failed"]
    good.refresh_from_db()
    assert good.state == "resolved"
    assert good.closed_at is not None
    assert look(batch) is None
    batch.refresh_from_db()
    assert batch.state == "finished"
    assert batch.ended_at is not None
    assert batches.counts(batch) == {"total": 2, "done": 1, "failed": 1, "skipped": 0}


def test_an_empty_batch_is_finished_at_its_first_look(made: Workflow) -> None:
    batch = batches.create({}, by=None)
    assert look(batch) is None
    batch.refresh_from_db()
    assert batch.state == "finished"


def test_the_rate_is_kept_and_never_passed_in_a_burst(made: Workflow) -> None:
    letters(made, 9)
    batch, now = batches.create({}, by=None, rate=40), timezone.now()
    begun = []
    for _ in range(3):
        wake = look(batch, now)
        begun.append(states(batch).count("replaying"))
        assert wake == now + timedelta(seconds=0.1)
        now = wake + timedelta(seconds=60)  # a late look catches nothing up
    assert begun == [4, 8, 9]


def test_a_slow_rate_is_one_at_a_time(made: Workflow) -> None:
    letters(made, 2)
    batch, now = batches.create({}, by=None, rate=0.5), timezone.now()
    assert look(batch, now) == now + timedelta(seconds=2)
    assert states(batch) == ["replaying", "pending"]


def test_no_more_are_under_way_than_may_still_fail(made: Workflow) -> None:
    chosen = letters(made, 5)
    batch = batches.create({}, by=None, stop_after=2)
    look(batch)
    assert states(batch).count("replaying") == 2
    end(batch, passed=[chosen[0]], failed=[chosen[1]])
    look(batch)
    assert states(batch) == ["done", "failed", "replaying", "pending", "pending"]
    end(batch, failed=[chosen[2]])
    assert look(batch) is not None
    batch.refresh_from_db()
    assert batch.state == "stopped"
    assert batches.counts(batch) == {"total": 5, "done": 1, "failed": 2, "skipped": 0}


def test_a_stopped_batch_begins_nothing_and_a_resume_goes_on(made: Workflow) -> None:
    chosen = letters(made, 3)
    batch = batches.create({}, by=None, stop_after=1)
    look(batch)
    end(batch, failed=[chosen[0]])
    look(batch)
    batches.resume(batch, by=None)
    assert (batch.state, batch.forgiven, batch.ended_at) == ("running", 1, None)
    look(batch)
    assert states(batch) == ["failed", "replaying", "pending"]
    batches.stop(batch, by=None)
    assert batch.state == "stopped"
    assert look(batch) is not None
    assert states(batch) == ["failed", "replaying", "pending"]
    with pytest.raises(Conflict):
        batches.stop(batch, by=None)
    batches.resume(batch, by=None)
    with pytest.raises(Conflict):
        batches.resume(batch, by=None)


def test_what_somebody_else_took_meanwhile_is_skipped(made: Workflow) -> None:
    chosen = letters(made, 2)
    batch = batches.create({}, by=None)
    dead_letters.discard(chosen[0], by=None)
    look(batch)
    assert states(batch) == ["skipped", "replaying"]
    assert "Somebody else" in batch.items.get(state="skipped").message


def test_an_unknown_step_is_skipped(made: Workflow) -> None:
    letter(run_of(made, status="waiting"), "a", status="unknown")
    batch = batches.create({}, by=None)
    look(batch)
    assert states(batch) == ["skipped"]
    assert look(batch) is None


def test_two_dead_letters_of_one_run_are_replayed_together(made: Workflow) -> None:
    run = run_of(made)
    letter(run, "a")
    letter(run, "b")
    batch = batches.create({}, by=None)
    look(batch)
    assert states(batch) == ["replaying", "replaying"]
    run.refresh_from_db()
    assert run.reopened == 1


def test_what_a_reopened_run_never_reached_is_open_again(made: Workflow) -> None:
    (one,) = letters(made, 1)
    batch = batches.create({}, by=None)
    look(batch)
    Run.objects.update(status="cancelled")
    end(batch, ended=[one.run_id])
    one.refresh_from_db()
    assert one.state == "open"
    assert states(batch) == ["failed"]


def test_a_dead_letter_somebody_resolved_while_it_was_under_way_is_done(made: Workflow) -> None:
    letters(made, 1)
    batch = batches.create({}, by=None)
    look(batch)
    DeadLetter.objects.update(state="resolved")
    look(batch)
    assert states(batch) == ["done"]


def test_looks_become_rarer_while_the_last_ones_take_long(made: Workflow) -> None:
    letters(made, 1)
    batch = batches.create({}, by=None)
    look(batch)
    soon, late = batch.created_at + timedelta(seconds=1), batch.created_at + timedelta(hours=1)
    assert look(batch, soon) == soon + timedelta(seconds=0.25)
    assert look(batch, late) == late + timedelta(seconds=5)


def test_a_rehearsal_makes_simulated_runs_and_leaves_the_dead_letters_open(made: Workflow) -> None:
    (one,) = letters(made, 1)
    step(one.run, "b")
    batch = batches.create({}, by=None, simulate=True)
    look(batch)
    assert states(batch) == ["done"]
    one.refresh_from_db()
    assert one.state == "open"
    rehearsed = Run.objects.get(replay_of=one.run)
    assert (rehearsed.mode, rehearsed.status) == ("simulate", "succeeded")
    assert Step.objects.filter(run=one.run, status="failed").exists()


# Rights ------------------------------------------------------------------------------------------------------------


def test_whoever_made_a_batch_may_stop_it_and_others_need_the_right(made: Workflow, ben: User, carl: User) -> None:
    letters(made, 1)
    grant(made, ben, "operator")
    batch = batches.create({}, by=ben)
    with pytest.raises(PermissionDenied):
        batches.stop(batch, by=carl)
    assert not batches.visible_to(carl).exists()
    grant(made, carl, "viewer")
    assert batches.visible_to(carl).get() == batch
    batches.stop(batch, by=ben)
    grant(made, carl, "operator")
    batches.resume(batch, by=carl)


def test_a_right_lost_meanwhile_ends_in_skipped_items(made: Workflow, ben: User) -> None:
    from automations.permissions import replace_grants

    letters(made, 1)
    grant(made, ben, "operator")
    batch = batches.create({}, by=ben)
    replace_grants(made, [])
    look(batch)
    assert states(batch) == ["skipped"]
    assert BatchItem.objects.get().message
