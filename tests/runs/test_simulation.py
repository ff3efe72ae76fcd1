"""run-test: what a payload would do, why, and that nothing outside is touched."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.core.exceptions import PermissionDenied

from automations.engine.cel import Open
from automations.models import Connection, Workflow
from automations.permissions import grant
from automations.refusals import Invalid
from runs.models import Agenda, Event, LogEntry, Run, Step
from runs.simulation import ContractBreach, run_test
from runs.simulation.samples import computed, derive
from tests import builders
from tests.builders import action, workflow
from tests.receiver import Receiver

pytestmark = pytest.mark.django_db

LARGE = {"field": "event.order.total", "operator": "gt", "value": 100}
ORDER = {"type": "order.paid", "order": {"id": 7, "total": 250}}


def call(key: str, method: str = "POST", **fields: Any) -> dict[str, Any]:
    config = fields.pop("config", {"connection": "crm", "method": method, "path": "/notes"})
    if method == "POST":
        config.setdefault("json", {"text": "Order {{ event.order.id }}"})
    return action(key, "http.request", config=config, **fields)


@pytest.fixture
def crm(svc: User) -> Connection:
    return builders.connection("crm", "http://127.0.0.1:1")


def routing(*more: dict[str, Any], **fields: Any) -> Workflow:
    """Message, then a call if the order is large."""
    return workflow(
        action("message", config={"values": {"text": "Order {{ event.order.id }}"}}),
        call("notify", needs=["message"], when="large"),
        *more,
        conditions={"large": LARGE},
        live=False,
        **fields,
    )


def keys(answer: dict[str, Any], name: str) -> list[str]:
    return [one["action"] for one in answer[name]]


# The answer --------------------------------------------------------------------------------------------------------


def test_a_matching_payload_lists_candidates_in_order_with_reasons_values_and_input(crm: Connection) -> None:
    answer = run_test(routing(), by=None, payload=ORDER)
    assert keys(answer, "candidates") == ["message", "notify"]
    notify = answer["candidates"][1]
    assert notify["decision"] == "run"
    assert notify["risk"] == "reversible"
    assert notify["kind"] == "http.request"
    assert notify["values"] == {"event.order.total": 250}
    assert "250" in notify["reason"]
    assert notify["input"]["json"] == {"text": "Order 7"}
    assert notify["permission"] == {"as": "svc-orders", "allowed": True, "missing": []}
    assert notify["idempotency_key"]
    assert answer["matched"] is True
    assert answer["skipped"] == answer["blocked"] == answer["errors"] == []
    assert set(answer) == {
        "run", "matched", "trigger", "triggers", "candidates", "skipped", "blocked", "logs", "effects", "errors",
    }  # fmt: skip


def test_what_does_not_apply_is_skipped_with_the_values_read(crm: Connection) -> None:
    answer = run_test(routing(), by=None, payload={"order": {"id": 8, "total": 90}})
    assert keys(answer, "candidates") == ["message"]
    assert answer["skipped"] == [
        {"action": "notify", "reason": "event.order.total = 90, needed > 100", "values": {"event.order.total": 90}}
    ]
    assert answer["run"]["status"] == "succeeded"


def test_an_undecidable_condition_blocks_its_step_and_what_needs_it(crm: Connection) -> None:
    made = routing(action("after", needs=["notify"]))
    answer = run_test(made, by=None, payload={"order": {"id": 8}})
    assert keys(answer, "blocked") == ["notify", "after"]
    assert "event.order.total is missing" in answer["blocked"][0]["reason"]
    assert "notify" in answer["blocked"][1]["reason"]
    assert answer["run"]["status"] == "failed"
    assert Step.objects.get(run=answer["run"]["id"], action="notify").error["type"] == "undecidable"


def test_a_template_that_reads_a_missing_value_blocks_its_step(crm: Connection) -> None:
    answer = run_test(routing(), by=None, payload={"order": {"total": 250}})
    assert keys(answer, "blocked") == ["message", "notify"]
    assert "event.order.id is missing" in answer["blocked"][0]["reason"]


def test_on_unknown_skip_makes_absence_a_decision(crm: Connection) -> None:
    made = workflow(
        call("asked", when=LARGE, on_unknown="skip"),
        call("rendered", on_unknown="skip"),
        live=False,
    )
    answer = run_test(made, by=None, payload={})
    assert keys(answer, "skipped") == ["asked", "rendered"]
    assert answer["blocked"] == []


def test_the_run_is_stored_finished_and_simulated_with_its_snapshot_steps_and_log(crm: Connection, ana: User) -> None:
    made = routing()
    answer = run_test(made, by=ana, payload=ORDER, headers={"X-Kind": "paid"})
    run = Run.objects.get(pk=answer["run"]["id"])
    assert (run.mode, run.status, run.started_by) == ("simulate", "succeeded", ana)
    assert run.version.number is None
    assert answer["run"]["version"] is None
    assert run.event.simulated
    assert run.event.headers == {"x-kind": "paid"}
    assert dict(run.steps.values_list("action", "status")) == {"message": "succeeded", "notify": "simulated"}
    assert run.steps.get(action="message").output == {"text": "Order 7"}
    logged = set(LogEntry.objects.filter(run=run).values_list("step", flat=True))
    assert logged == {"", "message", "notify"}
    assert {entry["step"] for entry in answer["logs"]} == logged
    assert not Agenda.objects.exists()


def test_nothing_leaves_and_that_is_counted(crm: Connection) -> None:
    with Receiver() as receiver:
        Connection.objects.filter(slug="crm").update(base_urls=[receiver.url])
        made = routing(action("tell", "email.send", config={"to": "a@b.c", "subject": "s", "text": "t"}))
        answer = run_test(made, by=None, payload=ORDER)
    assert receiver.calls == []
    assert mail.outbox == []
    assert keys(answer, "candidates") == ["message", "notify", "tell"]
    assert answer["effects"] == {"external_calls": 0, "rows_written": 0, "external_reads": 0}


def test_candidates_are_in_topological_order_ties_in_document_order() -> None:
    made = workflow(action("last", needs=["b", "a"]), action("b"), action("a"), live=False)
    answer = run_test(made, by=None, payload={})
    assert keys(answer, "candidates") == ["b", "a", "last"]


def test_a_released_version_can_be_tested(crm: Connection) -> None:
    made = builders.go_live(routing())
    for wanted in ("current", 1, "1"):
        assert run_test(made, by=None, payload=ORDER, version=wanted)["run"]["version"] == 1
    with pytest.raises(Invalid) as refused:
        run_test(made, by=None, payload=ORDER, version=9)
    assert refused.value.errors[0]["path"] == "version"


# Triggers ----------------------------------------------------------------------------------------------------------


def triggers(*made: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"kind": "event", "config": {"types": ["order.paid"]}, **one} for one in made]


def test_a_payload_that_does_not_match_has_no_run_and_says_why() -> None:
    made = workflow(action("a"), live=False, triggers=triggers({"key": "paid", "filter": 'event.type == "order.paid"'}))
    answer = run_test(made, by=None, payload={"type": "order.made"})
    assert answer["run"] is None
    assert answer["matched"] is False
    assert answer["trigger"]["key"] == "paid"
    assert "order.made" in answer["trigger"]["reason"]
    assert answer["trigger"]["values"] == {"event.type": "order.made"}
    assert not Event.objects.exists()


def test_all_triggers_are_asked_unless_one_is_named() -> None:
    made = workflow(
        action("a"),
        live=False,
        triggers=triggers({"key": "one", "filter": "event.n == 1"}, {"key": "two", "filter": "event.n == 2"}),
    )
    answer = run_test(made, by=None, payload={"n": 2})
    assert [(one["key"], one["matched"]) for one in answer["triggers"]] == [("one", False), ("two", True)]
    assert answer["trigger"]["key"] == "two"
    assert run_test(made, by=None, payload={"n": 2}, trigger="one")["matched"] is False
    with pytest.raises(Invalid):
        run_test(made, by=None, payload={}, trigger="three")


def test_an_unknown_filter_does_not_fire() -> None:
    made = workflow(action("a"), live=False, triggers=triggers({"key": "paid", "filter": "event.order.total > 5"}))
    answer = run_test(made, by=None, payload={})
    assert answer["matched"] is False
    assert "event.order" in answer["trigger"]["reason"]


def test_a_payload_that_breaks_the_contract_is_refused_with_its_path() -> None:
    contract = {"type": "object", "required": ["order"], "properties": {"order": {"type": "object"}}}
    made = workflow(action("a"), live=False, triggers=triggers({"key": "paid", "contract": contract}))
    with pytest.raises(ContractBreach) as missing:
        run_test(made, by=None, payload={})
    assert [one["path"] for one in missing.value.errors] == ["payload.order"]
    with pytest.raises(ContractBreach) as wrong:
        run_test(made, by=None, payload={"order": 5})
    assert [one["path"] for one in wrong.value.errors] == ["payload.order"]


def test_another_trigger_may_take_what_one_refuses() -> None:
    contract = {"type": "object", "required": ["order"]}
    made = workflow(action("a"), live=False, triggers=triggers({"key": "strict", "contract": contract}, {"key": "any"}))
    answer = run_test(made, by=None, payload={})
    assert answer["trigger"]["key"] == "any"
    assert [one["matched"] for one in answer["triggers"]] == [False, True]


# Samples and failures ----------------------------------------------------------------------------------------------


def chain(**fields: Any) -> Workflow:
    """A call whose answer a transform, a condition and another call read."""
    return workflow(
        call("first"),
        action("told", needs=["first"], config={"values": {"ok": "{{ steps.first.output.json.ok }}", "n": 1}}),
        call(
            "second",
            needs=["told"],
            config={"connection": "crm", "method": "POST", "json": {"was": "{{ steps.first.output.json.ok }}"}},
        ),
        live=False,
        **fields,
    )


def test_an_open_value_is_rendered_with_a_marker_and_its_step_stays_a_candidate(crm: Connection) -> None:
    answer = run_test(chain(), by=None, payload=ORDER)
    assert keys(answer, "candidates") == ["first", "told", "second"]
    assert answer["candidates"][2]["input"]["json"] == {"was": "‹steps.first.output.json.ok›"}
    assert Step.objects.get(run=answer["run"]["id"], action="told").output == {
        "ok": "‹steps.first.output.json.ok›",
        "n": 1,
    }


@pytest.mark.parametrize("path", ["steps.first.output.json.ok", "steps.told.output.ok"])
def test_a_when_that_rests_on_an_open_value_is_blocked_even_through_a_computed_step(crm: Connection, path: str) -> None:
    made = workflow(
        call("first"),
        action("told", needs=["first"], config={"values": {"ok": "{{ steps.first.output.json.ok }}", "n": 1}}),
        action("asked", needs=["told"], when={"field": path, "operator": "is_true"}),
        action("known", needs=["told"], when={"field": "steps.told.output.n", "operator": "eq", "value": 1}),
        live=False,
    )
    answer = run_test(made, by=None, payload=ORDER)
    assert keys(answer, "blocked") == ["asked"]
    assert "give a sample" in answer["blocked"][0]["reason"]
    assert "known" in keys(answer, "candidates")
    given = run_test(made, by=None, payload=ORDER, outputs={"first": {"status": 200, "json": {"ok": True}}})
    assert keys(given, "blocked") == []
    assert keys(given, "candidates") == ["first", "told", "asked", "known"]


def test_an_injected_failure_takes_the_failure_path(crm: Connection) -> None:
    made = routing(call("refund", needs=["notify"]), timeout="1h")
    answer = run_test(made, by=None, payload=ORDER, outputs={"notify": {"error": {"status": 500}}})
    assert answer["run"]["status"] == "failed"
    assert keys(answer, "candidates") == ["message", "notify"]
    assert keys(answer, "skipped") == ["refund"]
    assert "notify failed" in answer["skipped"][0]["reason"]
    step = Step.objects.get(run=answer["run"]["id"], action="notify")
    assert step.error["context"] == {"status": 500}
    failed = next(entry for entry in answer["logs"] if entry["level"] == "error")
    assert {"cause", "context", "retry_policy"} <= set(failed)


def test_an_injected_failure_counts_as_the_last_attempt(crm: Connection) -> None:
    made = workflow(call("notify", retry={"attempts": 5}), live=False)
    answer = run_test(made, by=None, payload=ORDER, outputs={"notify": {"error": {"status": 503}}})
    error = Step.objects.get(run=answer["run"]["id"], action="notify").error
    assert (error["attempt"], error["attempts"]) == (5, 5)


def test_values_that_are_no_json_are_shown_as_text() -> None:
    later = {"field": "now", "operator": "after", "value": "2020-01-01T00:00:00Z"}
    never = {"all": [later, {"field": "event.nothing", "operator": "is_true"}]}
    answer = run_test(workflow(action("a", when=later), action("b", when=never), live=False), by=None, payload={})
    assert answer["candidates"][0]["values"]["now"].startswith("20")
    steps = {step.action: step for step in Step.objects.all()}
    assert steps["a"].values == answer["candidates"][0]["values"]
    assert steps["b"].error["context"]["now"] == steps["a"].values["now"]


def test_a_tolerated_failure_is_a_warning(crm: Connection) -> None:
    made = workflow(call("notify", on_failure="continue"), action("after", needs=["notify"]), live=False)
    answer = run_test(made, by=None, payload=ORDER, outputs={"notify": {"error": "down"}})
    run = Run.objects.get(pk=answer["run"]["id"])
    assert (run.status, run.warnings) == ("succeeded", 1)
    assert keys(answer, "candidates") == ["notify", "after"]


def test_samples_for_unknown_and_for_computed_steps_are_reported(crm: Connection) -> None:
    answer = run_test(routing(), by=None, payload=ORDER, outputs={"nobody": {}, "message": {"text": "x"}})
    assert {one["path"] for one in answer["errors"]} == {"outputs.nobody", "outputs.message"}
    assert Step.objects.get(run=answer["run"]["id"], action="message").output == {"text": "Order 7"}


def test_a_sample_is_derived_where_the_schema_says_a_value_and_open_elsewhere() -> None:
    schema = {
        "properties": {
            "state": {"const": "sent"},
            "count": {"type": "integer"},
            "first": {"properties": {"id": {"examples": [7]}}},
        }
    }
    derived = derive(schema, ("steps", "a", "output"))
    assert derived == {"state": "sent", "count": Open("steps.a.output.count"), "first": {"id": 7}}
    assert derive({"properties": {"count": {"type": "integer"}}}, ("steps", "a", "output")) == Open("steps.a.output")


def test_a_computed_output_is_open_where_it_rests_on_an_open_value() -> None:
    path = ("steps", "b", "output")
    opens = ("steps.a.output.id",)
    output = {"id": "‹steps.a.output.id›", "text": "Order ‹steps.a.output.id›", "n": 1}
    assert computed(output, opens, path) == {
        "id": Open("steps.a.output.id"),
        "text": Open("steps.b.output.text"),
        "n": 1,
    }
    assert computed({"hit": True}, opens, path) == Open("steps.b.output")
    assert computed({"hit": True}, (), path) == {"hit": True}


# Guards ------------------------------------------------------------------------------------------------------------


def test_a_viewer_may_not_test_and_a_builder_may(ben: User, crm: Connection) -> None:
    made = routing()
    grant(made, ben, "viewer")
    with pytest.raises(PermissionDenied):
        run_test(made, by=ben, payload=ORDER)
    grant(made, ben, "builder")
    assert run_test(made, by=ben, payload=ORDER)["matched"]


def test_a_step_whose_connection_was_deleted_is_blocked(crm: Connection, svc: User) -> None:
    made = routing()
    crm.delete()
    answer = run_test(made, by=None, payload=ORDER)
    assert keys(answer, "candidates") == ["message"]
    assert keys(answer, "blocked") == ["notify"]
    assert "connection crm" in answer["blocked"][0]["reason"]


def test_an_inactive_account_blocks_every_effect(crm: Connection, svc: User) -> None:
    made = routing()
    User.objects.filter(pk=svc.pk).update(is_active=False)
    answer = run_test(made, by=None, payload=ORDER)
    assert keys(answer, "blocked") == ["notify"]


def test_a_stand_in_without_the_right_to_test_is_named(crm: Connection, ben: User) -> None:
    made = routing()
    answer = run_test(made, by=None, payload=ORDER, as_user="ben")
    assert "ben may not test this workflow" in answer["blocked"][0]["reason"]
    grant(made, ben, "operator")
    answer = run_test(made, by=None, payload=ORDER, as_user=ben)
    assert keys(answer, "candidates") == ["message", "notify"]
    assert Run.objects.get(pk=answer["run"]["id"]).started_by == ben
    with pytest.raises(Invalid) as unknown:
        run_test(made, by=None, payload=ORDER, as_user="zoe")
    assert unknown.value.errors[0]["path"] == "as_user"


def test_an_unfinished_setting_blocks_its_step_and_is_listed(crm: Connection, ana: User) -> None:
    from automations.documents import save

    document = builders.document(actions=[action("call", "http.request", config={"method": "POST"}), action("b")])
    made = save(document, by=None, incomplete=True).workflow
    answer = run_test(made, by=ana, payload={})
    assert keys(answer, "blocked") == ["call"]
    assert keys(answer, "candidates") == ["b"]
    assert [one["path"] for one in answer["errors"]] == ["actions[0].config.connection"]


def test_a_step_with_an_approval_would_wait_for_it(crm: Connection) -> None:
    approval = {"approvers": ["finance"], "when": LARGE}
    made = workflow(call("refund", approval=approval), live=False)
    answer = run_test(made, by=None, payload=ORDER)
    assert answer["candidates"][0]["decision"] == "await_approval"
    small = run_test(made, by=None, payload={"order": {"id": 1, "total": 5}})
    assert small["candidates"][0]["decision"] == "run"


def test_a_kind_that_writes_while_it_is_simulated_is_stopped() -> None:
    from automations.kinds import ActionKind, Call, actions

    class Rogue(ActionKind):
        name = "specimen.rogue"

        def simulate(self, call: Call) -> Any:
            User.objects.filter(username="ana").update(is_superuser=True)
            return {}

    with actions.temporarily(Rogue()):
        made = workflow(action("rogue", "specimen.rogue"), live=False)
        answer = run_test(made, by=None, payload={})
    assert answer["run"]["status"] == "failed"
    assert answer["effects"]["rows_written"] == 0
    assert not User.objects.get(username="ana").is_superuser
    assert Step.objects.get(run=answer["run"]["id"]).error["type"] == "simulation"


@pytest.mark.parametrize("payload", ["a\x00b", {"x": "\ud800"}, {"x": float("nan")}, {"x": "y" * 300_000}])
def test_a_payload_that_cannot_be_stored_is_refused(payload: Any) -> None:
    with pytest.raises(Invalid) as refused:
        run_test(workflow(action("a"), live=False), by=None, payload=payload)
    assert refused.value.errors[0]["path"] == "payload"
    assert not Run.objects.exists()


# Live reads --------------------------------------------------------------------------------------------------------


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


def test_live_reads_really_read_and_nothing_else_goes_out(receiver: Receiver, crm: Connection) -> None:
    Connection.objects.filter(slug="crm").update(base_urls=[receiver.url])
    made = workflow(
        call("look", "GET"),
        call("write", needs=["look"], when={"field": "steps.look.output.json.ok", "operator": "is_true"}),
        live=False,
    )
    assert keys(run_test(made, by=None, payload=ORDER), "blocked") == ["write"]
    answer = run_test(made, by=None, payload=ORDER, reads="live")
    assert keys(answer, "candidates") == ["look", "write"]
    assert [seen.method for seen in receiver.calls] == ["GET"]
    assert answer["effects"] == {"external_calls": 0, "rows_written": 0, "external_reads": 1}


def test_a_live_read_that_fails_fails_its_step(crm: Connection) -> None:
    answer = run_test(workflow(call("look", "GET"), live=False), by=None, payload=ORDER, reads="live")
    assert answer["run"]["status"] == "failed"
    with pytest.raises(Invalid):
        run_test(workflow(action("a"), slug="other", live=False), by=None, payload={}, reads="dead")
