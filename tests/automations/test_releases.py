"""Gate, release, rollback, mode."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import connection

from automations import permissions, releases
from automations.documents import document_of, save
from automations.models import Epoch, Listener, Release, Workflow
from automations.plans import plan_of
from automations.refusals import Conflict, GateClosed, Invalid
from runs import dispatch
from runs.models import Run
from runs.scenarios import run_all
from tests.automations.definitions import orders

pytestmark = pytest.mark.django_db


@pytest.fixture
def workflow(ana: User, svc: User) -> Workflow:
    return save(orders(), by=None).workflow


def prove(workflow: Workflow) -> Workflow:
    """Run all its scenarios: the evidence a release wants."""
    fresh = Workflow.objects.get(pk=workflow.pk)
    run_all(fresh, by=None)
    return fresh


def missing(workflow: Workflow) -> set[str]:
    return {item.key for item in releases.gate(Workflow.objects.get(pk=workflow.pk)).missing}


def test_the_gate_names_everything_that_is_missing_with_chapter_and_fix() -> None:
    workflow = save(orders(owner=None, run_as=None, alerts={"notify": ["a@b.c"]}), by=None).workflow
    gate = releases.gate(workflow)
    assert not gate.ready
    assert {item.key for item in gate.missing} == {
        "owner",
        "positive_scenario",
        "negative_scenario",
        "run_as",
        "alerts",
    }
    assert all(item.fix and item.message and 1 <= item.chapter <= 6 for item in gate.missing)
    assert set(gate.as_dict()) == {"ready", "fingerprint", "items"}


def test_a_workflow_with_evidence_passes_the_gate(workflow: Workflow) -> None:
    assert missing(workflow) == {"positive_scenario", "negative_scenario"}
    prove(workflow)
    assert missing(workflow) == set()


def test_evidence_counts_for_exactly_the_behaviour_it_was_given_for(workflow: Workflow) -> None:
    prove(workflow)
    save(orders(description="Stewardship does not count."), by=None)
    assert missing(workflow) == set()
    save(orders(timeout="5m"), by=None)
    assert missing(workflow) == {"positive_scenario", "negative_scenario"}


def test_a_scenario_that_fails_is_no_evidence(workflow: Workflow) -> None:
    document = orders()
    document["scenarios"][0]["expect"] = {"matched": False}
    prove(save(document, by=None).workflow)
    assert missing(workflow) == {"positive_scenario"}


def test_an_unfinished_definition_does_not_pass(workflow: Workflow) -> None:
    document = orders()
    document["triggers"].append({"key": "hook", "kind": "webhook", "config": {}})
    save(document, by=None, incomplete=True)
    assert "definition" in missing(workflow)


def test_a_release_makes_a_numbered_version_current_and_executed(workflow: Workflow, ana: User) -> None:
    epoch = Epoch.current()
    made = releases.release(prove(workflow), by=ana, note="first")
    workflow.refresh_from_db()
    assert (workflow.mode, workflow.current_version.number) == ("execute", 1)
    assert (made.version, made.previous, made.by, made.note) == (workflow.current_version, None, ana, "first")
    assert {row["scenario"] for row in made.evidence["scenarios"]} == {"a large order", "a small order"}
    assert plan_of(made.version).checksum == made.version.checksum == made.evidence["fingerprint"]
    listener = Listener.objects.get()
    assert (listener.route, listener.execute, listener.version) == ("event:order.paid", True, made.version)
    assert Epoch.current() > epoch
    assert workflow.history.first().history_change_reason == "release of version 1"


def test_a_closed_gate_releases_nothing(workflow: Workflow, ana: User) -> None:
    with pytest.raises(GateClosed) as caught:
        releases.release(workflow, by=ana, note="")
    assert {error["path"] for error in caught.value.errors} == {"positive_scenario", "negative_scenario"}
    assert not Release.objects.exists()
    assert Workflow.objects.get().mode == "draft"


def test_a_draft_that_changes_after_its_release_does_not_change_what_runs(workflow: Workflow, ana: User) -> None:
    first = releases.release(prove(workflow), by=ana, note="").version
    changed = orders()
    changed["triggers"][0]["config"]["types"] = ["order.changed"]
    save(changed, by=None)
    assert Listener.objects.get().version == first
    assert Listener.objects.get().route == "event:order.paid"
    second = releases.release(prove(workflow), by=ana, note="").version
    assert (second.number, Listener.objects.get().route) == (2, "event:order.changed")
    first.refresh_from_db()
    assert first.document["triggers"][0]["config"]["types"] == ["order.paid"]


def test_a_rollback_is_never_gated(workflow: Workflow, ana: User, ben: User) -> None:
    first = releases.release(prove(workflow), by=ana, note="").version
    save(orders(timeout="5m"), by=None)
    second = releases.release(prove(workflow), by=ana, note="").version
    save(orders(owner=None, alerts=None), by=None)
    permissions.grant(workflow, ben, "operator")
    made = releases.rollback(workflow, version=1, by=ben, note="it broke")
    assert (made.kind, made.version, made.previous) == ("rollback", first, second)
    assert Listener.objects.get().version == first
    workflow.refresh_from_db()
    assert workflow.current_version == first


def test_a_rollback_wants_a_version_that_was_released(workflow: Workflow, ana: User) -> None:
    releases.release(prove(workflow), by=ana, note="")
    with pytest.raises(Invalid):
        releases.rollback(workflow, version=7, by=ana, note="")
    with pytest.raises(Conflict):
        releases.rollback(workflow, version=1, by=ana, note="")


def test_a_rollback_may_cancel_the_runs_of_the_bad_version(workflow: Workflow, ana: User) -> None:
    releases.release(prove(workflow), by=ana, note="")
    save(orders(timeout="5m"), by=None)
    releases.release(prove(workflow), by=ana, note="")
    payload = orders()["scenarios"][0]["payload"]
    started = dispatch.publish(route="event:order.paid", type="order.paid", payload=payload).runs[0]
    releases.rollback(workflow, version=1, by=ana, note="it broke", runs="cancel")
    assert Run.objects.get(pk=started).cancelled_at is not None


def test_stopping_is_not_guarded_and_starting_is(workflow: Workflow, ana: User, ben: User, carl: User) -> None:
    releases.release(prove(workflow), by=ana, note="")
    permissions.grant(workflow, ben, "operator")
    permissions.grant(workflow, carl, "builder")
    with pytest.raises(PermissionDenied):
        releases.set_mode(workflow, "draft", by=carl)
    stopped = releases.set_mode(workflow, "draft", by=ben, note="it broke")
    assert stopped.mode == "draft"
    assert not Listener.objects.exists()
    assert workflow.history.first().history_change_reason == "it broke"
    with pytest.raises(Invalid):
        releases.set_mode(workflow, "execute", by=ana)
    assert releases.set_mode(workflow, "simulate", by=carl).mode == "simulate"
    assert Listener.objects.get().execute is False


def test_in_simulate_triggers_run_the_draft(workflow: Workflow, ana: User) -> None:
    releases.release(prove(workflow), by=ana, note="")
    save(orders(timeout="5m"), by=None)
    releases.set_mode(workflow, "simulate", by=ana)
    assert Listener.objects.get().version.number is None
    assert Listener.objects.get().version.document["timeout"] == "5m"


@pytest.mark.parametrize("role", ["viewer", "builder", "operator", "approver"])
def test_only_releasers_and_owners_release(workflow: Workflow, ben: User, role: str) -> None:
    permissions.grant(workflow, ben, role)
    with pytest.raises(PermissionDenied):
        releases.release(prove(workflow), by=ben, note="")


@pytest.mark.django_db(transaction=True)
def test_two_releases_at_once_come_one_after_the_other(ana: User, svc: User) -> None:
    workflow = prove(save(orders(), by=None).workflow)
    failed: list[Any] = []

    def release() -> None:
        try:
            releases.release(workflow, by=ana, note="")
        except Exception as error:
            failed.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=release) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    numbers = list(workflow.versions.filter(number__isnull=False).order_by("number").values_list("number", flat=True))
    assert numbers == [1, 2, 3, 4]
    workflow.refresh_from_db()
    assert workflow.current_version.number == 4
    assert document_of(workflow)["mode"] == "execute"
