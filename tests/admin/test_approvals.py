"""The inbox: what it shows, to whom, and that only its buttons decide."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from automations.models import Workflow
from automations.permissions import grant
from runs.models import Approval, Run
from tests.api.test_approvals import ask
from tests.builders import action
from tests.builders import workflow as build

pytestmark = pytest.mark.django_db

Browse = Callable[[User], Client]
LIST = "/admin/automations_runs/approval/"


@pytest.fixture
def orders(ana: User) -> Workflow:
    config = {"message": "refund {{ event.order.total }}"}
    return build(action("refund", "log.write", config=config, approval={"approvers": ["ben"]}))


@pytest.fixture
def approval(orders: Workflow) -> Approval:
    return ask(orders)


def page(approval: Approval) -> str:
    return reverse("admin:automations_runs_approval_change", args=[approval.pk])


def button(approval: Approval) -> str:
    return reverse("admin:automations_runs_approval_decide", args=[approval.pk])


def state(approval: Approval) -> str:
    return Approval.objects.get(pk=approval.pk).state


def test_whoever_is_named_may_sign_in_and_sees_exactly_what_will_happen(
    browse: Browse, ben: User, approval: Approval
) -> None:
    shown = browse(ben).get(page(approval)).content.decode()
    assert "Note “refund 250” in the log" in shown
    assert 'value="approve"' in shown
    assert f"#{approval.pk}" in browse(ben).get(LIST).content.decode()
    assert "Waiting for your decision" in browse(ben).get("/admin/").content.decode()
    assert state(approval) == "pending", "looking decides nothing"


def test_without_the_right_to_see_payloads_no_value_is_shown(
    browse: Browse, carl: User, orders: Workflow, approval: Approval
) -> None:
    grant(orders, carl, "viewer")
    shown = browse(carl).get(page(approval)).content.decode()
    assert "refund {{ event.order.total }}" in shown
    assert "refund 250" not in shown
    assert 'value="approve"' not in shown


def test_a_stranger_finds_nothing(browse: Browse, carl: User, approval: Approval) -> None:
    assert browse(carl).get(page(approval)).status_code in (302, 404)
    assert browse(carl).post(button(approval), {"decision": "approve"}).status_code in (302, 404)
    assert state(approval) == "pending"


def test_whoever_started_it_gets_no_buttons(browse: Browse, ana: User, orders: Workflow) -> None:
    approval = ask(orders, ("ana",))
    Run.objects.update(started_by=ana)
    shown = browse(ana).get(page(approval)).content.decode()
    assert "does not decide about its steps" in shown
    assert 'value="approve"' not in shown
    given = {"decision": "approve", "input_hash": approval.input_hash}
    assert browse(ana).post(button(approval), given).status_code == 403


@pytest.mark.parametrize(
    ("decision", "then"), [("approve", "approved"), ("reject", "rejected"), ("ask", "pending"), ("delegate", "pending")]
)
def test_a_button_decides_by_post(
    browse: Browse, ben: User, carl: User, approval: Approval, decision: str, then: str
) -> None:
    assert browse(ben).get(button(approval)).status_code == 405
    given = {"decision": decision, "input_hash": approval.input_hash, "comment": "seen", "to": "carl"}
    assert browse(ben).post(button(approval), given).status_code == 302
    assert state(approval) == then
    assert Approval.objects.get().decisions[0]["comment"] == "seen"


def test_many_are_shown_before_they_are_decided(browse: Browse, ben: User, orders: Workflow) -> None:
    mine, others = [ask(orders) for _ in range(2)], ask(orders, ("carl",))
    client = browse(ben)
    chosen = {"action": "approve_selected", "_selected_action": [one.pk for one in mine]}
    shown = client.post(LIST, chosen).content.decode()
    assert shown.count("refund 250") == 2
    items = [f"{one.pk}:{one.input_hash}" for one in [*mine, others]]
    given = {"decision": "approve", "items": items}
    assert client.get(reverse("admin:automations_runs_approval_decide_many")).status_code == 405
    client.post(reverse("admin:automations_runs_approval_decide_many"), given)
    assert [state(one) for one in [*mine, others]] == ["approved", "approved", "pending"]
