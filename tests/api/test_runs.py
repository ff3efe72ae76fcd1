"""Tests, runs, events, evaluations over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User

from automations import releases
from automations.models import Workflow
from runs.models import Event, Run
from runs.scenarios import run_all
from tests.api.conftest import As, paths

pytestmark = pytest.mark.django_db

API = "/api/v1"
LARGE = {"type": "order.paid", "id": "e1", "order": {"id": 7, "total": 250}}


@pytest.fixture
def tested(as_: As, ana: User, workflow: Workflow) -> dict[str, Any]:
    """The answer of one run-test."""
    return as_(ana).post(f"{API}/workflows/{workflow.pk}/run-test", {"payload": LARGE}, format="json").json()


@pytest.fixture
def released(workflow: Workflow, ana: User) -> Workflow:
    run_all(workflow, by=ana)
    releases.release(workflow, by=ana, note="first")
    return Workflow.objects.get(pk=workflow.pk)


def test_a_test_says_what_would_happen_and_why(tested: dict[str, Any]) -> None:
    assert tested["matched"] is True
    assert [candidate["action"] for candidate in tested["candidates"]] == ["message", "announce"]
    assert tested["run"]["mode"] == "simulate"
    assert tested["effects"] == {"external_calls": 0, "rows_written": 0, "external_reads": 0}
    assert tested["logs"]


def test_a_payload_that_breaks_the_contract_is_400_with_its_path(as_: As, ana: User, workflow: Workflow) -> None:
    url = f"{API}/workflows/{workflow.pk}/run-test"
    answer = as_(ana).post(url, {"payload": {"type": "order.paid"}, "trigger": "paid"}, format="json")
    assert answer.status_code == 400
    assert all(path.startswith("payload") for path in paths(answer))


def test_a_payload_that_does_not_match_is_200_and_says_why(as_: As, ana: User, workflow: Workflow) -> None:
    url = f"{API}/workflows/{workflow.pk}/run-test"
    answer = as_(ana).post(url, {"payload": {"type": "other", "order": {}}, "trigger": "paid"}, format="json")
    assert (answer.status_code, answer.json()["matched"], answer.json()["run"]) == (200, False, None)
    assert "other" in answer.json()["trigger"]["reason"]


def test_all_scenarios_run_and_are_evidence(as_: As, ana: User, workflow: Workflow) -> None:
    results = as_(ana).post(f"{API}/workflows/{workflow.pk}/scenarios/run").json()["results"]
    assert [(row["kind"], row["passed"], row["differences"]) for row in results] == [
        ("positive", True, []),
        ("negative", True, []),
    ]
    one = as_(ana).post(f"{API}/scenarios/{results[0]['scenario']}/run").json()
    assert one["passed"] is True
    assert as_(ana).get(f"{API}/workflows/{workflow.pk}/gate").json()["ready"] is True


def test_a_run_is_shown_with_steps_in_the_order_of_the_definition(as_: As, ana: User, tested: dict[str, Any]) -> None:
    run = as_(ana).get(f"{API}/runs/{tested['run']['id']}").json()
    assert (run["status"], run["mode"], run["version"], run["trigger"]) == ("succeeded", "simulate", None, "paid")
    assert run["subject"] == {"type": "order", "key": "7"}
    assert [(step["action"], step["status"]) for step in run["steps"]] == [
        ("message", "succeeded"),
        ("announce", "simulated"),
    ]
    assert run["steps"][1]["input"]["text"] == "Order 7"
    assert run["steps"][0]["output"] == {"text": "Order 7", "total": 250}
    assert run["duration_ms"] >= 0


def test_times_are_utc_whatever_the_installation_says(
    as_: As, ana: User, tested: dict[str, Any], settings: Any
) -> None:
    settings.TIME_ZONE = "Asia/Tokyo"
    run = as_(ana).get(f"{API}/runs/{tested['run']['id']}").json()
    assert all(run[name].endswith("Z") for name in ("created_at", "started_at", "finished_at"))


def test_the_log_of_a_run_is_a_list_newest_first(as_: As, ana: User, tested: dict[str, Any]) -> None:
    listed = as_(ana).get(f"{API}/runs/{tested['run']['id']}/logs").json()
    assert len(listed["results"]) >= 2
    assert "fired" in listed["results"][-1]["message"]
    assert set(listed["results"][0]) >= {"at", "level", "step", "message", "data"}


def test_runs_are_filtered(as_: As, ana: User, tested: dict[str, Any], workflow: Workflow) -> None:
    def found(query: str) -> list[int]:
        return [row["id"] for row in as_(ana).get(f"{API}/runs?{query}").json()["results"]]

    run = tested["run"]["id"]
    for query in (
        f"workflow={workflow.pk}",
        "workflow=order-routing",
        "mode=simulate",
        "status=succeeded&status=failed",
        "subject=order/7",
        "since=1h",
        "until=2999-01-01T00:00:00Z",
        f"event={Run.objects.get(pk=run).event_id}",
    ):
        assert found(query) == [run], query
    for query in ("mode=execute", "status=failed", "subject=order/8", "until=1h", "since=2999-01-01T00:00:00Z"):
        assert found(query) == [], query


def test_a_manual_run_is_started_cancelled_and_replayed(as_: As, ana: User, released: Workflow) -> None:
    started = as_(ana).post(f"{API}/workflows/{released.pk}/runs", {"payload": LARGE}, format="json")
    assert started.status_code == 202
    run = started.json()["run"]
    assert as_(ana).get(f"{API}/runs/{run}").json()["version"] == 1
    steps = as_(ana).get(f"{API}/runs/{run}").json()["steps"]
    assert [(step["action"], step["status"]) for step in steps] == [("message", "pending"), ("announce", "pending")]
    assert as_(ana).post(f"{API}/runs/{run}/replay", {}, format="json").status_code == 409
    cancelled = as_(ana).post(f"{API}/runs/{run}/cancel", {"reason": "by mistake"}, format="json")
    assert (cancelled.status_code, cancelled.json()["id"]) == (200, run)


def test_a_draft_is_not_started_by_hand(as_: As, ana: User, workflow: Workflow) -> None:
    answer = as_(ana).post(f"{API}/workflows/{workflow.pk}/runs", {"payload": {}}, format="json")
    assert answer.status_code == 409


def test_a_tested_run_is_replayed_as_a_new_run(as_: As, ana: User, tested: dict[str, Any]) -> None:
    run = tested["run"]["id"]
    answer = as_(ana).post(f"{API}/runs/{run}/replay", {"simulate": True, "reason": "again"}, format="json")
    assert answer.status_code == 202
    again = as_(ana).get(f"{API}/runs/{answer.json()['run']}").json()
    assert (again["replay_of"], again["mode"]) == (run, "simulate")
    assert paths(as_(ana).post(f"{API}/runs/{run}/replay", {"version": "newest"}, format="json")) == ["version"]


# Events ------------------------------------------------------------------------------------------------------------


def test_a_plain_event_starts_what_listens_once(as_: As, root: User, released: Workflow) -> None:
    body = {"type": "order.paid", "payload": LARGE, "dedupe_key": "k1"}
    first = as_(root).post(f"{API}/events", body, format="json")
    assert first.status_code == 202
    assert len(first.json()["runs"]) == 1
    again = as_(root).post(f"{API}/events", body, format="json")
    assert again.json() == {**first.json(), "duplicate": True}
    run = as_(root).get(f"{API}/runs/{first.json()['runs'][0]}").json()
    assert (run["mode"], run["status"], run["event"]) == ("execute", "queued", first.json()["event"])


CLOUD = {"specversion": "1.0", "id": "e1", "source": "/shop", "type": "order.paid", "subject": "7"}


def test_a_cloudevent_comes_structured_in_binary_mode_and_in_batches(as_: As, root: User, released: Workflow) -> None:
    import json

    client = as_(root)
    structured = json.dumps(CLOUD | {"data": LARGE})
    one = client.post(f"{API}/events", structured, content_type="application/cloudevents+json; charset=utf-8").json()
    headers = {f"HTTP_CE_{name.upper()}": value for name, value in CLOUD.items()} | {"HTTP_CE_ID": "e2"}
    two = client.post(
        f"{API}/events", json.dumps(LARGE | {"id": "e2"}), content_type="application/json", **headers
    ).json()
    batch = json.dumps([CLOUD | {"id": "e3", "data": LARGE | {"id": "e3"}}, CLOUD | {"data": LARGE}])
    both = client.post(f"{API}/events", batch, content_type="application/cloudevents-batch+json").json()["events"]
    assert [row["duplicate"] for row in (one, two, *both)] == [False, False, False, True]
    assert both[1]["event"] == one["event"]
    for answer in (one, two, both[0]):
        shown = client.get(f"{API}/events/{answer['event']}").json()
        assert (shown["type"], shown["source"], shown["runs"]) == ("order.paid", "/shop", answer["runs"])
        assert shown["attributes"]["subject"] == "7"
        assert shown["payload"]["order"] == LARGE["order"]


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"payload": {}}, "type"),
        ({"type": ""}, "type"),
        ({"type": 5}, "type"),
        ({"type": "a", "colour": 1}, "colour"),
        ({"type": "a", "dedupe_key": ""}, "dedupe_key"),
        ({"type": "a", "dedupe_key": "x" * 301}, "dedupe_key"),
        (CLOUD | {"specversion": "0.3"}, "specversion"),
        (CLOUD | {"id": ""}, "id"),
        (CLOUD | {"time": "yesterday"}, "time"),
        (CLOUD | {"data": 1, "data_base64": "eA=="}, "data_base64"),
        (CLOUD | {"x": {"a": 1}}, "x"),
        ([], ""),
    ],
)
def test_an_event_that_is_not_right_is_refused_with_its_path(as_: As, root: User, body: Any, path: str) -> None:
    answer = as_(root).post(f"{API}/events", body, format="json")
    assert (answer.status_code, paths(answer)) == (400, [path])
    assert not Event.objects.exists()


def test_a_batch_with_one_wrong_event_is_refused_as_a_whole(as_: As, root: User) -> None:
    import json

    batch = json.dumps([CLOUD, CLOUD | {"type": ""}])
    answer = as_(root).post(f"{API}/events", batch, content_type="application/cloudevents-batch+json")
    assert (answer.status_code, paths(answer)) == (400, ["[1].type"])
    assert not Event.objects.exists()


def test_events_of_another_content_type_are_415(as_: As, root: User) -> None:
    assert as_(root).post(f"{API}/events", b"x", content_type="text/plain").status_code == 415


def test_evaluations_say_why_a_trigger_fired_or_not(as_: As, root: User, released: Workflow) -> None:
    client = as_(root)
    client.post(f"{API}/events", {"type": "order.paid", "payload": LARGE}, format="json")
    other = {"type": "order.paid", "payload": {"type": "other", "order": {}}}
    client.post(f"{API}/events", other, format="json")
    listed = client.get(f"{API}/evaluations?workflow=order-routing").json()["results"]
    assert [(row["trigger"], row["result"]) for row in listed] == [("paid", "not_matched"), ("paid", "fired")]
    assert listed[0]["values"] == {"event.type": "other"}
    assert [row["id"] for row in client.get(f"{API}/evaluations?result=fired").json()["results"]] == [listed[1]["id"]]
    assert len(client.get(f"{API}/events?workflow={released.pk}&source=api").json()["results"]) == 2


def test_a_stranger_sees_no_event_of_a_workflow_that_is_not_theirs(
    as_: As, root: User, released: Workflow, carl: User
) -> None:
    event = as_(root).post(f"{API}/events", {"type": "order.paid", "payload": LARGE}, format="json").json()["event"]
    assert as_(carl).get(f"{API}/events").json()["results"] == []
    assert as_(carl).get(f"{API}/evaluations").json()["results"] == []
    assert as_(carl).get(f"{API}/events/{event}").status_code == 404
    assert as_(carl).post(f"{API}/events", {"type": "a"}, format="json").status_code == 403
