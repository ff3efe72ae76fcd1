"""Transactional steps: effect and record stand or fall together, whoever dies when, and however many compete."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction

from automations.kinds import ActionKind, Call, actions
from automations.models import RouteCounter, Subject
from runs import agenda, dispatch
from runs.database import Clock, critical, disconnect
from runs.executor import transact as module
from runs.executor.carry import advance, begin
from runs.executor.drain import Drain
from runs.executor.hand import Hand, load
from runs.executor.perform import rendered_input
from runs.executor.transact import Transactor, Work, transact
from runs.executor.workers import bury
from runs.models import Agenda, DeadLetter, Run, Step, Worker
from tests.builders import action, workflow
from tests.runs.drains import carry_all

pytestmark = pytest.mark.django_db(transaction=True)
EVENT = {"key": "said", "kind": "event", "config": {"types": ["orders.said"]}}
ABOUT_ORDERS = [EVENT | {"subject": {"type": "order", "key": "event.id"}}]
POOL = ["ana", "ben", "carl"]


class Died(BaseException):
    """The process ends here."""


def routing(**fields: Any) -> None:
    step = action("route", "assign.route", config={"method": "round_robin", "among": POOL}, **fields)
    workflow(step, action("after", needs=["route"]), triggers=ABOUT_ORDERS)


def publish(number: int) -> int:
    return dispatch.publish(route="event:orders.said", type="orders.said", payload={"id": number}).runs[0]


def take() -> tuple[int, Hand]:
    """A worker takes the one run that is ready."""
    owner = Worker.objects.create(host="elsewhere", pid=1).pk
    clock = Clock()
    with critical() as cursor:
        rows = agenda.take(cursor, owner, 1, clock.read(cursor), in_hand=0, suspect=False)
        (hand,), _ = load(cursor, rows, clock.now())
    return owner, hand


def begun(hand: Hand) -> Work:
    """The run as the carrier leaves it before it performs the step."""
    entry = begin(hand, Clock().now())
    advance(hand, entry, Clock().now())
    ((key, ready_at),) = entry.effects
    return module._work(hand, key, rendered_input(hand, key, ready_at), ready_at)


def turns() -> int:
    counter = RouteCounter.objects.first()
    return counter.state["turn"] if counter else 0


class TestOnce:
    def test_dying_between_effect_and_record_leaves_nothing_behind(self, monkeypatch: pytest.MonkeyPatch) -> None:
        routing()
        run = publish(7)
        owner, hand = take()

        def die(*_: Any) -> None:
            assert Subject.objects.get().assignee == "ana"  # the effect has happened, inside the transaction
            raise Died

        with monkeypatch.context() as patched, pytest.raises(Died):
            patched.setattr(module, "write_steps", die)
            transact(owner, begun(hand), Clock())
        assert (turns(), Subject.objects.count(), Step.objects.count()) == (0, 0, 0)
        bury(owner)
        carry_all()
        assert Run.objects.get(pk=run).status == "succeeded"
        assert (turns(), Subject.objects.get().assignee) == (1, "ana")

    def test_dying_after_the_commit_leaves_a_finished_step_that_is_not_performed_again(self) -> None:
        routing()
        run = publish(7)
        owner, hand = take()
        outcome = transact(owner, begun(hand), Clock())
        assert outcome is not None and outcome.output == {"assignee": "ana"}
        bury(owner)
        carry_all()
        assert Run.objects.get(pk=run).status == "succeeded"
        step = Step.objects.get(run=run, action="route")
        assert (step.status, step.output, step.attempt) == ("succeeded", {"assignee": "ana"}, 1)
        assert step.input == {"method": "round_robin", "among": POOL}
        assert turns() == 1

    def test_a_commit_whose_answer_was_lost_is_recognised(self) -> None:
        routing()
        publish(7)
        owner, hand = take()
        work = begun(hand)
        answers = [transact(owner, work, Clock()) for _ in range(2)]
        assert [answer and answer.output for answer in answers] == [{"assignee": "ana"}] * 2
        assert turns() == 1

    def test_a_buried_worker_changes_nothing(self) -> None:
        routing()
        publish(7)
        owner, hand = take()
        work = begun(hand)
        bury(owner)
        assert transact(owner, work, Clock()) is None
        assert (turns(), Subject.objects.count()) == (0, 0)

    @pytest.mark.postgres
    def test_a_burial_waits_for_the_transaction_and_the_next_owner_finds_its_outcome(self) -> None:
        routing()
        publish(7)
        owner, hand = take()
        work, inside, buried = begun(hand), threading.Event(), threading.Event()
        kind = actions["assign.route"]

        def slowly(call: Call) -> Any:
            output = type(kind).transact(kind, call)
            inside.set()
            assert not buried.wait(0.3)
            return output

        def grave() -> None:
            inside.wait(5)
            bury(owner)
            buried.set()
            connection.close()

        digger = threading.Thread(target=grave)
        digger.start()
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(kind, "transact", slowly, raising=False)
            outcome = transact(owner, work, Clock())
        digger.join(10)
        assert outcome is not None and buried.is_set()
        carry_all()
        assert turns() == 1


class Counting(ActionKind):
    """Adds a subject, then does what it is told."""

    name = "specimen.transact"
    transactional = True

    def transact(self, call: Call) -> Any:
        Subject.objects.create(type="counted", key=call.idempotency_key)
        if call.input.get("fail"):
            raise ZeroDivisionError("a defect")
        return {"large": "x" * 300_000} if call.input.get("large") else {"key": call.idempotency_key}


class TestOutcomes:
    @pytest.mark.parametrize(("told", "error"), [("fail", "internal"), ("large", "too_large")])
    def test_a_failure_takes_the_effect_back_and_is_the_steps(self, told: str, error: str) -> None:
        with actions.temporarily(Counting()):
            made = workflow(action("count", "specimen.transact", config={told: True}))
            dispatch.start(made, {}, by=None)
            carry_all()
            assert DeadLetter.objects.get().error["type"] == error
            assert not Subject.objects.exists()

    def test_a_step_behind_it_reads_its_output(self) -> None:
        with actions.temporarily(Counting()):
            read = action("read", needs=["count"], config={"values": {"key": "{{ steps.count.output.key }}"}})
            made = workflow(action("count", "specimen.transact"), read)
            run = dispatch.start(made, {}, by=None)
            carry_all()
            assert Step.objects.get(run=run, action="read").output["key"] == Subject.objects.get().key


class TestContention:
    @pytest.mark.postgres
    def test_a_row_that_is_locked_for_long_is_tried_for_until_the_timeout(self) -> None:
        """On PostgreSQL by its lock timeout; SQLite's one lock is waited for by the driver."""
        routing(timeout="200ms")
        publish(1)
        carry_all()
        run, held, release = publish(2), threading.Event(), threading.Event()

        def hold() -> None:
            with transaction.atomic():
                RouteCounter.objects.select_for_update().get()
                held.set()
                release.wait(20)
            connection.close()

        holder = threading.Thread(target=hold)
        holder.start()
        held.wait(5)
        try:
            carry_all()
        finally:
            release.set()
            holder.join(10)
        error = DeadLetter.objects.get(run=run).error
        assert (error["type"], error["message"]) == ("timeout", "Its rows were locked for 0.2 s.")
        assert turns() == 1

    def test_what_the_database_says_of_a_lock_is_told_from_other_failures(self) -> None:
        assert module._contended(OperationalError("database is locked"))
        assert not module._contended(OperationalError("server closed the connection unexpectedly"))

    def test_several_workers_share_out_exactly(self) -> None:
        routing()
        runs = [publish(number) for number in range(45)]
        drains = [Drain(room=5) for _ in range(3)]

        def live(drain: Drain) -> None:
            try:
                asyncio.run(drain.run())
            finally:
                connection.close()

        threads = [threading.Thread(target=live, args=(drain,), daemon=True) for drain in drains]
        for thread in threads:
            thread.start()
        for drain in drains:
            assert drain.ready.wait(10)
        carry_all(60)
        for drain, thread in zip(drains, threads, strict=True):
            drain.finish()
            thread.join(25)
        assert not Agenda.objects.exists()
        assert set(Run.objects.filter(pk__in=runs).values_list("status", flat=True)) == {"succeeded"}
        outputs = Step.objects.filter(action="route").values_list("output", flat=True)
        assert Counter(output["assignee"] for output in outputs) == {"ana": 15, "ben": 15, "carl": 15}
        assert turns() == 45

    def test_transactions_that_compete_for_one_counter_each_get_their_own_turn(self) -> None:
        routing()
        for number in range(12):
            publish(number)
        claimed = [take() for _ in range(12)]
        works = [(owner, begun(hand)) for owner, hand in claimed]
        found: list[str] = []

        async def perform(owner: int, work: Work) -> None:
            from runs.executor.database_thread import DatabaseThread

            store = DatabaseThread()
            try:
                outcome = await Transactor(owner, store, Clock()).perform(
                    work.hand, "route", work.call.input, work.call.now
                )
                assert outcome is not None and outcome.error is None, outcome
                found.append(outcome.output["assignee"])
            finally:
                await store.call(disconnect)
                store.close()

        async def all_at_once() -> None:
            await asyncio.gather(*(perform(owner, work) for owner, work in works))

        asyncio.run(all_at_once())
        assert Counter(found) == {"ana": 4, "ben": 4, "carl": 4}
        assert turns() == 12
