"""Shared conditions: whose they are, who uses them, and what a change of one does."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from automations import releases, shared_conditions
from automations.documents import document_of, save, snapshot
from automations.engine.errors import DefinitionError
from automations.models import Condition, Epoch, Listener, Mode, Workflow
from automations.permissions import grant
from automations.plans import plan_of, plan_of_draft
from automations.refusals import Conflict, Invalid
from tests.builders import action, go_live
from tests.builders import document as definition

pytestmark = pytest.mark.django_db


def over(limit: int) -> dict[str, Any]:
    return {"field": "event.total", "operator": "gt", "value": limit}


@pytest.fixture
def risk(ben: User) -> Group:
    """A team ben belongs to."""
    team = Group.objects.create(name="risk")
    ben.groups.add(team)
    return team


@pytest.fixture
def large(risk: Group, ben: User) -> Condition:
    return shared_conditions.create("risk", "large", over(100), by=ben)


def workflow(slug: str = "orders", **fields: Any) -> Workflow:
    """Uses the shared condition by the name of its own, `big`."""
    for name in ("ana", "svc-orders"):
        User.objects.get_or_create(username=name)
    made = definition(slug, actions=[action("note", when="big")], conditions={"big": {"use": "risk/large"}}, **fields)
    return save(made, by=None).workflow


def matches(version: Any, total: int) -> Any:
    return plan_of(version).conditions["big"].evaluate({"event": {"total": total}}).matched


def as_(user: User) -> APIClient:
    client = APIClient()
    client.force_authenticate(user)
    return client


class TestRights:
    def test_members_of_the_team_make_and_change_its_conditions(self, large: Condition, ben: User, root: User) -> None:
        for user in (ben, root, None):
            assert shared_conditions.update(large, over(50), by=user).tree == over(50)
        assert list(large.history.values_list("history_user__username", flat=True)) == [None, "root", "ben", "ben"]

    def test_nobody_else_does(self, large: Condition, carl: User) -> None:
        for act in (
            lambda: shared_conditions.create("risk", "other", over(1), by=carl),
            lambda: shared_conditions.update(large, over(1), by=carl),
            lambda: shared_conditions.delete(large, by=carl),
        ):
            with pytest.raises(PermissionDenied, match="risk"):
                act()

    def test_whoever_holds_a_role_sees_them_and_a_stranger_does_not(
        self, large: Condition, ben: User, carl: User
    ) -> None:
        made = workflow()
        assert list(shared_conditions.listed(carl)) == []
        grant(made, carl, "viewer")
        assert list(shared_conditions.listed(carl)) == [large]

    def test_used_by_names_only_workflows_one_may_see(self, large: Condition, carl: User) -> None:
        seen, _hidden = workflow("seen"), workflow("hidden")
        grant(seen, carl, "viewer")
        assert shared_conditions.using(large, by=carl) == [seen]
        assert len(shared_conditions.using(large, by=None)) == 2


class TestRules:
    @pytest.mark.parametrize("name", ["", "a/b", " a", "x" * 101])
    def test_a_name_must_be_one(self, risk: Group, name: str) -> None:
        with pytest.raises(Invalid, match="cannot be a condition's name"):
            shared_conditions.create("risk", name, over(1), by=None)

    def test_a_name_is_taken_once_per_team(self, large: Condition) -> None:
        with pytest.raises(Invalid, match="risk/large already"):
            shared_conditions.create("risk", "large", over(1), by=None)
        Group.objects.create(name="ops")
        shared_conditions.create("ops", "large", over(1), by=None)

    def test_there_must_be_such_a_team(self, db: None) -> None:
        with pytest.raises(Invalid, match="There is no team nobody"):
            shared_conditions.create("nobody", "large", over(1), by=None)

    @pytest.mark.parametrize(
        ("tree", "path"),
        [
            ({"field": "event.total", "operator": "bigger", "value": 1}, "tree.operator"),
            ({"all": []}, "tree.all"),
            ({"expression": "event.total >"}, "tree.expression"),
            ({"condition": "other"}, "tree.condition"),
            ({"use": "risk/large"}, "tree.use"),
            ("event.total > 5", "tree"),
            ({}, "tree"),
        ],
    )
    def test_what_is_wrong_is_said_at_its_place(self, large: Condition, tree: Any, path: str) -> None:
        with pytest.raises(DefinitionError) as caught:
            shared_conditions.update(large, tree, by=None)
        assert caught.value.problems[0].path == path
        assert caught.value.problems[0].fix or "line" in caught.value.problems[0].message
        assert Condition.objects.get(pk=large.pk).tree == over(100)

    def test_a_team_may_have_a_slash_in_its_name(self, ben: User) -> None:
        Group.objects.create(name="risk/eu")
        shared_conditions.create("risk/eu", "large", over(9), by=None)
        made = definition(actions=[action("note", when="big")], conditions={"big": {"use": "risk/eu/large"}})
        User.objects.get_or_create(username="ana")
        draft = plan_of_draft(save(made, by=None).workflow)
        assert draft.conditions["big"].evaluate({"event": {"total": 10}}).matched


class TestChanges:
    def test_a_version_keeps_the_text_and_the_draft_follows(self, large: Condition) -> None:
        released = go_live(workflow())
        shared_conditions.update(large, over(50), by=None)
        assert matches(released.current_version, 70) is False
        assert matches(snapshot(released), 70) is True
        assert document_of(released)["conditions"] == {"big": {"use": "risk/large"}}

    def test_a_change_is_an_unreleased_change_of_every_released_workflow_that_uses_it(self, large: Condition) -> None:
        one, other = go_live(workflow("one")), go_live(workflow("other"))
        unreleased = workflow("unreleased")
        assert [releases.unreleased_changes(made) for made in (one, other, unreleased)] == [[], [], []]
        shared_conditions.update(large, over(50), by=None)
        for made in (one, other):
            assert releases.unreleased_changes(made) == [
                {"path": "conditions.big.value", "before": 100, "after": 50, "shared": "risk/large"}
            ]
        assert releases.unreleased_changes(unreleased) == []
        shared_conditions.update(large, over(100), by=None)
        assert releases.unreleased_changes(one) == []

    def test_changes_of_the_draft_itself_are_listed_beside_it(self, large: Condition) -> None:
        made = go_live(workflow())
        save(document_of(made) | {"timeout": "1h", "name": "Another name"}, by=None)
        assert releases.unreleased_changes(Workflow.objects.get()) == [{"path": "timeout", "after": "1h"}]

    def test_the_fingerprint_of_the_gate_moves_with_the_text(self, large: Condition) -> None:
        made = workflow()
        before = releases.gate(made).fingerprint
        shared_conditions.update(large, over(50), by=None)
        assert releases.gate(made).fingerprint != before

    def test_listeners_of_simulated_workflows_are_rewritten_and_those_of_released_ones_stay(
        self, large: Condition
    ) -> None:
        simulated, released, draft = (
            workflow("simulated", mode="simulate"),
            go_live(workflow("released")),
            workflow("draft"),
        )
        before = {row.workflow_id: row.version_id for row in Listener.objects.all()}
        shared_conditions.update(large, over(50), by=None)
        after = {row.workflow_id: row.version_id for row in Listener.objects.all()}
        assert before[released.pk] == after[released.pk] and draft.pk not in after
        assert matches(Listener.objects.get(workflow=simulated, route="event:simulated.said").version, 70) is True

    def test_the_epoch_moves_with_every_change(self, large: Condition) -> None:
        workflow("simulated", mode="simulate")
        epochs = [Epoch.current()]
        for value in (1, 2):
            shared_conditions.update(large, over(value), by=None)
            epochs.append(Epoch.current())
        assert epochs == sorted(set(epochs))

    def test_a_change_that_a_workflow_cannot_bear_is_refused_with_its_name(self, large: Condition, ben: User) -> None:
        made = definition(
            actions=[action("note")],
            conditions={"big": {"use": "risk/large"}},
            triggers=[{"key": "said", "kind": "event", "config": {"types": ["x"]}, "filter": "big"}],
        )
        for name in ("ana", "svc-orders"):
            User.objects.get_or_create(username=name)
        saved = save(made | {"mode": "simulate"}, by=None).workflow
        with pytest.raises(DefinitionError) as caught:
            shared_conditions.update(large, {"field": "steps.note.output.x", "operator": "exists"}, by=ben)
        assert "a workflow you may not see" in caught.value.problems[0].message
        with pytest.raises(DefinitionError) as caught:
            shared_conditions.update(large, {"field": "steps.note.output.x", "operator": "exists"}, by=None)
        (problem,) = caught.value.problems
        assert problem.path == "tree" and "orders at triggers[0].filter: “steps” is not known here" in problem.message
        assert Condition.objects.get(pk=large.pk).tree == over(100)
        assert Workflow.objects.get(pk=saved.pk).mode == Mode.SIMULATE

    def test_what_is_used_is_not_deleted(self, large: Condition, ben: User) -> None:
        made, _hidden = workflow(), workflow("hidden")
        grant(made, ben, "viewer")
        with pytest.raises(Conflict, match="used by orders and 1 you may not see"):
            shared_conditions.delete(large, by=ben)
        for row in Workflow.objects.all():
            save(definition(row.slug, actions=[action("note")]), by=None)
        shared_conditions.delete(large, by=ben)
        assert not Condition.objects.filter(pk=large.pk).exists()


@pytest.mark.django_db(transaction=True)
def test_a_save_and_a_change_at_once_leave_no_listener_behind(risk: Group, ben: User) -> None:
    """Whichever comes first, the simulated workflow listens with the text that counts in the end."""
    large = shared_conditions.create("risk", "large", over(0), by=ben)
    made = workflow(mode="simulate")
    barrier, failures = threading.Barrier(2), []

    def act(function: Any, *arguments: Any, **options: Any) -> None:
        try:
            for number in range(1, 6):
                barrier.wait(10)
                function(number, *arguments, **options)
        except Exception as error:
            failures.append(error)
            barrier.abort()
        finally:
            connection.close()

    def change(number: int) -> None:
        shared_conditions.update(large, over(number), by=None)

    def rewrite(number: int) -> None:
        save(document_of(made) | {"timeout": f"{number}h"}, by=None)

    threads = [threading.Thread(target=act, args=(one,)) for one in (change, rewrite)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failures
    listening = Listener.objects.filter(workflow=made).select_related("version")
    assert {row.version.document["conditions"]["big"]["value"] for row in listening} == {5}
    assert {row.version.checksum for row in listening} == {plan_of_draft(Workflow.objects.get()).checksum}


class TestOverHttp:
    def test_from_making_one_to_its_unreleased_change(self, risk: Group, ben: User, carl: User) -> None:
        body = {"team": "risk", "name": "large", "tree": over(100)}
        made = as_(ben).post("/api/v1/conditions", body, format="json")
        assert made.status_code == 201
        url = f"/api/v1/conditions/{made.json()['id']}"
        workflow_made = go_live(workflow())
        grant(workflow_made, ben, "viewer")
        assert as_(ben).get(url).json() == made.json()
        assert [row["slug"] for row in as_(ben).get(f"{url}/used-by").json()] == ["orders"]
        changed = as_(ben).patch(url, {"tree": over(50)}, format="json")
        assert (changed.status_code, changed.json()["tree"]) == (200, over(50))
        (change,) = as_(ben).get("/api/v1/workflows/orders").json()["unreleased_changes"]
        assert (change["path"], change["shared"]) == ("conditions.big.value", "risk/large")
        version = workflow_made.current_version
        assert version is not None
        diff = as_(ben).get(f"/api/v1/versions/{version.pk}/diff?against=draft").json()["changes"]
        assert {"path": "conditions.big.value", "before": 50, "after": 100} in diff
        assert as_(ben).delete(url).status_code == 409
        assert as_(carl).get(url).status_code == 404
        grant(workflow_made, carl, "viewer")
        assert as_(carl).patch(url, {"tree": over(1)}, format="json").status_code == 403
        assert as_(ben).patch(url, {"tree": {"all": []}}, format="json").json()["errors"][0]["path"] == "tree.all"

    def test_the_workflows_page_says_so(self, large: Condition, client: Client, root: User) -> None:
        made = go_live(workflow())
        shared_conditions.update(large, over(50), by=None)
        client.force_login(root)
        page = client.get(reverse("admin:automations_workflow_overview", args=[made.pk])).content.decode()
        assert "1 unreleased change<" in page and "risk/large" in page
