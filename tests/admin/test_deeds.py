"""The buttons: each calls one domain function and tells what came of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from knox.models import AuthToken

from automations import access, permissions
from automations.documents import document_of
from automations.models import Connection, Mode, Workflow
from runs.models import Batch, Event, Run, ScenarioResult
from tests.admin.conftest import World, make_run
from tests.builders import action
from tests.builders import workflow as built
from webhooks.models import Endpoint, Receipt

Browse = Callable[[User], Client]
Holding = Callable[[User, str], User]


def page(name: str, *arguments: Any) -> str:
    return reverse(f"admin:{name}", args=arguments)


def told(response: Any) -> str:
    return " ".join(str(message) for message in response.context["messages"])


# Test, scenarios, release ------------------------------------------------------------------------------------------


def test_a_test_shows_what_would_be_performed_and_touches_nothing(
    browse: Browse, ana: User, workflow: Workflow, mailoutbox: list[Any]
) -> None:
    address = page("automations_workflow_test", workflow.pk)
    payload = '{"type": "order.paid", "id": "e1", "order": {"id": 7, "total": 250}}'
    answer = browse(ana).post(address, {"payload": payload, "version": "draft"})
    text = answer.content.decode()
    assert answer.status_code == 200
    for words in ("It would act", "Would be performed", "announce", "ops@example.com", "External calls"):
        assert words in text
    assert not mailoutbox
    assert Run.objects.get().mode == "simulate"


def test_a_test_that_does_not_match_says_why(browse: Browse, ana: User, workflow: Workflow) -> None:
    address = page("automations_workflow_test", workflow.pk)
    answer = browse(ana).post(address, {"payload": "type: order.sent\nid: e1\norder: {id: 7, total: 9}"})
    assert "It would not act" in answer.content.decode()
    assert "order.sent" in answer.content.decode()


def test_an_undecidable_step_is_blocked_with_its_path(browse: Browse, ana: User, workflow: Workflow) -> None:
    address = page("automations_workflow_test", workflow.pk)
    answer = browse(ana).post(address, {"payload": "type: order.paid\nid: e1\norder: {id: 7}"})
    assert "Blocked" in answer.content.decode()
    assert "event.order.total" in answer.content.decode()


@pytest.mark.parametrize("payload", ["", "{", "type: order.paid", "[" * 300])
def test_a_payload_that_cannot_be_used_is_told_kindly(
    browse: Browse, ana: User, workflow: Workflow, payload: str
) -> None:
    answer = browse(ana).post(page("automations_workflow_test", workflow.pk), {"payload": payload})
    assert answer.status_code in (200, 400)
    assert "Would be performed" not in answer.content.decode()


def test_a_recent_event_fills_the_test_for_those_who_may_see_it(
    browse: Browse, ana: User, ben: User, holding: Holding, world: World
) -> None:
    address = page("automations_workflow_test", world.workflow.pk)
    assert "total: 250" in browse(ana).get(address, {"event": world.event.pk}).context["form"]["payload"].value()
    client = browse(holding(ben, "builder"))
    assert f"?event={world.event.pk}" not in client.get(address, {"event": world.event.pk}).content.decode()


def test_scenarios_run_and_open_the_gate_for_a_release(browse: Browse, ana: User, workflow: Workflow) -> None:
    client = browse(ana)
    closed = client.post(page("automations_workflow_release", workflow.pk), {"note": "First"}, follow=True)
    assert "missing" in told(closed)
    ran = client.post(page("automations_workflow_run_scenarios", workflow.pk), follow=True)
    assert "2 of 2 passed" in told(ran)
    assert ScenarioResult.objects.filter(passed=True).count() == 2
    released = client.post(page("automations_workflow_release", workflow.pk), {"note": "First"}, follow=True)
    assert "Version 1 is current now" in told(released)
    workflow.refresh_from_db()
    assert workflow.mode == Mode.EXECUTE


def test_a_failed_scenario_shows_its_differences(browse: Browse, ana: User, workflow: Workflow) -> None:
    workflow.scenarios.filter(position=0).update(expect={"matched": True, "candidates": ["message"]})
    client = browse(ana)
    client.post(page("automations_workflow_run_scenarios", workflow.pk))
    text = client.get(page("automations_workflow_scenarios", workflow.pk)).content.decode()
    assert "Failed" in text
    assert "announce" in text


def test_a_rollback_wants_a_reason_and_returns_to_the_older_version(
    browse: Browse, ana: User, workflow: Workflow
) -> None:
    client = browse(ana)
    for note in ("First", "Second"):
        workflow.actions.filter(key="message").update(timeout=f"{len(note)}s")
        client.post(page("automations_workflow_run_scenarios", workflow.pk))
        client.post(page("automations_workflow_release", workflow.pk), {"note": note})
    address = page("automations_workflow_rollback", workflow.pk)
    assert "Say why" in told(client.post(address, {"version": "1", "note": ""}, follow=True))
    assert "Back on version 1" in told(client.post(address, {"version": "1", "note": "It was wrong"}, follow=True))
    workflow.refresh_from_db()
    assert workflow.current_version.number == 1


def test_the_mode_is_changed_and_execute_is_not_offered(browse: Browse, ana: User, workflow: Workflow) -> None:
    client, address = browse(ana), page("automations_workflow_mode", workflow.pk)
    client.post(address, {"mode": "simulate", "note": "try"})
    assert Workflow.objects.get().mode == "simulate"
    assert "reached by a release" in told(client.post(address, {"mode": "execute"}, follow=True))
    assert client.get(address).status_code == 405


# Copies, text, access ----------------------------------------------------------------------------------------------


def test_export_and_import_give_the_same_definition(browse: Browse, ana: User, workflow: Workflow) -> None:
    client, before = browse(ana), document_of(workflow)
    text = client.get(page("automations_workflow_export", workflow.pk)).content.decode()
    answer = client.post(page("automations_workflow_import"), {"text": text}, follow=True)
    assert "Replaced the draft" in told(answer)
    assert document_of(Workflow.objects.get()) == before


def test_an_import_tells_the_line_of_what_is_wrong(browse: Browse, ana: User, workflow: Workflow) -> None:
    text = "workflow: fresh\nactions:\n- {key: a, kind: teleport}\n"
    answer = browse(ana).post(page("automations_workflow_import"), {"text": text}).content.decode()
    assert "line 3" in answer
    assert "teleport" in answer
    assert not Workflow.objects.filter(slug="fresh").exists()


@pytest.mark.parametrize("text", ["", "a: [", "just text", "[" * 5000, "\x00"])
def test_text_that_is_no_definition_is_refused(browse: Browse, ana: User, workflow: Workflow, text: str) -> None:
    assert browse(ana).post(page("automations_workflow_import"), {"text": text}).status_code == 200
    assert Workflow.objects.count() == 1


def test_a_duplicate_is_a_draft_of_ones_own(browse: Browse, ben: User, holding: Holding, workflow: Workflow) -> None:
    client = browse(holding(ben, "builder"))
    client.post(page("automations_workflow_duplicate", workflow.pk), {"slug": "mine", "name": "Mine"})
    made = Workflow.objects.get(slug="mine")
    assert (made.owner, made.mode, made.name) == (ben, "draft", "Mine")


def test_a_step_is_renamed_wherever_it_is_read(browse: Browse, ana: User, workflow: Workflow) -> None:
    browse(ana).post(page("automations_workflow_rename", workflow.pk), {"old": "message", "new": "words"})
    announce = Workflow.objects.get().actions.get(key="announce")
    assert announce.needs == ["words"]
    assert "steps.words.output" in announce.config["text"]


def test_roles_are_given_and_taken_back(browse: Browse, ana: User, ben: User, workflow: Workflow) -> None:
    client, address = browse(ana), page("automations_workflow_access", workflow.pk)
    client.post(address, {"do": "add", "user": ben.pk, "group": "", "role": "operator"})
    assert permissions.roles(ben, workflow) == {"operator"}
    client.post(address, {"do": "remove", "holder": "user:ben", "role": "operator"})
    assert permissions.roles(ben, workflow) == frozenset()


def test_a_workflow_in_execute_is_not_deleted_by_a_click(browse: Browse, ana: User, workflow: Workflow) -> None:
    Workflow.objects.update(mode="execute")
    address = page("automations_workflow_delete", workflow.pk)
    assert "being executed" in told(browse(ana).post(address, {"post": "yes"}, follow=True))
    Workflow.objects.update(mode="draft")
    assert browse(ana).post(address, {"post": "yes"}).status_code == 302
    assert not Workflow.objects.exists()


# Runs and dead letters ----------------------------------------------------------------------------------------------


def test_a_dead_letter_is_replayed(browse: Browse, ana: User, world: World) -> None:
    answer = browse(ana).post(page("automations_runs_deadletter_replay", world.letter.pk))
    assert answer["Location"] == page("automations_runs_run_change", world.run.pk)
    world.letter.refresh_from_db()
    world.run.refresh_from_db()
    assert (world.letter.state, world.run.status) == ("replaying", "queued")


def test_a_dead_letter_is_replayed_once(browse: Browse, ana: User, world: World) -> None:
    client, address = browse(ana), page("automations_runs_deadletter_replay", world.letter.pk)
    client.post(address)
    again = client.post(address, follow=True)
    assert again.status_code == 200
    assert "under way" not in told(again)


def test_a_dead_letter_is_assigned_and_discarded_with_a_note(
    browse: Browse, ana: User, ben: User, world: World
) -> None:
    client = browse(ana)
    case = {"owner": ben.pk, "cause": "receiver", "fixed_in": "OPS-7", "note": "Asked the desk"}
    client.post(page("automations_runs_deadletter_assign", world.letter.pk), case)
    world.letter.refresh_from_db()
    assert (world.letter.owner, world.letter.cause, world.letter.fixed_in) == (ben, "receiver", "OPS-7")
    client.post(page("automations_runs_deadletter_discard", world.letter.pk), {"note": "Done by hand"})
    world.letter.refresh_from_db()
    assert (world.letter.state, world.letter.note) == ("discarded", "Done by hand")


def test_chosen_dead_letters_become_a_batch(browse: Browse, ana: User, world: World) -> None:
    client, listed = browse(ana), page("automations_runs_deadletter_changelist")
    asked = client.post(listed, {"action": "replay_selected", "_selected_action": [world.letter.pk]})
    assert "Replay 1 dead letter" in asked.content.decode()
    given = {"ids": [world.letter.pk], "rate": "5", "stop_after": "2", "reason": "It is back"}
    answer = client.post(page("automations_runs_deadletter_replay_many"), given)
    batch = Batch.objects.get()
    assert answer["Location"] == page("automations_runs_batch_change", batch.pk)
    assert (batch.rate, batch.stop_after, batch.by) == (5.0, 2, ana)
    client.post(page("automations_runs_batch_stop", batch.pk))
    batch.refresh_from_db()
    assert batch.state == "stopped"
    client.post(page("automations_runs_batch_resume", batch.pk))
    batch.refresh_from_db()
    assert batch.state == "running"


def test_chosen_dead_letters_are_discarded_together(browse: Browse, ana: User, world: World) -> None:
    client, listed = browse(ana), page("automations_runs_deadletter_changelist")
    asked = client.post(listed, {"action": "discard_selected", "_selected_action": [world.letter.pk]})
    assert "Discard 1 dead letter" in asked.content.decode()
    client.post(page("automations_runs_deadletter_discard_many"), {"ids": [world.letter.pk], "note": "Old"})
    world.letter.refresh_from_db()
    assert (world.letter.state, world.letter.note) == ("discarded", "Old")


@pytest.mark.parametrize("given", [{"rate": "fast"}, {"stop_after": "-1"}, {"rate": "0"}])
def test_a_batch_with_bad_numbers_is_refused(browse: Browse, ana: User, world: World, given: dict[str, str]) -> None:
    address = page("automations_runs_deadletter_replay_many")
    answer = browse(ana).post(address, {"ids": [world.letter.pk], **given}, follow=True)
    assert answer.status_code == 200
    assert not Batch.objects.exists()


def test_a_run_is_cancelled_with_a_reason(browse: Browse, ana: User, workflow: Workflow) -> None:
    run = make_run(workflow, status="running")
    browse(ana).post(page("automations_runs_run_cancel", run.pk), {"reason": "Wrong order"})
    run.refresh_from_db()
    assert run.cancel_reason == "Wrong order"


def test_a_run_is_replayed_as_a_simulation(browse: Browse, ana: User, world: World) -> None:
    given = {"start": "start", "version": "same", "simulate": "1", "reason": "look again"}
    answer = browse(ana).post(page("automations_runs_run_replay", world.run.pk), given)
    made = Run.objects.exclude(pk=world.run.pk).get()
    assert (made.mode, made.replay_of_id) == ("simulate", world.run.pk)
    assert answer["Location"] == page("automations_runs_run_change", made.pk)
    assert Event.objects.filter(simulated=False).count() == 1


# What is shown once --------------------------------------------------------------------------------------------------


def test_a_tokens_key_is_shown_once(browse: Browse, ana: User, workflow: Workflow) -> None:
    client = browse(ana)
    text = client.post(page("knox_authtoken_add"), {"days": "30"}).content.decode()
    token = AuthToken.objects.get()
    assert token.token_key in text
    assert token.expiry is not None
    shown = client.get(page("knox_authtoken_change", token.pk)).content.decode()
    assert text.count(token.token_key) >= 1
    assert 'class="au-secret"' not in shown


def test_an_endpoints_secret_is_shown_once_and_after_a_rotation(browse: Browse, root: User) -> None:
    client = browse(root)
    given = {"slug": "shop", "name": "Shop", "scheme": "standard", "enabled": "on", "secret": "", "options": ""}
    made = client.post(page("automations_webhooks_endpoint_add"), given).content.decode()
    endpoint = Endpoint.objects.get()
    assert endpoint.secret in made
    shown = client.get(page("automations_webhooks_endpoint_change", endpoint.pk)).content.decode()
    assert endpoint.secret not in shown
    assert "How to send a test" in shown
    rotated = client.post(page("automations_webhooks_endpoint_rotate", endpoint.pk)).content.decode()
    former, endpoint = endpoint.secret, Endpoint.objects.get()
    assert endpoint.secret in rotated
    assert endpoint.previous_secret == former
    client.post(page("automations_webhooks_endpoint_change", endpoint.pk), {**given, "name": "Web shop"})
    assert Endpoint.objects.get().secret == endpoint.secret


def test_what_an_endpoint_refuses_stands_at_its_field(browse: Browse, root: User) -> None:
    given = {"slug": "shop", "scheme": "github", "enabled": "on", "options": "colour: red"}
    answer = browse(root).post(page("automations_webhooks_endpoint_add"), given)
    assert "no such option" in " ".join(answer.context["form"].errors["options"])
    assert not Endpoint.objects.exists()


def test_a_connections_credential_goes_in_and_stays(browse: Browse, root: User) -> None:
    client = browse(root)
    given = {"slug": "crm", "base_urls": "https://crm.example.com/api", "auth_type": "bearer", "auth_token": "s3cr3t"}
    client.post(page("automations_connection_add"), given)
    crm = Connection.objects.get()
    assert crm.auth == {"type": "bearer", "token": "s3cr3t"}
    change = page("automations_connection_change", crm.pk)
    kept = {"base_urls": "https://crm.example.com/v2", "auth_type": "keep", "rate": "5"}
    client.post(change, kept)
    crm = Connection.objects.get()
    assert (crm.auth["token"], crm.base_urls, crm.rate) == ("s3cr3t", ["https://crm.example.com/v2"], 5.0)
    bad = client.post(change, {**kept, "auth_type": "basic", "auth_username": "me"})
    assert "missing" in " ".join(bad.context["form"].errors["auth_password"])
    assert "s3cr3t" not in client.get(change).content.decode()


def test_a_workflow_with_an_armed_manual_trigger_is_started_by_hand(browse: Browse, ana: User, svc: User) -> None:
    made = built(action("message"), slug="by-hand")
    client = browse(ana)
    assert "Start it" in client.get(page("automations_workflow_overview", made.pk)).content.decode()
    answer = client.post(page("automations_workflow_start", made.pk), {"payload": "order: 7"})
    run = Run.objects.get()
    assert answer["Location"] == page("automations_runs_run_change", run.pk)
    assert (run.event.payload, run.started_by) == ({"order": 7}, ana)


def test_a_step_of_unknown_outcome_is_answered_by_a_person(browse: Browse, ana: User, world: World) -> None:
    world.run.steps.filter(action="announce").update(status="unknown")
    Run.objects.filter(pk=world.run.pk).update(status="waiting", finished_at=None)
    client = browse(ana)
    assert "Did it happen?" in client.get(page("automations_runs_deadletter_change", world.letter.pk)).content.decode()
    given = {"outcome": "happened", "output": "to: [ops@example.com]", "note": "The desk has it"}
    client.post(page("automations_runs_deadletter_resolve", world.letter.pk), given)
    world.letter.refresh_from_db()
    assert (world.letter.state, world.letter.note) == ("resolved", "The desk has it")


def test_a_genuine_delivery_is_taken_in_again_and_a_forged_one_is_not(browse: Browse, root: User) -> None:
    shop = Endpoint.objects.create(slug="shop", scheme="none")
    genuine = Receipt.objects.create(endpoint=shop, slug="shop", verdict="accepted", body=b'{"id": 1}', size=9)
    forged = Receipt.objects.create(endpoint=shop, slug="shop", verdict="bad_signature", body=b'{"id": 2}', size=9)
    client = browse(root)
    client.post(page("automations_webhooks_receipt_replay", genuine.pk))
    assert Event.objects.get().payload == {"id": 1}
    shown = client.get(page("automations_webhooks_receipt_change", forged.pk)).content.decode()
    assert "Take in again" not in shown
    client.post(page("automations_webhooks_receipt_replay", forged.pk))
    assert Event.objects.count() == 1


@pytest.mark.parametrize("noun", ["connection", "endpoint", "account"])
def test_who_may_name_a_thing_in_a_workflow_is_decided_on_its_page(
    browse: Browse, root: User, ben: User, svc: User, noun: str
) -> None:
    things: dict[str, Any] = {
        "connection": lambda: Connection.objects.create(slug="crm", base_urls=["https://crm.example.com"]),
        "endpoint": lambda: Endpoint.objects.create(slug="shop", scheme="none"),
        "account": lambda: svc,
    }
    thing = things[noun]()
    name = f"{thing._meta.app_label}_{thing._meta.model_name}"
    client, use = browse(root), page(f"{name}_use", thing.pk)
    client.post(use, {"user": ben.pk, "group": ""})
    assert access.users_of(thing) == [{"user": "ben"}]
    assert "user:ben" in client.get(page(f"{name}_change", thing.pk)).content.decode()
    browse(ben)
    client.post(use, {"stop": "user:ben"})
    assert access.users_of(thing) == [{"user": "ben"}]
    browse(root)
    client.post(use, {"stop": "user:ben"})
    client.post(use, {"stop": "group:nobody"})
    client.post(use, {})
    assert access.users_of(thing) == []


def test_only_superusers_let_workflows_act_as_a_superuser(browse: Browse, root: User, ben: User, ana: User) -> None:
    ben.user_permissions.set(Permission.objects.filter(codename__in=("change_user", "view_user")))
    ben.is_staff = True
    ben.save()
    client = browse(ben)
    assert client.post(page("auth_user_use", root.pk), {"user": ben.pk}).status_code == 403
    client.post(page("auth_user_use", ana.pk), {"user": ben.pk})
    assert access.users_of(ana) == [{"user": "ben"}]
