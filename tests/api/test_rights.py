"""Who may do what over HTTP: role × address, as one table (CONTRACT 9)."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User

from automations.models import Workflow
from runs.models import Event, Run
from tests.api.conftest import As
from tests.automations.definitions import orders

pytestmark = pytest.mark.django_db

LARGE = {"type": "order.paid", "id": "e1", "order": {"id": 7, "total": 250}}
W = "/api/v1/workflows/order-routing"
VIEWERS = ("viewer", "builder", "operator", "approver", "releaser", "owner", "superuser")

GRANTS = [{"user": role, "role": role} for role in ("viewer", "builder", "operator", "approver", "releaser")]
#: method, address, body, who may. The rest of those who may view get 403, a stranger 404, nobody 401.
TABLE: list[tuple[str, str, Any, tuple[str, ...]]] = [
    ("get", W, None, VIEWERS),
    ("get", f"{W}/definition", None, VIEWERS),
    ("get", f"{W}/check", None, VIEWERS),
    ("get", f"{W}/gate", None, VIEWERS),
    ("get", f"{W}/access", None, VIEWERS),
    ("get", f"{W}/versions", None, VIEWERS),
    ("get", f"{W}/releases", None, VIEWERS),
    ("get", f"{W}/scenarios", None, VIEWERS),
    ("put", f"{W}/definition", orders(), ("builder", "owner", "superuser")),
    ("patch", W, {"name": "New"}, ("builder", "owner", "superuser")),
    ("post", f"{W}/scenarios", {"name": "n", "payload": {}}, ("builder", "owner", "superuser")),
    ("post", f"{W}/rename-step", {"from": "message", "to": "note"}, ("builder", "owner", "superuser")),
    ("post", f"{W}/run-test", {"payload": LARGE}, ("builder", "operator", "releaser", "owner", "superuser")),
    ("post", f"{W}/scenarios/run", None, ("builder", "operator", "releaser", "owner", "superuser")),
    ("post", f"{W}/release", {"note": "n"}, ("releaser", "owner", "superuser")),
    ("post", f"{W}/rollback", {"version": 1}, ("operator", "releaser", "owner", "superuser")),
    ("post", f"{W}/mode", {"mode": "simulate"}, ("builder", "operator", "releaser", "owner", "superuser")),
    ("post", f"{W}/runs", {"payload": {}}, ("operator", "owner", "superuser")),
    ("put", f"{W}/access", GRANTS, ("owner", "superuser")),
    ("delete", W, None, ("owner", "superuser")),
]


@pytest.mark.parametrize(
    ("method", "url", "body", "allowed"), TABLE, ids=[f"{m} {u[len(W) :] or '/'}" for m, u, _, _ in TABLE]
)
def test_roles_and_addresses(
    as_: As, cast: dict[str, User | None], method: str, url: str, body: Any, allowed: tuple
) -> None:
    for role, user in cast.items():
        answer = (
            getattr(as_(user), method)(url, body, format="json")
            if body is not None
            else getattr(as_(user), method)(url)
        )
        if role == "nobody":
            assert answer.status_code == 401
        elif role == "stranger":
            assert answer.status_code == 404
        elif role in allowed:
            # What its state forbids (nothing to roll back to, an open gate) is not a matter of rights.
            assert answer.status_code in (200, 201, 202, 204, 400, 409), (role, answer.content)
        else:
            assert answer.status_code == 403, (role, answer.content)
        if answer.status_code == 204:
            return  # it is gone now


def test_a_stranger_sees_no_workflow_in_the_list(as_: As, cast: dict[str, User | None]) -> None:
    for role, user in cast.items():
        if user is not None:
            seen = [row["slug"] for row in as_(user).get("/api/v1/workflows").json()["results"]]
            assert seen == ([] if role == "stranger" else ["order-routing"])


def test_a_role_through_a_group_counts(as_: As, workflow: Workflow, ben: User) -> None:
    from django.contrib.auth.models import Group

    from automations import permissions

    group = Group.objects.create(name="logistics")
    permissions.grant(workflow, group, "viewer")
    assert as_(ben).get(W).status_code == 404
    ben.groups.add(group)
    assert as_(ben).get(W).status_code == 200


def test_somebody_who_was_disabled_sees_nothing(workflow: Workflow, ana: User) -> None:
    from automations import permissions

    ana.is_active = False
    ana.save()
    assert not permissions.may(ana, "view", workflow)
    assert not permissions.visible_to(ana).exists()


@pytest.fixture
def run(as_: As, ana: User, workflow: Workflow) -> Run:
    answer = as_(ana).post(f"{W}/run-test", {"payload": LARGE}, format="json")
    return Run.objects.get(pk=answer.json()["run"]["id"])


def test_a_simulated_run_shows_payloads_to_whoever_tests(as_: As, cast: dict[str, User | None], run: Run) -> None:
    for role, user in cast.items():
        answer = as_(user).get(f"/api/v1/runs/{run.pk}")
        if role in ("nobody", "stranger"):
            assert answer.status_code == (401 if role == "nobody" else 404)
            continue
        seen = role in ("builder", "operator", "releaser", "owner", "superuser")
        body = answer.json()
        assert body["payload_visible"] is seen
        assert (body["steps"][0]["output"] is not None) is seen
        event = as_(user).get(f"/api/v1/events/{run.event_id}").json()
        assert (event["payload"] is not None) is seen
        logs = as_(user).get(f"/api/v1/runs/{run.pk}/logs").json()["results"]
        assert any(entry["data"] for entry in logs) is seen


def test_a_live_run_shows_payloads_to_those_who_hold_the_right(as_: As, cast: dict[str, User | None], run: Run) -> None:
    Run.objects.filter(pk=run.pk).update(mode=Run.Mode.EXECUTE)
    Event.objects.filter(pk=run.event_id).update(simulated=False)
    for role, user in cast.items():
        if role in ("nobody", "stranger"):
            continue
        seen = role in ("operator", "releaser", "owner", "superuser")
        assert as_(user).get(f"/api/v1/runs/{run.pk}").json()["payload_visible"] is seen
        assert (as_(user).get(f"/api/v1/events/{run.event_id}").json()["payload"] is not None) is seen


@pytest.mark.parametrize("path", ["cancel", "replay"])
def test_a_run_is_moved_by_operators_and_owners_only(
    as_: As, cast: dict[str, User | None], run: Run, path: str
) -> None:
    for role, user in cast.items():
        answer = as_(user).post(f"/api/v1/runs/{run.pk}/{path}", {}, format="json")
        expected = {"nobody": {401}, "stranger": {404}}.get(role, {200, 202, 409})
        if role in ("viewer", "builder", "approver", "releaser"):
            expected = {403}
        assert answer.status_code in expected, (role, answer.content)


INSTALLATION = [
    ("post", "/api/v1/connections", {"slug": "crm", "base_urls": ["https://crm.example.com"]}),
    ("post", "/api/v1/endpoints", {"slug": "shop"}),
    ("post", "/api/v1/events", {"type": "a"}),
]


@pytest.mark.parametrize(("method", "url", "body"), INSTALLATION, ids=[url for _, url, _ in INSTALLATION])
def test_what_belongs_to_the_installation_needs_a_permission_of_its_own(
    as_: As, cast: dict[str, User | None], method: str, url: str, body: Any
) -> None:
    for role, user in cast.items():
        expected = {"nobody": 401, "superuser": 202 if "events" in url else 201}.get(role, 403)
        assert getattr(as_(user), method)(url, body, format="json").status_code == expected, role
