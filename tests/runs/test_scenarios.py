"""Scenarios: what was expected against what came, and the evidence that gives."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied

from automations import ports
from automations.documents import save
from automations.models import Scenario, Workflow
from automations.permissions import grant
from runs import scenarios
from runs.models import Run, ScenarioResult
from tests import builders
from tests.builders import action, workflow

pytestmark = pytest.mark.django_db

ORDER = {"type": "order.paid", "id": "e1", "order": {"id": 7, "total": 250}}
SMALL = {"type": "order.paid", "id": "e2", "order": {"id": 8, "total": 20}}
CALL = {"connection": "crm", "method": "POST", "path": "/notes", "json": {"text": "{{ steps.message.output.text }}"}}


def orders(*written: dict[str, Any], **fields: Any) -> Workflow:
    builders.connection("crm", "http://127.0.0.1:1")
    return workflow(
        action("message", config={"values": {"text": "Order {{ event.order.id }}"}}),
        action(
            "notify",
            "http.request",
            config=CALL,
            needs=["message"],
            when={"field": "event.order.total", "operator": "gt", "value": 100},
        ),
        action("refund", "http.request", config={**CALL, "path": "/refunds"}, needs=["notify"]),
        live=False,
        scenarios=list(written),
        triggers=[
            {
                "key": "paid",
                "kind": "event",
                "config": {"types": ["order.paid"]},
                "filter": 'event.type == "order.paid"',
                "contract": {"type": "object", "required": ["order"]},
            }
        ],
        **fields,
    )


LARGE_ORDER = {
    "name": "large order",
    "payload": ORDER,
    "expect": {"matched": True, "candidates": ["refund", "notify", "message"], "status": "succeeded"},
}
SMALL_ORDER = {
    "name": "small order",
    "payload": SMALL,
    "expect": {"matched": True, "candidates": ["message"], "skipped": ["notify", "refund"], "blocked": []},
}
REFUSAL = {
    "name": "the CRM refuses",
    "payload": ORDER,
    "outputs": {"notify": {"error": {"status": 500}}},
    "expect": {"status": "failed", "skipped": ["refund"]},
}


def test_scenarios_pass_and_are_positive_or_negative() -> None:
    rows = scenarios.run_all(orders(LARGE_ORDER, SMALL_ORDER, REFUSAL), by=None)
    assert [(row["name"], row["kind"], row["passed"]) for row in rows] == [
        ("large order", "positive", True),
        ("small order", "negative", True),
        ("the CRM refuses", "negative", True),
    ]
    assert all(row["differences"] == [] for row in rows)
    assert Run.objects.filter(mode="simulate").count() == 3
    assert {row["run"] for row in rows} == set(Run.objects.values_list("pk", flat=True))
    assert [row["scenario"] for row in rows] == list(Scenario.objects.values_list("pk", flat=True))


def test_what_differs_is_said_with_its_path() -> None:
    expect = {
        "matched": False,
        "candidates": ["message"],
        "status": "failed",
        "outputs": {"message": {"text": "Order 8"}, "notify": {"status": 200}},
    }
    (row,) = scenarios.run_all(orders({"name": "wrong", "payload": ORDER, "expect": expect}), by=None)
    assert row["passed"] is False
    assert row["differences"] == [
        {"path": "matched", "expected": False, "got": True},
        {"path": "candidates", "expected": ["message"], "got": ["message", "notify", "refund"]},
        {"path": "status", "expected": "failed", "got": "succeeded"},
        {"path": "outputs.message.text", "expected": "Order 8", "got": "Order 7"},
        {"path": "outputs.notify", "expected": {"status": 200}, "got": "‹steps.notify.output›"},
    ]


def test_what_is_not_named_is_not_checked_and_outputs_are_compared_in_part() -> None:
    made = orders(
        {"name": "nothing", "payload": ORDER},
        {
            "name": "in part",
            "payload": ORDER,
            "outputs": {"notify": {"status": 200, "json": {"ok": True, "id": 3}}},
            "expect": {"outputs": {"notify": {"json": {"id": 3.0}}, "message": {"text": "Order 7"}}},
        },
    )
    assert [row["passed"] for row in scenarios.run_all(made, by=None)] == [True, True]


def test_a_payload_that_does_not_match_and_one_that_is_refused() -> None:
    other = {"type": "order.made", "order": {}}
    made = orders(
        {"name": "other", "payload": other, "expect": {"matched": False, "refused": False}},
        {"name": "broken", "payload": {"type": "order.paid"}, "expect": {"matched": False, "refused": True}},
        {"name": "hoped", "payload": {"type": "order.paid"}, "expect": {"refused": False}},
    )
    rows = scenarios.run_all(made, by=None)
    assert [(row["kind"], row["passed"], row["run"]) for row in rows] == [
        ("negative", True, None),
        ("negative", True, None),
        ("negative", False, None),
    ]


def test_scenarios_run_as_probe_who_holds_no_role_and_cannot_sign_in(ana: User) -> None:
    (row,) = scenarios.run_all(orders(LARGE_ORDER), by=ana)
    probe = User.objects.get(username="probe")
    assert Run.objects.get(pk=row["run"]).started_by == probe
    assert not probe.has_usable_password()
    assert not probe.is_superuser
    assert ScenarioResult.objects.get().as_user == "probe"


def test_a_scenario_may_run_as_somebody(ben: User) -> None:
    made = orders({**LARGE_ORDER, "as_user": "ben"}, {**LARGE_ORDER, "name": "zoe", "as_user": "zoe"})
    ben_may_not, zoe = scenarios.run_all(made, by=None)
    assert {one["path"] for one in ben_may_not["differences"]} == {"candidates", "status"}
    assert zoe["differences"][0]["path"] == "as_user"
    assert zoe["passed"] is False
    grant(made, ben, "builder")
    assert scenarios.run_all(made, by=None)[0]["passed"]


def test_running_needs_the_right_to_test(ben: User) -> None:
    made = orders(LARGE_ORDER)
    grant(made, ben, "viewer")
    with pytest.raises(PermissionDenied):
        scenarios.run_all(made, by=ben)
    with pytest.raises(PermissionDenied):
        scenarios.run(made.scenarios.get(), by=ben)


# Evidence ----------------------------------------------------------------------------------------------------------


def evidence(made: Workflow) -> list[ports.Evidence]:
    from automations.plans import plan_of_draft

    return ports.evidence(made, plan_of_draft(made).checksum)


def test_evidence_is_the_newest_result_for_exactly_this_behaviour() -> None:
    made = orders(LARGE_ORDER, SMALL_ORDER)
    assert evidence(made) == []
    scenarios.run_all(made, by=None)
    scenarios.run_all(made, by=None)
    found = evidence(made)
    assert [(one.name, one.kind, one.passed, one.as_user) for one in found] == [
        ("large order", "positive", True, "probe"),
        ("small order", "negative", True, "probe"),
    ]
    assert not any(one.by_author for one in found)
    assert ports.evidence(made, "0" * 64) == []


def test_evidence_ends_when_its_scenario_is_changed(ana: User) -> None:
    from automations.documents import document_of

    made = orders(LARGE_ORDER, SMALL_ORDER)
    scenarios.run_all(made, by=None)
    document = document_of(made)
    document["scenarios"][0]["expect"] = {"matched": False}
    save(document, by=None, workflow=made)
    assert [one.name for one in evidence(made)] == ["small order"]


def test_evidence_by_whoever_wrote_the_workflow_says_so(ana: User, ben: User) -> None:
    from automations.documents import document_of

    made = orders({**LARGE_ORDER, "as_user": "ben"})
    grant(made, ben, "builder")
    save({**document_of(made), "name": "Orders of Ben"}, by=ben, workflow=made)
    scenarios.run_all(made, by=ana)
    assert [one.by_author for one in evidence(made)] == [True]
