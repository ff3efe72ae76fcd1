"""Dead letters: replay reopens the run from the failed step; discard, resolve, change."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.utils import timezone

from automations.models import Workflow
from automations.permissions import grant
from automations.refusals import Conflict, Invalid
from runs import dead_letters
from runs.models import Agenda, DeadLetter, LogEntry, Run, Step
from tests.builders import action, workflow
from tests.runs.failures import letter, run_of, step

pytestmark = pytest.mark.django_db


@pytest.fixture
def orders() -> Workflow:
    return workflow(
        action("before"), action("notify", needs=["before"]), action("other"), action("after", needs=["notify"])
    )


@pytest.fixture
def failed(orders: Workflow) -> DeadLetter:
    """Its run performed `before`, failed at `notify`, never reached `after`."""
    run = run_of(orders)
    step(run, "before", output={"key": "before"})
    step(run, "after", "skipped", not_reached=True, reason="not reached: notify failed")
    return letter(run, "notify")


def statuses(run: Run) -> dict[str, str]:
    return dict(Step.objects.filter(run=run).values_list("action", "status"))


def test_a_replay_reopens_the_run_from_the_failed_step(failed: DeadLetter) -> None:
    run = dead_letters.replay(failed, by=None, reason="fixed")
    assert run.pk == failed.run_id
    assert (run.status, run.reopened, run.finished_at, run.error) == ("queued", 1, None, None)
    assert statuses(run) == {"before": "succeeded", "notify": "pending", "after": "pending"}
    again = Step.objects.get(run=run, action="notify")
    assert (again.attempt, again.error, again.finished_at) == (0, None, None)
    assert again.due_at <= timezone.now() + timedelta(seconds=1)
    assert again.input == {"json": {"id": 7}}, "the same bytes go out again"
    assert again.ready_at == run.created_at
    assert Step.objects.get(run=run, action="before").output == {"key": "before"}
    failed.refresh_from_db()
    assert (failed.state, failed.replays) == ("replaying", 1)
    row = Agenda.objects.get(kind="run", target=run.pk)
    assert row.rank is not None
    assert LogEntry.objects.filter(run=run, message="Reopened from notify by the system: fixed.").exists()


def test_of_two_who_replay_one_is_told_that_somebody_else_was_first(failed: DeadLetter) -> None:
    dead_letters.replay(failed, by=None)
    with pytest.raises(Conflict):
        dead_letters.replay(failed, by=None)
    Run.objects.update(status="failed")
    with pytest.raises(Conflict, match="Somebody else"):
        dead_letters.replay(failed, by=None)
    assert Run.objects.get().reopened == 1
    assert DeadLetter.objects.get().replays == 1


@pytest.mark.django_db(transaction=True)
def test_of_many_at_the_same_moment_one_replays_the_run(failed: DeadLetter) -> None:
    both = [failed, letter(failed.run, "other")]
    start, came = threading.Barrier(6), []

    def replay(one: DeadLetter) -> None:
        try:
            start.wait(10)
            dead_letters.replay(DeadLetter.objects.get(pk=one.pk), by=None)
            came.append("reopened")
        except Conflict:
            came.append("refused")
        finally:
            connection.close()

    threads = [threading.Thread(target=replay, args=(both[n % 2],)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(came) == ["refused"] * 5 + ["reopened"]
    assert Run.objects.get().reopened == 1
    assert list(DeadLetter.objects.values_list("state", "replays")) == [("replaying", 1)] * 2


def test_a_run_that_is_still_going_on_is_not_reopened(failed: DeadLetter) -> None:
    Run.objects.update(status="running")
    with pytest.raises(Conflict, match="still going on"):
        dead_letters.replay(failed, by=None)
    assert DeadLetter.objects.get().state == "open"


def test_a_reopened_run_has_its_whole_timeout_again() -> None:
    run = run_of(workflow(action("a"), timeout="1h"), deadline=timezone.now() - timedelta(days=1))
    run = dead_letters.replay(letter(run, "a"), by=None)
    assert run.deadline > timezone.now() + timedelta(minutes=59)


def test_a_reopened_run_keeps_its_priority_and_its_limit() -> None:
    made = workflow(action("a"), concurrency={"limit": 2, "key": "event.id"})
    run = dead_letters.replay(letter(run_of(made, priority=9), "a"), by=None)
    row = Agenda.objects.get(target=run.pk)
    assert (row.limit_key, row.limit_count) == (f"{made.pk}:7", 2)
    assert row.head_start == 270


def test_open_dead_letters_that_would_stop_the_run_again_come_along(failed: DeadLetter) -> None:
    second = letter(failed.run, "other")
    run = dead_letters.replay(failed, by=None)
    second.refresh_from_db()
    assert second.state == "replaying"
    assert statuses(run)["other"] == "pending"


def test_a_run_with_another_failure_that_was_closed_cannot_go_on(failed: DeadLetter) -> None:
    letter(failed.run, "other", state="discarded")
    with pytest.raises(Conflict, match="other failed too"):
        dead_letters.replay(failed, by=None)
    assert Run.objects.get().status == "failed"


def test_a_tolerated_failure_is_not_in_the_way() -> None:
    run = run_of(workflow(action("a"), action("b", on_failure="continue")))
    step(run, "b", "failed")
    run = dead_letters.replay(letter(run, "a"), by=None)
    assert statuses(run) == {"a": "pending", "b": "failed"}


def test_a_replay_of_a_cancelled_run_takes_the_cancel_back(failed: DeadLetter) -> None:
    Run.objects.update(status="cancelled", cancelled_at=timezone.now(), cancel_reason="stop")
    step(failed.run, "other", "cancelled")
    run = dead_letters.replay(failed, by=None)
    assert (run.cancelled_at, run.cancel_reason) == (None, "")
    assert statuses(run)["other"] == "pending"


def test_an_unknown_step_is_never_repeated_blindly(orders: Workflow) -> None:
    unknown = letter(run_of(orders, status="waiting", finished_at=None), "notify", status="unknown")
    with pytest.raises(Conflict, match="Nobody knows"):
        dead_letters.replay(unknown, by=None)
    with pytest.raises(Conflict, match="Nobody knows"):
        dead_letters.discard(unknown, by=None)


@pytest.mark.parametrize(
    ("outcome", "status", "state"), [("happened", "succeeded", "resolved"), ("did_not_happen", "pending", "replaying")]
)
def test_a_waiting_run_goes_on_once_a_person_says_what_happened(
    orders: Workflow, outcome: str, status: str, state: str
) -> None:
    run = run_of(orders, status="waiting", finished_at=None, error=None)
    unknown = letter(run, "notify", status="unknown")
    Agenda.objects.create(kind="run", target=run.pk)
    dead_letters.resolve(unknown, by=None, outcome=outcome, output={"ok": True}, note="asked them")
    assert (unknown.state, unknown.note) == (state, "asked them")
    told = Step.objects.get(run=run, action="notify")
    assert told.status == status
    assert told.output == ({"ok": True} if outcome == "happened" else None)
    row = Agenda.objects.get()
    assert row.signals == 1
    assert row.rank is not None
    run.refresh_from_db()
    assert run.status == "waiting"
    assert run.reopened == 1


def test_an_answer_does_not_interfere_with_a_worker_that_carries_the_run(orders: Workflow) -> None:
    run = run_of(orders, status="running", finished_at=None)
    unknown = letter(run, "notify", status="unknown")
    Agenda.objects.create(kind="run", target=run.pk, owner=1)
    with pytest.raises(Conflict, match="Try again"):
        dead_letters.resolve(unknown, by=None, outcome="happened")
    assert DeadLetter.objects.get().state == "open"


def test_a_failed_step_that_was_done_by_hand_lets_its_run_go_on(failed: DeadLetter) -> None:
    dead_letters.resolve(failed, by=None, outcome="happened", output={"id": 3}, note="by telephone")
    run = Run.objects.get()
    assert (run.status, run.reopened) == ("queued", 1)
    assert statuses(run) == {"before": "succeeded", "notify": "succeeded", "after": "pending"}
    assert Step.objects.get(action="notify").output == {"id": 3}
    assert failed.state == "resolved"


def test_an_outcome_must_be_one_of_two_and_storable(failed: DeadLetter) -> None:
    with pytest.raises(Invalid):
        dead_letters.resolve(failed, by=None, outcome="perhaps")
    with pytest.raises(Invalid):
        dead_letters.resolve(failed, by=None, outcome="happened", output="a\x00b")


def test_discarding_closes_it_and_leaves_the_run(failed: DeadLetter, ana: User) -> None:
    dead_letters.discard(failed, by=ana, note="not needed")
    assert (failed.state, failed.note) == ("discarded", "not needed")
    assert failed.closed_at is not None
    assert Run.objects.get().status == "failed"
    assert LogEntry.objects.get().message == "Its dead letter was discarded by ana: not needed."
    with pytest.raises(Conflict):
        dead_letters.discard(failed, by=ana)


def test_owner_cause_and_notes_can_be_changed(failed: DeadLetter, ben: User) -> None:
    dead_letters.update(failed, by=None, owner="ben", cause="receiver", fixed_in="v2", note="asked")
    assert (failed.owner, failed.cause, failed.fixed_in, failed.note) == (ben, "receiver", "v2", "asked")
    dead_letters.update(failed, by=None, owner=None)
    assert failed.owner is None
    assert LogEntry.objects.count() == 2
    dead_letters.update(failed, by=None, owner=None)
    assert LogEntry.objects.count() == 2, "no change, no entry"


@pytest.mark.parametrize(
    "fields", [{"owner": "zoe"}, {"cause": "weather"}, {"state": "resolved"}, {"fixed_in": "x" * 61}, {"note": 5}]
)
def test_other_changes_are_refused_with_their_path(failed: DeadLetter, fields: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as refused:
        dead_letters.update(failed, by=None, **fields)
    assert refused.value.errors[0]["path"] == next(iter(fields))


def test_every_verb_needs_the_right_to_run(failed: DeadLetter, ben: User) -> None:
    grant(failed.workflow, ben, "builder")
    for verb in (
        lambda: dead_letters.replay(failed, by=ben),
        lambda: dead_letters.replay_run(failed.run, by=ben),
        lambda: dead_letters.resolve(failed, by=ben, outcome="happened"),
        lambda: dead_letters.discard(failed, by=ben),
        lambda: dead_letters.update(failed, by=ben, note="x"),
    ):
        with pytest.raises(PermissionDenied):
            verb()
    grant(failed.workflow, ben, "operator")
    dead_letters.replay(failed, by=ben)
