"""Object permissions on every path of the admin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse
from knox.models import AuthToken

from automations import permissions
from automations.models import Connection, Workflow
from runs.models import DeadLetter, Run
from tests.admin.conftest import ERROR, World, make_run
from webhooks.models import Endpoint, Receipt

Browse = Callable[[User], Client]
Holding = Callable[[User, str], User]

WORKFLOW_PAGES = (
    *("overview", "change", "definition", "export", "releases", "access", "history", "delete"),
    *("test", "scenarios", "duplicate", "rename"),
)
WORKFLOW_DEEDS = ("release", "rollback", "mode", "run_scenarios")


def page(name: str, *arguments: Any) -> str:
    return reverse(f"admin:{name}", args=arguments)


@pytest.fixture
def stranger(carl: User, svc: User, ana: User) -> User:
    """May sign in, because of a role on another workflow, but must see nothing of this one."""
    other = Workflow.objects.create(slug="other", owner=ana)
    permissions.grant(other, carl, "owner")
    return carl


def test_whoever_holds_no_role_may_not_sign_in(client: Client, carl: User) -> None:
    answer = client.post(page("login"), {"username": "carl", "password": "correct horse"})
    assert answer.status_code == 200
    assert "holds no role yet" in answer.content.decode()


def test_a_role_is_enough_to_sign_in_and_leads_home(client: Client, ben: User, holding: Holding) -> None:
    holding(ben, "viewer")
    answer = client.post(page("login"), {"username": "ben", "password": "correct horse"})
    assert answer.status_code == 302
    assert answer["Location"] == page("index")


@pytest.mark.parametrize("name", WORKFLOW_PAGES)
def test_pages_of_a_foreign_workflow_do_not_exist(
    browse: Browse, stranger: User, workflow: Workflow, name: str
) -> None:
    answer = browse(stranger).get(page(f"automations_workflow_{name}", workflow.pk))
    assert answer.status_code == 404
    assert "Route large orders" not in answer.content.decode()


@pytest.mark.parametrize("name", WORKFLOW_DEEDS)
def test_deeds_on_a_foreign_workflow_do_not_exist(
    browse: Browse, stranger: User, workflow: Workflow, name: str
) -> None:
    assert browse(stranger).post(page(f"automations_workflow_{name}", workflow.pk)).status_code == 404


def test_a_version_in_a_foreign_history_does_not_exist(browse: Browse, stranger: User, workflow: Workflow) -> None:
    record = workflow.history.first()
    answer = browse(stranger).get(page("automations_workflow_simple_history", workflow.pk, record.pk))
    assert answer.status_code == 404


def test_the_history_of_a_deleted_workflow_is_shown_to_nobody_else(
    browse: Browse, stranger: User, workflow: Workflow
) -> None:
    pk = workflow.pk
    workflow.delete()
    assert browse(stranger).get(page("automations_workflow_history", pk)).status_code == 404


def test_a_former_state_cannot_be_posted_back(browse: Browse, ana: User, workflow: Workflow) -> None:
    record = workflow.history.first()
    address = page("automations_workflow_simple_history", workflow.pk, record.pk)
    assert browse(ana).get(address).status_code == 200
    assert browse(ana).post(address, {"name": "Taken back"}).status_code == 405
    workflow.refresh_from_db()
    assert workflow.name == "Route large orders"


def test_foreign_runs_events_and_dead_letters_do_not_exist(browse: Browse, stranger: User, world: World) -> None:
    client = browse(stranger)
    rows = (world.run, world.event, world.evaluation, world.letter)
    for row in rows:
        name = f"automations_runs_{row._meta.model_name}"
        assert client.get(page(f"{name}_change", row.pk)).status_code == 404
        listed = client.get(page(f"{name}_changelist")).content.decode()
        assert f"{name.replace('automations_runs_', '')}/{row.pk}/change/" not in listed
    for deed in ("run_cancel", "run_replay"):
        assert client.post(page(f"automations_runs_{deed}", world.run.pk)).status_code == 404
    for deed in ("deadletter_replay", "deadletter_discard", "deadletter_assign"):
        assert client.post(page(f"automations_runs_{deed}", world.letter.pk)).status_code == 404


def test_lists_and_filters_name_only_what_a_person_may_see(browse: Browse, stranger: User, world: World) -> None:
    client = browse(stranger)
    for name in ("automations_workflow", "automations_runs_run", "automations_runs_deadletter"):
        assert "Route large orders" not in client.get(page(f"{name}_changelist")).content.decode()
    assert "Route large orders" not in client.get(page("index")).content.decode()
    assert client.get(page("automations_runs_run_changelist"), {"workflow": world.workflow.slug}).status_code == 200


def test_a_viewer_reads_but_changes_nothing(browse: Browse, ben: User, holding: Holding, world: World) -> None:
    client = browse(holding(ben, "viewer"))
    pk = world.workflow.pk
    assert client.get(page("automations_workflow_overview", pk)).status_code == 200
    assert client.get(page("automations_workflow_change", pk)).status_code == 302
    assert client.post(page("automations_workflow_change", pk), {"name": "Mine"}).status_code == 403
    assert client.get(page("automations_workflow_delete", pk)).status_code == 403
    assert client.get(page("automations_workflow_test", pk)).status_code == 403
    assert client.post(page("automations_workflow_release", pk), {"note": "x"}).status_code == 403
    assert client.post(page("automations_workflow_mode", pk), {"mode": "simulate"}).status_code == 403
    assert client.post(page("automations_workflow_run_scenarios", pk)).status_code == 403
    grant = {"do": "add", "user": ben.pk, "role": "owner"}
    assert client.post(page("automations_workflow_access", pk), grant).status_code == 403
    assert client.post(page("automations_runs_run_replay", world.run.pk), {"start": "failed"}).status_code == 403
    assert client.post(page("automations_runs_deadletter_replay", world.letter.pk)).status_code == 403
    assert client.post(page("automations_runs_deadletter_discard", world.letter.pk)).status_code == 403
    world.letter.refresh_from_db()
    assert world.letter.state == "open"


def test_payloads_are_shown_to_operators_and_not_to_viewers(
    browse: Browse, ben: User, holding: Holding, world: World
) -> None:
    client = browse(holding(ben, "viewer"))
    pages = [page("automations_runs_run_change", world.run.pk), page("automations_runs_event_change", world.event.pk)]
    pages += [page("automations_runs_deadletter_change", world.letter.pk)]
    for address in pages:
        text = client.get(address).content.decode()
        assert "alert(1)" not in text
        assert ERROR["context"]["body"] not in text
    holding(ben, "operator")
    assert ERROR["context"]["body"] in client.get(pages[0]).content.decode()
    assert "alert(1)" in client.get(pages[1]).content.decode()


def test_a_builder_sees_the_payloads_of_simulated_runs_only(
    browse: Browse, ben: User, holding: Holding, workflow: Workflow
) -> None:
    client = browse(holding(ben, "builder"))
    simulated, live = make_run(workflow, 8, "succeeded", "simulate"), make_run(workflow, 9, "succeeded")
    shown = client.get(page("automations_runs_run_change", simulated.pk)).content.decode()
    hidden = client.get(page("automations_runs_run_change", live.pk)).content.decode()
    assert "Your role does not show" not in shown
    assert "Your role does not show" in hidden


def test_what_machines_write_is_never_added_changed_or_deleted(browse: Browse, root: User, world: World) -> None:
    client = browse(root)
    for row in (world.run, world.event, world.evaluation, world.letter):
        name = f"automations_runs_{row._meta.model_name}"
        assert client.get(page(f"{name}_add")).status_code == 403
        assert client.post(page(f"{name}_change", row.pk), {}).status_code == 405
        assert client.post(page(f"{name}_delete", row.pk), {"post": "yes"}).status_code == 403
    assert Run.objects.filter(pk=world.run.pk).exists()


def test_a_schedule_of_the_queue_cannot_be_made(browse: Browse, root: User) -> None:
    client = browse(root)
    assert client.get("/admin/django_q/schedule/add/").status_code == 404
    assert client.get("/admin/django_q/success/").status_code == 404
    listed = client.get(page("django_q_failure_changelist"))
    assert listed.status_code == 200
    assert "esubmit" not in listed.content.decode()
    assert client.get(page("django_q_failure_add")).status_code == 403


def test_the_queue_and_the_workers_are_hidden_from_those_without_the_right(
    browse: Browse, ben: User, holding: Holding
) -> None:
    client = browse(holding(ben, "owner"))
    for name in ("django_q_failure", "django_q_ormq", "automations_runs_worker", "auth_user", "auth_group"):
        assert client.get(page(f"{name}_changelist")).status_code == 403
    assert "Workers" not in client.get(page("index")).content.decode()


def test_one_sees_and_deletes_ones_own_tokens_only(browse: Browse, ana: User, workflow: Workflow, root: User) -> None:
    foreign, _ = AuthToken.objects.create(root)
    client = browse(ana)
    assert foreign.token_key not in client.get(page("knox_authtoken_changelist")).content.decode()
    assert client.get(page("knox_authtoken_change", foreign.pk)).status_code == 404
    assert client.post(page("knox_authtoken_delete", foreign.pk), {"post": "yes"}).status_code == 404
    client.post(page("knox_authtoken_add"), {"user": root.pk, "days": ""})
    assert AuthToken.objects.exclude(pk=foreign.pk).get().user == ana


def test_a_connection_is_seen_by_those_who_may_name_it_and_its_credential_by_nobody(
    browse: Browse, ben: User, holding: Holding, root: User
) -> None:
    crm = Connection.objects.create(
        slug="crm", base_urls=["https://crm.example.com"], auth={"type": "bearer", "token": "s3cr3t"}
    )
    client = browse(holding(ben, "builder"))
    assert client.get(page("automations_connection_change", crm.pk)).status_code == 404
    assert client.get(page("automations_connection_history", crm.pk)).status_code == 404
    permissions.assign_perm("automations.user", ben, crm)
    shown = client.get(page("automations_connection_change", crm.pk))
    assert shown.status_code == 200
    assert client.post(page("automations_connection_change", crm.pk), {"name": "Mine"}).status_code == 403
    browse(root)
    for name in ("change", "history"):
        assert "s3cr3t" not in client.get(page(f"automations_connection_{name}", crm.pk)).content.decode()


def test_receipts_are_seen_with_their_endpoint_and_bodies_by_its_managers(
    browse: Browse, ben: User, holding: Holding, root: User
) -> None:
    shop = Endpoint.objects.create(slug="shop", scheme="none")
    receipt = Receipt.objects.create(endpoint=shop, slug="shop", verdict="accepted", body=b"live data", size=9)
    lost = Receipt.objects.create(slug="nobody", verdict="disabled", body=b"", size=0)
    client = browse(holding(ben, "operator"))
    address = page("automations_webhooks_receipt_change", receipt.pk)
    assert client.get(address).status_code == 404
    permissions.assign_perm("automations_webhooks.user", ben, shop)
    assert "live data" not in client.get(address).content.decode()
    assert client.get(page("automations_webhooks_receipt_change", lost.pk)).status_code == 404
    assert "live data" in browse(root).get(address).content.decode()


def test_only_superusers_change_superusers(browse: Browse, ben: User, root: User, holding: Holding) -> None:
    from django.contrib.auth.models import Permission

    holding(ben, "viewer")
    ben.user_permissions.set(Permission.objects.filter(codename__in=("change_user", "view_user")))
    client = browse(ben)
    assert client.get(page("auth_user_changelist")).status_code == 200
    answer = client.post(page("auth_user_change", root.pk), {"username": "root", "email": "mine@example.com"})
    assert answer.status_code == 403
    client.post(page("auth_user_change", ben.pk), {"username": "ben", "is_superuser": "on", "is_active": "on"})
    ben.refresh_from_db()
    assert not ben.is_superuser
    assert client.post(page("auth_user_password_change", root.pk), {}).status_code == 403


def test_a_group_passes_its_role_on(browse: Browse, ben: User, workflow: Workflow) -> None:
    team = Group.objects.create(name="logistics")
    ben.groups.add(team)
    permissions.grant(workflow, team, "viewer")
    assert browse(ben).get(page("automations_workflow_overview", workflow.pk)).status_code == 200


def test_actions_on_many_touch_only_what_a_person_may_run(
    browse: Browse, ben: User, holding: Holding, world: World
) -> None:
    client = browse(holding(ben, "viewer"))
    client.post(page("automations_runs_deadletter_replay_many"), {"ids": [world.letter.pk]})
    answer = client.post(page("automations_runs_deadletter_discard_many"), {"ids": [world.letter.pk]})
    assert answer.status_code == 403
    assert DeadLetter.objects.get(pk=world.letter.pk).state == "open"
