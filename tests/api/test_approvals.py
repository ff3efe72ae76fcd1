"""Approvals over HTTP: who sees them, who decides, and that only a POST decides."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User

from automations import permissions
from automations.models import Workflow
from runs import dispatch
from runs.executor.approving import hash_of
from runs.models import Approval, Approver, Run, Step
from tests.api.conftest import As, paths
from tests.builders import action
from tests.builders import workflow as build

pytestmark = pytest.mark.django_db

URL = "/api/v1/approvals"
ROLES = ("viewer", "builder", "operator", "approver", "releaser")


@pytest.fixture
def orders(ana: User) -> Workflow:
    config = {"message": "refund {{ event.order.total }}"}
    return build(action("refund", "log.write", config=config, approval={"approvers": ["ben"]}))


def ask(orders: Workflow, approvers: tuple[str, ...] = ("ben",), **fields: Any) -> Approval:
    """A run that waits for an approval, as the executor leaves it."""
    run = dispatch.start(orders, {"order": {"total": 250}}, by=None)
    Run.objects.filter(pk=run.pk).update(status="waiting", started_at=run.created_at)
    Step.objects.create(run=run, action="refund", kind="log.write", status="awaiting_approval", ready_at=run.created_at)
    value = {"message": "refund 250"}
    approval = Approval.objects.create(
        workflow=orders, run=run, step="refund", input=value, input_hash=hash_of(value), requested_at=run.created_at,
        policy={"expires": None, "remind": None, "on_expiry": "reject", "escalate_to": []}, **fields,
    )  # fmt: skip
    Approver.objects.bulk_create(Approver(approval=approval, name=name) for name in approvers)
    return approval


@pytest.fixture
def approval(orders: Workflow) -> Approval:
    return ask(orders)


def body(approval: Approval, **fields: Any) -> dict[str, Any]:
    return {"input_hash": approval.input_hash, "comment": "seen", **fields}


def test_an_approval_says_exactly_what_will_happen(as_: As, ben: User, approval: Approval) -> None:
    shown = as_(ben).get(f"{URL}/{approval.pk}").json()
    assert {name: shown[name] for name in ("workflow", "run", "step", "index", "state", "quorum", "expires_at")} == {
        "workflow": approval.workflow_id,
        "run": approval.run_id,
        "step": "refund",
        "index": None,
        "state": "pending",
        "quorum": 1,
        "expires_at": None,
    }
    assert (shown["input"], shown["approvers"], shown["decisions"]) == ({"message": "refund 250"}, ["ben"], [])
    assert shown["may_decide"] is True
    assert as_(ben).get(URL).json()["results"] == [shown]


def test_nobody_sees_what_is_not_theirs(as_: As, carl: User, approval: Approval) -> None:
    assert as_(None).get(URL).status_code == 401
    assert as_(carl).get(URL).json()["results"] == []
    assert as_(carl).get(f"{URL}/{approval.pk}").status_code == 404
    assert as_(carl).post(f"{URL}/{approval.pk}/approve", body(approval), format="json").status_code == 404


@pytest.mark.parametrize("role", ROLES)
def test_the_payload_is_shown_to_approvers_and_to_those_who_see_payloads(
    as_: As, carl: User, orders: Workflow, approval: Approval, role: str
) -> None:
    permissions.grant(orders, carl, role)
    shown = as_(carl).get(f"{URL}/{approval.pk}").json()
    assert (shown["input"] is not None) is (role in ("operator", "approver", "releaser"))


@pytest.mark.parametrize("role", ROLES)
def test_who_is_not_named_decides_nothing(as_: As, carl: User, orders: Workflow, approval: Approval, role: str) -> None:
    permissions.grant(orders, carl, role)
    for verb in ("approve", "reject"):
        assert as_(carl).post(f"{URL}/{approval.pk}/{verb}", body(approval), format="json").status_code == 403
    delegated = as_(carl).post(f"{URL}/{approval.pk}/delegate", body(approval, to="ana"), format="json")
    assert delegated.status_code == 403
    approval.refresh_from_db()
    assert (approval.state, approval.decisions) == ("pending", [])


@pytest.mark.parametrize("role", ROLES)
def test_where_nobody_is_named_approvers_decide(as_: As, carl: User, orders: Workflow, role: str) -> None:
    approval = ask(orders, ())
    permissions.grant(orders, carl, role)
    answer = as_(carl).post(f"{URL}/{approval.pk}/approve", body(approval), format="json")
    assert answer.status_code == (200 if role == "approver" else 403)


def test_a_get_decides_nothing(as_: As, ben: User, approval: Approval) -> None:
    for verb in ("approve", "reject", "ask", "delegate", "withdraw"):
        for method in ("get", "head", "options"):
            as_(ben).generic(method.upper(), f"{URL}/{approval.pk}/{verb}?input_hash={approval.input_hash}")
    as_(ben).get(f"{URL}/decide")
    approval.refresh_from_db()
    assert (approval.state, approval.decisions) == ("pending", [])


def test_an_approval_is_given(as_: As, ben: User, approval: Approval) -> None:
    answer = as_(ben).post(f"{URL}/{approval.pk}/approve", body(approval), format="json")
    assert answer.status_code == 200
    assert answer.json()["state"] == "approved"
    assert [(one["by"], one["decision"], one["comment"]) for one in answer.json()["decisions"]] == [
        ("ben", "approved", "seen")
    ]
    again = as_(ben).post(f"{URL}/{approval.pk}/approve", body(approval), format="json")
    assert (again.status_code, again["Content-Type"]) == (409, "application/problem+json")


def test_without_the_hash_nothing_is_approved(as_: As, ben: User, approval: Approval) -> None:
    answer = as_(ben).post(f"{URL}/{approval.pk}/approve", {"comment": "yes"}, format="json")
    assert (answer.status_code, paths(answer)) == (400, ["input_hash"])


def test_approving_a_changed_request_is_a_conflict_that_says_what_changed(
    as_: As, ben: User, approval: Approval
) -> None:
    event = approval.run.event
    event.payload = {"order": {"total": 9000}}
    event.save()
    answer = as_(ben).post(f"{URL}/{approval.pk}/approve", body(approval), format="json")
    assert answer.status_code == 409
    assert answer.json()["errors"] == [{"path": "input.message", "message": "was 'refund 250', is now 'refund 9000'."}]
    approval.refresh_from_db()
    assert approval.state == "void"


def test_one_with_another_hash_is_a_conflict(as_: As, ben: User, approval: Approval) -> None:
    for verb in ("approve", "reject"):
        answer = as_(ben).post(f"{URL}/{approval.pk}/{verb}", {"input_hash": "0" * 64}, format="json")
        assert answer.status_code == 409
    approval.refresh_from_db()
    assert approval.state == "pending"


def test_whoever_started_the_run_cannot_approve(as_: As, ben: User, root: User, approval: Approval) -> None:
    for user in (ben, root):
        Run.objects.update(started_by=user)
        answer = as_(user).post(f"{URL}/{approval.pk}/approve", body(approval), format="json")
        assert answer.status_code == 403
        assert as_(user).get(f"{URL}/{approval.pk}").json()["may_decide"] is False


def test_the_other_verbs(as_: As, ana: User, ben: User, carl: User, orders: Workflow) -> None:
    approval = ask(orders)
    url = f"{URL}/{approval.pk}"
    assert as_(ben).post(f"{url}/ask", body(approval), format="json").json()["state"] == "pending"
    assert paths(as_(ben).post(f"{url}/ask", body(approval, comment=" "), format="json")) == ["comment"]
    assert paths(as_(ben).post(f"{url}/delegate", body(approval, to="nobody"), format="json")) == ["to"]
    delegated = as_(ben).post(f"{url}/delegate", body(approval, to="carl"), format="json").json()
    assert (delegated["state"], delegated["approvers"]) == ("pending", ["ben", "carl"])
    assert delegated["decisions"][-1]["to"] == "carl"
    assert as_(ben).post(f"{url}/approve", body(approval), format="json").status_code == 403
    assert as_(carl).post(f"{url}/reject", body(approval), format="json").json()["state"] == "rejected"
    other = ask(orders)
    assert as_(ben).post(f"{URL}/{other.pk}/withdraw", body(other), format="json").status_code == 403
    assert as_(ana).post(f"{URL}/{other.pk}/withdraw", body(other), format="json").json()["state"] == "withdrawn"


def test_many_are_decided_each_by_itself(as_: As, ben: User, orders: Workflow) -> None:
    first, second, third = ask(orders), ask(orders), ask(orders, ("carl",))
    items = [
        {"id": first.pk, "input_hash": first.input_hash},
        {"id": second.pk, "input_hash": "0" * 64},
        {"id": third.pk, "input_hash": third.input_hash},
    ]
    answer = as_(ben).post(f"{URL}/decide", {"decision": "approve", "items": items, "comment": "all"}, format="json")
    assert answer.status_code == 200
    assert [(one["decided"], one["state"]) for one in answer.json()["results"]] == [
        (True, "approved"),
        (False, "pending"),
        (False, None),
    ]
    wrong = as_(ben).post(f"{URL}/decide", {"decision": "maybe", "items": items}, format="json")
    assert paths(wrong) == ["decision"]


def test_approvals_are_filtered(as_: As, ben: User, approval: Approval) -> None:
    for query in ("state=pending", "workflow=orders", f"run={approval.run_id}", "since=1h"):
        assert [row["id"] for row in as_(ben).get(f"{URL}?{query}").json()["results"]] == [approval.pk], query
    for query in ("state=approved", "workflow=other", "run=1000000"):
        assert as_(ben).get(f"{URL}?{query}").json()["results"] == [], query


def test_a_list_takes_a_constant_number_of_queries(
    as_: As, ben: User, orders: Workflow, django_assert_max_num_queries: Any
) -> None:
    for _ in range(10):
        ask(orders)
    with django_assert_max_num_queries(10):
        assert len(as_(ben).get(URL).json()["results"]) == 10
