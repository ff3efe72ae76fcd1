"""The drain carries runs: graph, effects, retries, dead letters, takeover, and what cannot be stored."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.core import mail

from automations import releases
from automations.models import Epoch, Workflow
from runs import dead_letters, dispatch, lifecycle
from runs.executor.database_thread import Buried
from runs.executor.workers import Incarnation
from runs.models import Agenda, DeadLetter, Event, LogEntry, Run, Step
from tests import builders
from tests.builders import action, workflow
from tests.receiver import Receiver
from tests.runs.drains import carry_all

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


def call(key: str, path: str = "/notes", **fields: Any) -> dict[str, Any]:
    config = {"connection": "crm", "method": "POST", "path": path, "json": {"order": "{{ event.id }}"}}
    return action(key, "http.request", config=config, **fields)


def start(made: Any, payload: Any = None) -> Run:
    return dispatch.start(made, {"id": 7} if payload is None else payload, by=None)


def steps(run: Run) -> dict[str, str]:
    return dict(Step.objects.filter(run=run).values_list("action", "status"))


def test_a_run_of_pure_steps_succeeds_with_every_step_recorded() -> None:
    made = workflow(
        action("first", config={"values": {"n": "{{ event.id + 1 }}"}}),
        action("second", needs=["first"], config={"values": {"n": "{{ steps.first.output.n * 2 }}"}}),
    )
    run = start(made)
    carry_all()
    run.refresh_from_db()
    assert run.status == "succeeded"
    assert Step.objects.get(run=run, action="second").output == {"n": 16}
    assert not Agenda.objects.exists()
    assert LogEntry.objects.filter(run=run, message__startswith="Succeeded").exists()


def test_a_call_goes_out_once_with_its_key_and_its_answer_is_kept(receiver: Receiver) -> None:
    builders.connection("crm", receiver.url, auth={"type": "bearer", "token": "s3cret"})
    made = workflow(
        call("notify"),
        action("after", needs=["notify"], config={"values": {"id": "{{ steps.notify.output.json.id }}"}}),
    )
    run = start(made)
    carry_all()
    assert steps(run) == {"notify": "succeeded", "after": "succeeded"}
    assert [seen.json for seen in receiver.calls] == [{"order": 7}]
    assert receiver.calls[0].key and receiver.calls[0].headers["authorization"] == "Bearer s3cret"
    assert Step.objects.get(run=run, action="after").output == {"id": 7}
    assert "s3cret" not in str(list(Step.objects.values())) + str(list(LogEntry.objects.values()))


def test_steps_that_do_not_depend_on_one_another_are_performed_side_by_side(receiver: Receiver) -> None:
    receiver.delay = 0.3
    builders.connection("crm", receiver.url)
    run = start(workflow(*(call(f"c{n}") for n in range(10))))
    carry_all()
    rows = list(Step.objects.filter(run=run))
    latest_start, earliest_end = max(s.started_at for s in rows), min(s.finished_at for s in rows)
    assert len(rows) == 10 and latest_start < earliest_end


def test_a_500_is_retried_as_the_policy_says_then_becomes_a_dead_letter(receiver: Receiver) -> None:
    receiver.status = 500
    builders.connection("crm", receiver.url)
    made = workflow(
        action("before"),
        call(
            "notify", needs=["before"], retry={"attempts": 3, "delay": "50ms", "jitter": False}, if_it_fails="Call Eve."
        ),
        action("after", needs=["notify"]),
    )
    run = start(made)
    carry_all(asleep=True)
    run.refresh_from_db()
    letter = DeadLetter.objects.get(run=run)
    assert (run.status, steps(run)) == ("failed", {"before": "succeeded", "notify": "failed", "after": "skipped"})
    assert len(receiver.calls) == 3 and len(receiver.keys()) == 1
    error = letter.error
    assert (error["type"], error["attempt"], error["attempts"], error["step"]) == ("http_status", 3, 3, "notify")
    assert (
        error["retry_policy"]["attempts"] == 3
        and error["hint"]
        and error["context"]["status"] == 500
        and error["cause"]
    )
    assert error["if_it_fails"] == "Call Eve."
    warning = LogEntry.objects.filter(run=run, level="warning").first()
    assert warning and {"cause", "context", "retry_policy"} <= set(warning.data)


def test_a_replayed_dead_letter_finishes_its_run_from_the_failed_step_under_the_same_key(receiver: Receiver) -> None:
    receiver.paths["/notes"] = 503
    builders.connection("crm", receiver.url)
    run = start(workflow(call("first", "/first"), call("notify", needs=["first"]), action("after", needs=["notify"])))
    carry_all()
    del receiver.paths["/notes"]
    dead_letters.replay(DeadLetter.objects.get(run=run), by=None, reason="it is back")
    carry_all()
    run.refresh_from_db()
    assert run.status == "succeeded" and run.reopened == 1
    assert steps(run) == {"first": "succeeded", "notify": "succeeded", "after": "succeeded"}
    assert [seen.path for seen in receiver.calls] == ["/first", "/notes", "/notes"]
    assert receiver.calls[1].key == receiver.calls[2].key and receiver.calls[1].body == receiver.calls[2].body
    assert DeadLetter.objects.get(run=run).state == "resolved"


def test_a_404_is_not_retried(receiver: Receiver) -> None:
    receiver.status = 404
    builders.connection("crm", receiver.url)
    run = start(workflow(call("notify", retry={"attempts": 5, "delay": "10ms"})))
    carry_all()
    assert len(receiver.calls) == 1 and steps(run) == {"notify": "failed"}


def test_retry_after_is_honoured(receiver: Receiver) -> None:
    receiver.status, receiver.headers = 429, {"Retry-After": "120"}
    builders.connection("crm", receiver.url)
    run = start(workflow(call("notify", retry={"attempts": 2, "delay": "1ms"})))
    carry_all()
    step = Step.objects.get(run=run)
    assert step.status == "retrying" and 100 < (step.due_at - step.started_at).total_seconds() < 130
    assert Agenda.objects.get().wake_at == step.due_at


def test_a_tolerated_failure_warns_and_goes_on() -> None:
    run = start(workflow(action("may", "specimen.fail", on_failure="continue"), action("then", needs=["may"])))
    carry_all()
    run.refresh_from_db()
    assert (run.status, run.warnings) == ("succeeded", 1) and not DeadLetter.objects.exists()


def test_a_defect_of_a_kind_is_a_dead_letter_and_not_a_dead_worker() -> None:
    run = start(workflow(action("bad", "specimen.fail", config={"defect": True})))
    carry_all()
    assert DeadLetter.objects.get(run=run).error["type"] == "internal"


def test_a_missing_value_is_undecidable_with_its_path() -> None:
    run = start(workflow(action("reads", config={"values": {"x": "{{ event.order.total }}"}})), {"id": 1})
    carry_all()
    error = DeadLetter.objects.get(run=run).error
    assert error["type"] == "undecidable" and "event.order" in error["message"]


def test_a_condition_that_says_no_skips_with_the_value_it_read() -> None:
    tree = {"field": "event.total", "operator": "gt", "value": 100}
    run = start(workflow(action("big", when=tree), action("after", needs=["big"])), {"total": 90})
    carry_all()
    step = Step.objects.get(run=run, action="big")
    assert step.status == "skipped" and "event.total = 90" in step.reason and step.values == {"event.total": 90}
    assert steps(run)["after"] == "skipped" and Run.objects.get(pk=run.pk).status == "succeeded"


@pytest.mark.parametrize("what", ["nul", "surrogate", "nan", "large"])
def test_an_output_that_cannot_be_stored_fails_its_step_and_none_of_its_neighbours(what: str) -> None:
    bad = workflow(action("bad", "specimen.return", config={"what": what}), slug="bad")
    good = workflow(action("good", "specimen.return", config={"what": "fine"}), slug="good")
    runs = [start(bad if n == 5 else good) for n in range(10)]
    carry_all()
    states = [Run.objects.get(pk=run.pk).status for run in runs]
    assert states == ["failed" if n == 5 else "succeeded" for n in range(10)]
    assert DeadLetter.objects.get().error["type"] in ("unstorable", "too_large")


def test_an_email_is_sent_once() -> None:
    start(
        workflow(
            action("tell", "email.send", config={"to": "a@example.com", "subject": "Hi {{ event.id }}", "text": "x"})
        )
    )
    carry_all()
    assert [m.subject for m in mail.outbox] == ["Hi 7"]


def test_a_cancelled_run_starts_nothing_more(receiver: Receiver) -> None:
    receiver.status = 503
    builders.connection("crm", receiver.url)
    run = start(
        workflow(
            call("notify", retry={"attempts": 9, "delay": "1h", "jitter": False}), action("after", needs=["notify"])
        )
    )
    carry_all()
    lifecycle.cancel(Run.objects.get(pk=run.pk), by=None, reason="no longer wanted")
    carry_all()
    assert Run.objects.get(pk=run.pk).status == "cancelled" and steps(run) == {
        "notify": "cancelled",
        "after": "skipped",
    }
    assert not Agenda.objects.exists()


def test_the_same_dedupe_key_starts_one_run() -> None:
    made = workflow(
        action("one"), triggers=[{"key": "said", "kind": "event", "config": {"types": ["x"]}, "dedupe": "event.id"}]
    )
    for payload in ({"id": 1}, {"id": 1}, {"id": 2}):
        dispatch.publish(route="event:x", payload=payload)
    assert Run.objects.filter(workflow=made).count() == 2 and Event.objects.count() == 3


def test_a_limit_lets_only_as_many_runs_at_a_time(receiver: Receiver) -> None:
    made = workflow(
        action("slow", "specimen.sleep", config={"seconds": 0.05}), concurrency={"limit": 2, "key": "event.customer"}
    )
    for n in range(12):
        start(made, {"customer": n % 2})
    carry_all()
    spans = [
        (s.run.event.payload["customer"], s.started_at, s.finished_at)
        for s in Step.objects.select_related("run__event")
    ]
    for customer, begin, _ in spans:
        together = [s for s in spans if s[0] == customer and s[1] <= begin < s[2]]
        assert len(together) <= 2
    assert Run.objects.filter(status="succeeded").count() == 12


def test_a_workflow_in_simulate_mode_touches_nothing_and_says_what_it_would_do(receiver: Receiver) -> None:
    builders.connection("crm", receiver.url)
    made = workflow(call("notify"), action("after", needs=["notify"]), live=False, mode="simulate")
    dispatch.publish(route="event:orders.said", payload={"id": 7})
    carry_all()
    run = Run.objects.get(workflow=made)
    assert (run.mode, run.status) == ("simulate", "succeeded")
    assert steps(run) == {"notify": "simulated", "after": "succeeded"} and not receiver.calls


def test_a_simulated_failure_makes_no_dead_letter() -> None:
    workflow(action("reads", config={"values": {"x": "{{ event.nope }}"}}), live=False, mode="simulate")
    dispatch.publish(route="event:orders.said", payload={"id": 7})
    carry_all()
    assert Run.objects.get().status == "failed" and not DeadLetter.objects.exists()


@pytest.mark.parametrize(
    "asked",
    [
        {"for_each": "[1, 2]"},
        {"cap": {"count": 1, "per": "1h"}},
        {"repeat": {"until": "true"}},
    ],
)
def test_a_step_is_never_performed_without_a_guard_that_is_not_carried_out_yet(
    receiver: Receiver, asked: dict[str, Any]
) -> None:
    builders.connection("crm", receiver.url)
    made = workflow(call("notify", **asked))
    gate = {item.key: item for item in releases.gate(made).items}
    assert not gate["carried"].ok
    assert next(iter(asked)) in gate["carried"].message
    start(made)
    carry_all()
    assert DeadLetter.objects.get().error["type"] == "unsupported" and not receiver.calls


def test_a_worker_that_may_be_buried_sends_nothing_and_fails_nothing(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    builders.connection("crm", receiver.url)
    run = start(workflow(call("notify")))
    with monkeypatch.context() as patch:
        patch.setattr(Incarnation, "stale", property(lambda self: True))
        with pytest.raises(Buried):
            carry_all()
    assert not receiver.calls
    assert not DeadLetter.objects.exists()
    carry_all()
    assert Run.objects.get(pk=run.pk).status == "succeeded"
    assert len(receiver.calls) == 1


def test_a_priority_takes_effect_when_it_is_saved_whatever_version_runs() -> None:
    made = workflow(action("one"), priority=2)
    start(made)
    Workflow.objects.filter(pk=made.pk).update(priority=9)
    Epoch.advance()
    start(made)
    assert list(Run.objects.order_by("id").values_list("priority", flat=True)) == [2, 9]
    head_starts = list(Agenda.objects.order_by("id").values_list("head_start", flat=True))
    assert head_starts[1] > head_starts[0]
