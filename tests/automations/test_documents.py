"""Rows ↔ definition document."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import pytest
from django.contrib.auth.models import Group, User
from django.core.exceptions import PermissionDenied
from guardian.shortcuts import assign_perm
from hypothesis import HealthCheck, given, settings

from automations import permissions
from automations.documents import document_of, duplicate, read_text, rename_step, save, snapshot, write_text
from automations.documents.rename import renamed
from automations.documents.schema import definition_schema
from automations.engine.errors import DefinitionError
from automations.models import Action, Condition, Connection, Epoch, Listener, Version, Workflow
from automations.plans import plan_of, plan_of_draft
from automations.refusals import Invalid, Stale
from tests.automations.definitions import documents as any_document
from tests.automations.definitions import orders

pytestmark = pytest.mark.django_db


def refused(document: Any, **options: Any) -> dict[str, str]:
    """What a refused save says: path → message."""
    with pytest.raises(DefinitionError) as caught:
        save(document, by=None, **options)
    return {problem.path: problem.message for problem in caught.value.problems}


@given(any_document())
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_exporting_an_imported_document_gives_it_back_unchanged(document: dict[str, Any]) -> None:
    exported = document_of(save(document, by=None).workflow)
    assert exported == document
    for part in ("triggers", "actions", "scenarios", "conditions"):
        assert list(exported.get(part) or ()) == list(document.get(part) or ())
    text = write_text(exported)
    assert read_text(text)[0] == document
    again = save(read_text(text)[0], by=None)
    assert document_of(again.workflow) == document
    assert not again.created
    again.workflow.delete()


def test_the_order_of_conditions_and_of_keys_in_a_config_survives() -> None:
    config = {"values": {"z": 1, "a": {"y": 1, "b": 2}}}
    actions = [{"key": "message", "kind": "transform", "config": config}]
    document = orders(conditions={"z": {"always": True}, "a": {"always": False}}, actions=actions, scenarios=None)
    exported = document_of(save(document, by=None).workflow)
    assert list(exported["conditions"]) == ["z", "a"]
    assert list(exported["actions"][0]["config"]["values"]) == ["z", "a"]
    assert list(exported["actions"][0]["config"]["values"]["a"]) == ["y", "b"]


def test_true_and_one_are_told_apart_when_a_row_is_updated() -> None:
    workflow = save(orders(), by=None).workflow
    document = orders()
    document["actions"][0]["config"]["values"] = {"flag": 1}
    save(document, by=None)
    document["actions"][0]["config"]["values"] = {"flag": True}
    save(document, by=None)
    assert document_of(workflow)["actions"][0]["config"]["values"]["flag"] is True


def test_all_that_is_wrong_is_said_at_once_with_path_line_and_fix() -> None:
    text = """workflow: order-routing
triggers:
  - key: paid
    kind: evnt
actions:
  - key: a
    kind: transform
    needs: [b]
    config: {values: {x: "{{ event.total > }}"}}
  - key: b
    kind: transform
    needs: [a]
    when: {field: event.total, operator: bigger, value: 1}
    config: {values: {}}
"""
    document, lines = read_text(text)
    with pytest.raises(DefinitionError) as caught:
        save(document, by=None, lines=lines)
    found = {problem.path: problem for problem in caught.value.problems}
    assert {"triggers[0].kind", "actions[0].needs", "actions[0].config.values.x", "actions[1].when.operator"} <= set(
        found
    )
    assert found["triggers[0].kind"].line == 4
    assert "event" in found["triggers[0].kind"].fix
    assert not Workflow.objects.exists()


def test_an_import_is_strict_unless_an_unfinished_one_is_allowed() -> None:
    document = orders(triggers=[{"key": "hook", "kind": "webhook", "config": {}}], scenarios=None)
    assert "triggers[0].config.endpoint" in refused(document)
    saved = save(document, by=None, incomplete=True)
    assert [problem.path for problem in saved.findings] == ["triggers[0].config.endpoint"]


def test_a_missing_endpoint_and_a_missing_connection_are_findings() -> None:
    document = orders(triggers=[{"key": "hook", "kind": "webhook", "config": {"endpoint": "shop"}}], scenarios=None)
    document["actions"][1] |= {"kind": "http.request", "config": {"connection": "crm", "method": "POST"}}
    assert set(refused(document)) == {"triggers[0].config.endpoint", "actions[1].config.connection"}
    assert len(save(document, by=None, incomplete=True).findings) == 2


def test_a_computed_connection_is_refused_because_nobodys_right_could_be_checked() -> None:
    document = orders()
    document["actions"][1] |= {"kind": "http.request", "config": {"connection": "{{ event.name }}", "method": "POST"}}
    assert "actions[1].config.connection" in refused(document, incomplete=True)


def test_what_does_not_fit_its_column_is_refused_with_its_path() -> None:
    document = orders(name="x" * 201)
    document["actions"][0]["owner"] = "y" * 151
    assert set(refused(document)) == {"name", "actions[0].owner"}


@pytest.mark.parametrize("slug", ["", "Order", "a b", "a_b", "x" * 101, 5, None, "a\x00b"])
def test_a_bad_slug_is_refused(slug: Any) -> None:
    assert "workflow" in refused(orders() | {"workflow": slug})


@pytest.mark.parametrize("document", [None, [], "text", 5, {"workflow": "a", "actions": 5}, {"workflow": "a", "x": 1}])
def test_what_is_no_definition_is_refused(document: Any) -> None:
    assert refused(document, incomplete=True)


def test_a_refused_save_changes_nothing() -> None:
    workflow = save(orders(), by=None).workflow
    before, epoch = document_of(workflow), Epoch.current()
    changed = orders(name="Another")
    changed["actions"][1]["needs"] = ["nobody"]
    refused(changed)
    assert document_of(Workflow.objects.get()) == before
    assert Epoch.current() == epoch


def test_rows_are_updated_in_place_and_their_history_goes_on(root: User) -> None:
    workflow = save(orders(), by=root).workflow
    row = workflow.actions.get(key="announce")
    changed = orders()
    changed["actions"][1]["config"]["subject"] = "A very large order"
    save(changed, by=root, reason="a better subject")
    assert workflow.actions.get(key="announce").pk == row.pk
    newest, first = row.history.all()
    assert (newest.history_user, newest.history_change_reason) == (root, "a better subject")
    assert first.history_type == "+"
    assert workflow.actions.get(key="message").history.count() == 1


def test_an_action_that_is_left_out_is_removed_and_its_history_stays() -> None:
    workflow = save(orders(), by=None).workflow
    changed = orders(scenarios=None)
    del changed["actions"][1]
    save(changed, by=None)
    assert [row.key for row in workflow.actions.all()] == ["message"]
    assert Action.history.filter(key="announce", history_type="-").exists()


def test_a_save_raises_revision_and_epoch() -> None:
    workflow = save(orders(), by=None).workflow
    epoch = Epoch.current()
    assert save(orders(), by=None).workflow.revision == workflow.revision + 1
    assert Epoch.current() > epoch


def test_a_save_on_a_revision_that_has_moved_on_is_stale() -> None:
    workflow = save(orders(), by=None).workflow
    save(orders(), by=None, revision=workflow.revision)
    with pytest.raises(Stale):
        save(orders(), by=None, revision=workflow.revision)


def test_mode_is_read_only_when_the_workflow_is_created() -> None:
    workflow = save(orders(mode="simulate"), by=None).workflow
    assert workflow.mode == "simulate"
    assert save(orders(mode="draft"), by=None).workflow.mode == "simulate"


def test_a_document_in_execute_mode_is_created_as_a_draft_and_says_so() -> None:
    saved = save(orders(mode="execute"), by=None)
    assert saved.workflow.mode == "draft"
    assert "mode" in {missed["path"] for missed in saved.not_applied}


# People and rights -----------------------------------------------------------------------------------------------


@pytest.fixture
def member(ben: User) -> User:
    """Somebody who may create workflows because he holds a role somewhere."""
    other = save({"workflow": "other"}, by=None, incomplete=True).workflow
    permissions.grant(other, ben, "builder")
    return ben


def test_whoever_creates_a_workflow_owns_it(member: User) -> None:
    assert save(orders(owner=None, run_as=None), by=member).workflow.owner == member


def test_a_stranger_may_not_create_workflows(carl: User) -> None:
    with pytest.raises(PermissionDenied):
        save(orders(), by=carl)


def test_an_owner_is_applied_where_the_importer_may_grant(member: User, ana: User) -> None:
    saved = save(orders(), by=member)
    assert saved.workflow.owner == ana
    assert {missed["path"] for missed in saved.not_applied} == {"run_as"}


def test_the_system_applies_everything_and_names_who_is_unknown(svc: User) -> None:
    saved = save(orders(team="nobody"), by=None)
    assert saved.workflow.owner is None
    assert saved.workflow.run_as == svc
    assert {missed["path"] for missed in saved.not_applied} == {"owner", "team"}


def test_a_builder_may_edit_but_not_give_the_workflow_away(member: User, ana: User, carl: User, svc: User) -> None:
    workflow = save(orders(), by=None).workflow
    permissions.grant(workflow, member, "builder")
    saved = save(orders(owner="carl", name="Renamed"), by=member)
    assert (saved.workflow.name, saved.workflow.owner) == ("Renamed", ana)
    assert {missed["path"] for missed in saved.not_applied} == {"owner"}


def test_a_document_without_an_owner_leaves_the_owner_as_it_is(ana: User) -> None:
    save(orders(), by=None)
    assert save(orders(owner=None), by=None).workflow.owner == ana


def test_running_as_somebody_needs_the_role_on_that_account(member: User, svc: User) -> None:
    assert save(orders(owner=None), by=member).workflow.run_as is None
    assert save(orders(owner=None, run_as="ben"), by=member).workflow.run_as == member
    assign_perm("auth.run_as_user", member, svc)
    assert save(orders(owner=None), by=User.objects.get(pk=member.pk)).workflow.run_as == svc


def test_a_team_is_set_by_its_name(ana: User) -> None:
    logistics = Group.objects.create(name="logistics")
    workflow = save(orders(team="logistics"), by=None).workflow
    assert workflow.team == logistics
    assert document_of(workflow)["team"] == "logistics"


def test_a_connection_one_may_not_use_is_left_out_and_named(member: User) -> None:
    connection = Connection.objects.create(slug="crm", base_urls=["https://crm.example.com"])
    document = orders(owner=None, run_as=None)
    document["actions"][1] |= {"kind": "http.request", "config": {"connection": "crm", "method": "POST", "path": "/n"}}
    saved = save(document, by=member)
    assert [missed["path"] for missed in saved.not_applied] == ["actions[1].config.connection"]
    assert [problem.path for problem in saved.findings] == ["actions[1].config.connection"]
    assert "connection" not in document_of(saved.workflow)["actions"][1]["config"]
    assign_perm("automations.user", member, connection)
    assert not save(document, by=User.objects.get(pk=member.pk)).not_applied


def test_a_connection_the_step_names_already_stays_when_somebody_else_edits(member: User, ana: User, svc: User) -> None:
    Connection.objects.create(slug="crm", base_urls=["https://crm.example.com"])
    document = orders()
    document["actions"][1] |= {"kind": "http.request", "config": {"connection": "crm", "method": "POST", "path": "/n"}}
    workflow = save(document, by=None).workflow
    permissions.grant(workflow, member, "builder")
    document["actions"].insert(0, {"key": "first", "kind": "transform", "config": {"values": {}}})
    assert not save(document, by=member).not_applied
    document["actions"][0] |= {"kind": "http.request", "config": {"connection": "crm", "method": "GET"}}
    assert [missed["path"] for missed in save(document, by=member).not_applied] == ["actions[0].config.connection"]


def test_the_slug_of_a_workflow_one_may_not_see_is_taken_and_no_more(member: User) -> None:
    save(orders(), by=None)
    with pytest.raises(DefinitionError) as caught:
        save(orders(), by=member)
    assert [problem.message for problem in caught.value.problems] == ["This slug is taken."]


def test_a_viewer_may_not_save(ben: User) -> None:
    workflow = save(orders(), by=None).workflow
    permissions.grant(workflow, ben, "viewer")
    with pytest.raises(PermissionDenied):
        save(orders(), by=ben)


# Shared conditions, snapshots, listeners -------------------------------------------------------------------------


@pytest.fixture
def suspicious(db: None) -> Condition:
    tree = {"field": "event.order.total", "operator": "gt", "value": 5000}
    return Condition.objects.create(team=Group.objects.create(name="risk"), name="suspicious-order", tree=tree)


def test_a_version_keeps_the_text_of_a_shared_condition(suspicious: Condition) -> None:
    workflow = save(orders(conditions={"large": {"use": "risk/suspicious-order"}}), by=None).workflow
    first = snapshot(workflow)
    assert first.document["conditions"]["large"] == suspicious.tree
    suspicious.tree = {"always": True}
    suspicious.save()
    second = snapshot(workflow)
    assert second.checksum != first.checksum
    order = {"event": {"order": {"total": 10}}}
    assert not plan_of(first).conditions["large"].evaluate(order).matched
    assert plan_of(second).conditions["large"].evaluate(order).matched
    assert document_of(workflow)["conditions"] == {"large": {"use": "risk/suspicious-order"}}


def test_an_unknown_shared_condition_is_refused() -> None:
    assert "conditions.large.use" in refused(orders(conditions={"large": {"use": "risk/nothing"}}))


def test_there_is_one_snapshot_per_behaviour() -> None:
    workflow = save(orders(), by=None).workflow
    first = snapshot(workflow)
    save(orders(description="Stewardship does not count."), by=None)
    assert snapshot(Workflow.objects.get()) == first
    changed = orders(timeout="5m")
    save(changed, by=None)
    assert snapshot(Workflow.objects.get()) != first
    assert Version.objects.filter(number=None).count() == 2


def test_a_simulating_workflow_listens_with_its_draft_and_follows_every_save() -> None:
    workflow = save(orders(mode="simulate"), by=None).workflow
    assert list(Listener.objects.values_list("route", "execute")) == [("event:order.paid", False)]
    changed = orders()
    changed["triggers"][0]["config"]["types"] = ["order.paid", "order.changed"]
    save(changed, by=None)
    listening = Listener.objects.order_by("route")
    assert [row.route for row in listening] == ["event:order.changed", "event:order.paid"]
    assert {row.version.checksum for row in listening} == {plan_of_draft(workflow).checksum}


def test_a_draft_listens_to_nothing() -> None:
    save(orders(), by=None)
    assert not Listener.objects.exists()


# Renaming, duplicating -------------------------------------------------------------------------------------------


def test_renaming_a_step_follows_every_reference_and_keeps_its_history() -> None:
    document = orders(
        sensitive=["steps.message.output.text"],
        conditions={
            "large": {"all": [{"field": "event.order.total", "operator": "gt", "value": 100}]},
            "done": {"field": "steps.message.output.text", "operator": "exists"},
        },
    )
    config = document["actions"][1]["config"]
    config["subject"] = (
        'steps.message {{ steps.message.output.text + "steps.message" + string(steps["message"].status) }}'
    )
    config["text"] = "{{ steps.?message.output.?text.orValue('') }} {{ steps.message2 }}"
    config["text"] = "{{ has(steps.message.output.text) ? steps.message.output.text : '' }}"
    document["actions"][1]["when"] = {"expression": 'steps.message.status == "succeeded"'}
    document["scenarios"][0]["outputs"] = {"message": {"text": "x"}}
    document["scenarios"][0]["expect"]["outputs"] = {"message": {"text": "x"}}
    workflow = save(document, by=None).workflow
    row = workflow.actions.get(key="message")
    renamed = document_of(rename_step(workflow, "message", "note", by=None).workflow)
    announce = renamed["actions"][1]
    assert renamed["actions"][0]["key"] == "note"
    assert announce["needs"] == ["note"]
    assert announce["when"] == {"expression": 'steps.note.status == "succeeded"'}
    assert announce["config"]["subject"] == (
        'steps.message {{ steps.note.output.text + "steps.message" + string(steps["note"].status) }}'
    )
    assert announce["config"]["text"] == "{{ has(steps.note.output.text) ? steps.note.output.text : '' }}"
    assert renamed["sensitive"] == ["steps.note.output.text"]
    assert renamed["conditions"]["done"]["field"] == "steps.note.output.text"
    assert renamed["scenarios"][0]["expect"]["candidates"] == ["note", "announce"]
    assert list(renamed["scenarios"][0]["outputs"]) == list(renamed["scenarios"][0]["expect"]["outputs"]) == ["note"]
    assert workflow.actions.get(key="note").pk == row.pk


def test_a_renamed_optional_selection_keeps_its_form() -> None:
    action = {"key": "b", "config": {"x": "{{ steps.?a.output.?text.orValue('a') }}", "y": "{{ event.steps.a }}"}}
    result = renamed({"actions": [{"key": "a"}, action]}, "a", "z")
    assert result["actions"][1]["config"] == {
        "x": "{{ steps.?z.output.?text.orValue('a') }}",
        "y": "{{ event.steps.a }}",
    }


@pytest.mark.parametrize(
    ("old", "new", "path"), [("x", "y", "from"), ("message", "announce", "to"), ("message", "A", "to")]
)
def test_a_step_is_not_renamed_to_what_is_taken_or_no_key(old: str, new: str, path: str) -> None:
    workflow = save(orders(), by=None).workflow
    with pytest.raises(Invalid) as caught:
        rename_step(workflow, old, new, by=None)
    assert caught.value.errors[0]["path"] == path


def test_a_duplicate_is_a_draft_of_its_own(ana: User, root: User) -> None:
    workflow = save(orders(mode="simulate"), by=None).workflow
    copy = duplicate(workflow, slug="order-routing-2", by=root).workflow
    assert (copy.mode, copy.owner) == ("draft", root)
    same = ("triggers", "conditions", "actions", "scenarios", "alerts")
    assert {key: document_of(copy)[key] for key in same} == {key: document_of(workflow)[key] for key in same}
    with pytest.raises(DefinitionError):
        duplicate(workflow, slug="order-routing-2", by=root)


@given(any_document())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_published_schema_accepts_whatever_may_be_saved(document: dict[str, Any]) -> None:
    validator = jsonschema_rs.Draft202012Validator(definition_schema())
    assert not [(error.instance_path, error.message) for error in validator.iter_errors(document)]


@given(any_document())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_renaming_there_and_back_changes_nothing(document: dict[str, Any]) -> None:
    key = document["actions"][0]["key"]
    there = renamed(document, key, "zzz_new_name")
    assert there["actions"][0]["key"] == "zzz_new_name"
    assert renamed(there, "zzz_new_name", key) == document
