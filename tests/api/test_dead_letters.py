"""Dead letters and batches over HTTP."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from automations import permissions
from automations.models import Workflow
from runs.models import Batch, DeadLetter
from tests.api.conftest import As, paths
from tests.builders import action
from tests.builders import workflow as build
from tests.runs.failures import letter, run_of

pytestmark = pytest.mark.django_db

URL = "/api/v1/dead-letters"


@pytest.fixture
def orders(ana: User) -> Workflow:
    return build(action("before"), action("notify", needs=["before"]))


@pytest.fixture
def failed(orders: Workflow) -> DeadLetter:
    return letter(run_of(orders), "notify", subject_type="order", subject_key="7")


def test_a_dead_letter_is_shown_with_its_error(as_: As, ana: User, failed: DeadLetter) -> None:
    shown = as_(ana).get(f"{URL}/{failed.pk}").json()
    assert (shown["workflow"], shown["run"], shown["step"], shown["index"], shown["state"]) == (
        failed.workflow_id,
        failed.run_id,
        "notify",
        None,
        "open",
    )
    assert shown["error"]["type"] == "http_status"
    assert shown["subject"] == {"type": "order", "key": "7"}
    assert as_(ana).get(URL).json()["results"] == [shown]


def test_dead_letters_are_filtered(as_: As, ana: User, failed: DeadLetter) -> None:
    fingerprint = failed.fingerprint
    for query in ("state=open", "workflow=orders", f"fingerprint={fingerprint}", "subject=order/7", "since=1h"):
        assert [row["id"] for row in as_(ana).get(f"{URL}?{query}").json()["results"]] == [failed.pk], query
    for query in ("state=discarded", "workflow=other", "fingerprint=x", "subject=order/8", "owner=ben"):
        assert as_(ana).get(f"{URL}?{query}").json()["results"] == [], query


def test_a_case_has_an_owner_a_cause_and_a_note(as_: As, ana: User, ben: User, failed: DeadLetter) -> None:
    changes = {"owner": "ben", "cause": "receiver", "fixed_in": "shop 1.2", "note": "They deploy on Monday."}
    answer = as_(ana).patch(f"{URL}/{failed.pk}", changes, format="json")
    assert {name: answer.json()[name] for name in changes} == changes
    assert paths(as_(ana).patch(f"{URL}/{failed.pk}", {"owner": "nobody"}, format="json")) == ["owner"]
    assert paths(as_(ana).patch(f"{URL}/{failed.pk}", {"cause": "bad luck"}, format="json")) == ["cause"]
    assert paths(as_(ana).patch(f"{URL}/{failed.pk}", {"state": "resolved"}, format="json")) == ["state"]


def test_a_replay_reopens_the_run_once(as_: As, ana: User, failed: DeadLetter) -> None:
    answer = as_(ana).post(f"{URL}/{failed.pk}/replay", {"reason": "healed"}, format="json")
    assert (answer.status_code, answer.json()) == (200, {"run": failed.run_id})
    assert as_(ana).post(f"{URL}/{failed.pk}/replay").status_code == 409
    assert as_(ana).get(f"/api/v1/runs/{failed.run_id}").json()["status"] == "queued"


def test_a_run_is_replayed_from_what_failed(as_: As, ana: User, failed: DeadLetter) -> None:
    answer = as_(ana).post(f"/api/v1/runs/{failed.run_id}/replay", {"from": "failed", "reason": "r"}, format="json")
    assert (answer.status_code, answer.json()) == (202, {"run": failed.run_id})
    failed.refresh_from_db()
    assert failed.state == "replaying"


def test_a_dead_letter_is_discarded_or_resolved(as_: As, ana: User, orders: Workflow, failed: DeadLetter) -> None:
    answer = as_(ana).post(f"{URL}/{failed.pk}/discard", {"note": "a test order"}, format="json")
    assert (answer.status_code, answer.json()["state"], answer.json()["note"]) == (200, "discarded", "a test order")
    other = letter(run_of(orders), "notify")
    done = {"outcome": "happened", "output": {"id": 1}, "note": "seen in the shop"}
    assert as_(ana).post(f"{URL}/{other.pk}/resolve", done, format="json").json()["state"] == "resolved"
    assert paths(as_(ana).post(f"{URL}/{other.pk}/resolve", {"outcome": "maybe"}, format="json")) == ["outcome"]


def test_many_are_replayed_as_a_batch(as_: As, ana: User, orders: Workflow, failed: DeadLetter) -> None:
    letter(run_of(orders), "notify")
    body = {"filter": {"workflow": "orders"}, "limit": 5, "rate": 10, "stop_after": 2, "reason": "healed"}
    tried = as_(ana).post(f"{URL}/replay", body | {"dry_run": True}, format="json")
    assert (tried.status_code, tried.json()["total"]) == (200, 2)
    assert set(tried.json()) == {"total", "repeats", "stale", "superseded", "needs_approval", "unknown"}
    assert not Batch.objects.exists()
    begun = as_(ana).post(f"{URL}/replay", body, format="json")
    assert begun.status_code == 202
    url = f"/api/v1/batches/{begun.json()['batch']}"
    shown = as_(ana).get(url).json()
    assert {name: shown[name] for name in ("state", "total", "done", "failed", "skipped")} == {
        "state": "running",
        "total": 2,
        "done": 0,
        "failed": 0,
        "skipped": 0,
    }
    assert as_(ana).post(f"{url}/stop").json()["state"] == "stopped"
    assert as_(ana).post(f"{url}/stop").status_code == 409
    assert as_(ana).post(f"{url}/resume").json()["state"] == "running"


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"filter": {"colour": "red"}}, "filter.colour"),
        ({"filter": {"since": "once"}}, "filter.since"),
        ({"filter": []}, "filter"),
        ({}, "filter"),
        ({"filter": {}, "rate": 0}, "rate"),
        ({"filter": {}, "limit": 0}, "limit"),
        ({"filter": {}, "stop_after": "x"}, "stop_after"),
    ],
)
def test_a_batch_that_cannot_be_is_refused_with_its_path(as_: As, ana: User, body: dict, path: str) -> None:
    answer = as_(ana).post(f"{URL}/replay", body, format="json")
    assert (answer.status_code, paths(answer)) == (400, [path])


def test_who_may_move_dead_letters(as_: As, person, failed: DeadLetter) -> None:
    roles = ("viewer", "builder", "operator", "approver", "releaser")
    calls = (
        ("patch", f"{URL}/{failed.pk}", {"note": "n"}),
        ("post", f"{URL}/{failed.pk}/discard", {}),
        ("post", f"{URL}/{failed.pk}/replay", {}),
    )
    for method, url, body in calls:
        assert getattr(as_(person("stranger")), method)(url, body, format="json").status_code == 404
        for role in roles:
            user = person(role)
            permissions.grant(failed.workflow, user, role)
            status = getattr(as_(user), method)(url, body, format="json").status_code
            assert (status == 403) is (role != "operator"), (role, url)


def test_a_batch_replays_only_what_one_may_replay(as_: As, ben: User, failed: DeadLetter) -> None:
    permissions.grant(failed.workflow, ben, "viewer")
    assert as_(ben).post(f"{URL}/replay", {"filter": {}, "dry_run": True}, format="json").json()["total"] == 0


def test_a_viewer_sees_the_error_without_what_it_quotes(as_: As, ben: User, ana: User, failed: DeadLetter) -> None:
    error = failed.error | {"cause": "secret text", "context": {"body": "secret text"}}
    DeadLetter.objects.filter(pk=failed.pk).update(error=error)
    permissions.grant(failed.workflow, ben, "viewer")
    assert "secret" not in as_(ben).get(f"{URL}/{failed.pk}").content.decode()
    assert "secret" not in as_(ben).get(URL).content.decode()
    assert as_(ana).get(f"{URL}/{failed.pk}").json()["error"]["cause"] == "secret text"
