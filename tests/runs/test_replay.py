"""Replay: from the start, from what failed, from a step; the same keys unless somebody says again."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied

from automations.models import Mode, Workflow
from automations.permissions import grant
from automations.refusals import Conflict, Invalid
from runs.keys import idempotency_key
from runs.models import Agenda, DeadLetter, Run, Step
from runs.replay import replay
from tests import builders
from tests.builders import action, workflow
from tests.runs.failures import letter, run_of, step

pytestmark = pytest.mark.django_db

INPUT = {"connection": "crm", "method": "POST", "path": "/notes", "json": {"id": 7}}


def call(key: str, body: Any = "{{ event.id }}", **fields: Any) -> dict[str, Any]:
    return action(key, "http.request", config={**INPUT, "json": {"id": body}}, **fields)


@pytest.fixture
def orders(db: None, svc: User) -> Workflow:
    builders.connection("crm", "http://127.0.0.1:1")
    return workflow(
        action("before"), call("notify", needs=["before"]), action("side"), action("after", needs=["notify"])
    )


def performed(made: Workflow, **fields: Any) -> Run:
    """A run whose every step has been performed."""
    run = run_of(made, status="succeeded", error=None, **fields)
    step(run, "before", output={"key": "before"})
    step(run, "notify", output={"status": 200, "json": {"ok": True}}, input=INPUT)
    step(run, "side", output={"key": "side"})
    step(run, "after", output={"key": "after"})
    return run


def broken(made: Workflow) -> Run:
    """A run that failed at `notify`; `side` was done, `after` not reached."""
    run = run_of(made)
    step(run, "before", output={"key": "before"})
    step(run, "side", output={"key": "side"})
    letter(run, "notify")
    step(run, "after", "skipped", not_reached=True)
    return run


def kept(run: Run) -> set[str]:
    return set(Step.objects.filter(run=run).values_list("action", flat=True))


# What failed -------------------------------------------------------------------------------------------------------


def test_from_what_failed_the_same_run_is_reopened(orders: Workflow) -> None:
    run = broken(orders)
    assert replay(run, by=None, start="failed") == run
    assert Run.objects.count() == 1
    assert DeadLetter.objects.get().state == "replaying"


def test_a_run_without_open_dead_letters_has_nothing_to_reopen(orders: Workflow) -> None:
    with pytest.raises(Conflict, match="no open dead letter"):
        replay(performed(orders), by=None, start="failed")
    with pytest.raises(Conflict, match="Nothing failed"):
        replay(performed(orders), by=None, start="failed", again=True)


def test_with_another_payload_a_new_run_goes_on_from_what_failed(orders: Workflow) -> None:
    run = broken(orders)
    Step.objects.filter(action="notify").update(input=INPUT)
    new = replay(run, by=None, start="failed", payload={"id": 7, "note": "mended"})
    assert new != run
    assert new.event.payload == {"id": 7, "note": "mended"}
    assert kept(new) == {"before", "side"}
    assert Step.objects.get(run=new, action="before").output == {"key": "before"}
    assert DeadLetter.objects.get().state == "open"


# A new run ---------------------------------------------------------------------------------------------------------


def test_from_the_start_a_new_run_of_the_same_origin_is_queued(orders: Workflow, ana: User) -> None:
    run = performed(orders)
    new = replay(run, by=ana, reason="once more")
    assert (new.replay_of, new.origin, new.generation) == (run, run.pk, 0)
    assert (new.mode, new.status, new.started_by, new.reason) == ("execute", "queued", ana, "once more")
    assert new.event == run.event
    assert new.version == run.version
    assert kept(new) == set()
    assert Agenda.objects.get().target == new.pk
    third = replay(new_ended(new), by=None)
    assert third.origin == run.pk
    assert idempotency_key(third.origin, "notify") == idempotency_key(run.pk, "notify")


def new_ended(run: Run) -> Run:
    Run.objects.filter(pk=run.pk).update(status="succeeded")
    run.refresh_from_db()
    return run


def test_from_a_step_what_does_not_depend_on_it_is_kept(orders: Workflow) -> None:
    assert kept(replay(performed(orders), by=None, start="notify")) == {"before", "side"}
    assert kept(replay(performed(orders), by=None, start="side")) == {"before", "notify", "after"}
    with pytest.raises(Invalid) as unknown:
        replay(performed(orders), by=None, start="nowhere")
    assert unknown.value.errors[0]["path"] == "from"


def test_only_again_raises_the_generation_above_all_before(orders: Workflow) -> None:
    run = performed(orders)
    second = replay(run, by=None, again=True)
    assert (second.generation, second.origin) == (1, run.pk)
    assert replay(run, by=None, again=True).generation == 2
    assert replay(new_ended(second), by=None).generation == 1
    assert replay(broken(orders), by=None, start="failed", again=True).generation == 1


def test_a_keyed_step_that_would_send_something_else_is_refused_without_again(orders: Workflow) -> None:
    run = performed(orders)
    with pytest.raises(Conflict) as refused:
        replay(run, by=None, payload={"id": 8})
    assert [one["path"] for one in refused.value.errors] == ["notify"]
    assert Run.objects.count() == 1
    assert replay(run, by=None, payload={"id": 8}, again=True).generation == 1
    assert replay(run, by=None, payload={"id": 7, "more": 1}).generation == 0, "what is sent is the same"
    assert replay(run, by=None, payload={"id": 8}, start="after").generation == 0, "nothing is sent at all"


def test_a_step_that_sends_the_time_cannot_be_sent_again_under_its_key(svc: User) -> None:
    builders.connection("crm", "http://127.0.0.1:1")
    run = run_of(workflow(call("notify", "{{ run.id }}")), status="succeeded")
    step(run, "notify", input={**INPUT, "json": {"id": run.pk}})
    with pytest.raises(Conflict):
        replay(run, by=None)


def test_what_a_step_sends_is_compared_with_the_outputs_the_old_run_had(svc: User) -> None:
    builders.connection("crm", "http://127.0.0.1:1")
    made = workflow(call("first"), call("second", "{{ steps.first.output.json.id }}", needs=["first"]))
    run = run_of(made, status="succeeded")
    step(run, "first", input=INPUT, output={"status": 200, "json": {"id": 9}})
    step(run, "second", input={**INPUT, "json": {"id": 9}})
    assert replay(run, by=None).generation == 0


def test_the_current_version_can_be_asked_for(orders: Workflow) -> None:
    run = performed(orders)
    second = builders.go_live(orders)
    assert replay(run, by=None).version != second.current_version
    assert replay(run, by=None, version="current").version == second.current_version
    with pytest.raises(Invalid):
        replay(run, by=None, version="7")


def test_a_payload_must_keep_the_contract_and_be_storable() -> None:
    trigger = {"key": "by_hand", "kind": "manual", "contract": {"type": "object", "required": ["id"]}}
    run = run_of(workflow(action("a"), triggers=[trigger]), status="succeeded")
    for payload in ({"other": 1}, "a\x00b"):
        with pytest.raises(Invalid) as refused:
            replay(run, by=None, payload=payload)
        assert refused.value.errors[0]["path"] == "payload"


def test_a_new_payload_may_be_about_another_subject() -> None:
    trigger = {"key": "by_hand", "kind": "manual", "subject": {"type": "order", "key": "event.id"}}
    made = workflow(action("a"), triggers=[trigger])
    run = run_of(made, status="succeeded", subject_type="order", subject_key="7")
    assert replay(run, by=None).subject_key == "7"
    assert replay(run, by=None, payload={"id": 8}).subject_key == "8"


# Guards ------------------------------------------------------------------------------------------------------------


def test_an_unfinished_run_is_not_replayed(orders: Workflow) -> None:
    with pytest.raises(Conflict, match="still going on"):
        replay(run_of(orders, status="running"), by=None)


def test_an_unknown_step_is_answered_first(orders: Workflow) -> None:
    run = run_of(orders, status="cancelled")
    step(run, "notify", "unknown")
    with pytest.raises(Conflict, match="Nobody knows"):
        replay(run, by=None)
    assert replay(run, by=None, simulate=True).mode == "simulate"


def test_a_new_run_starts_only_where_the_workflow_executes(orders: Workflow) -> None:
    run = performed(orders)
    Workflow.objects.update(mode=Mode.SIMULATE)
    run.refresh_from_db()
    with pytest.raises(Conflict, match="not in execute mode"):
        replay(run, by=None)
    assert replay(run, by=None, simulate=True).status == "succeeded"


def test_replaying_needs_the_right_to_run(orders: Workflow, ben: User) -> None:
    grant(orders, ben, "builder")
    with pytest.raises(PermissionDenied):
        replay(performed(orders), by=ben)


# Simulated ---------------------------------------------------------------------------------------------------------


def test_a_simulated_replay_has_ended_at_once_and_uses_what_was_answered_before(orders: Workflow) -> None:
    run = performed(orders)
    new = replay(run, by=None, simulate=True)
    assert (new.mode, new.status, new.replay_of, new.deadline) == ("simulate", "succeeded", run, None)
    assert not Agenda.objects.exists()
    assert dict(new.steps.values_list("action", "status")) == {
        "before": "succeeded",
        "notify": "simulated",
        "side": "succeeded",
        "after": "succeeded",
    }
    assert Step.objects.get(run=new, action="notify").output == {"status": 200, "json": {"ok": True}}


def test_a_simulated_replay_from_what_failed_keeps_what_was_done(orders: Workflow) -> None:
    new = replay(broken(orders), by=None, start="failed", simulate=True)
    assert new.status == "succeeded"
    assert new.steps.count() == 4
    assert new.steps.get(action="notify").status == "simulated"
    assert DeadLetter.objects.get().state == "open"


def test_a_simulated_run_is_replayed_as_one(orders: Workflow) -> None:
    run = performed(orders, mode="simulate")
    new = replay(run, by=None)
    assert (new.mode, new.status) == ("simulate", "succeeded")
