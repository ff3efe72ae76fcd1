"""The main job on a whole installation, over HTTP as clients use it: from a signed webhook to an explained run, through
a failure, to its repair. The tests of this file share one installation."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.builders_secret import SECRET
from tests.installation import ROOT, Installation
from tests.receiver import Receiver
from webhooks import signatures

pytestmark = [pytest.mark.timeout(280), pytest.mark.xdist_group("main_job")]
PAYLOADS = ROOT.parent / "shared" / "payloads" / "github"

DOCUMENT = """
workflow: order-routing
name: Route large orders
owner: ana
run_as: svc-orders
alerts: {failure_rate: 0.1}
triggers:
  - key: paid
    kind: webhook
    config: {endpoint: shop}
    filter: 'event.type == "order.paid"'
    subject: {type: order, key: event.order.id}
conditions:
  large_order:
    all:
      - {field: event.order.total, operator: gt, value: 100}
      - {field: event.order.country, operator: in, value: [DE, FR]}
actions:
  - key: message
    kind: transform
    config: {values: {text: "Order {{ event.order.id }} over {{ event.order.total }}"}}
  - key: first
    kind: http.request
    needs: [message]
    when: large_order
    config: {connection: crm, method: POST, path: /first, json: {text: "{{ steps.message.output.text }}"}}
  - key: notify
    kind: http.request
    needs: [first]
    config: {connection: crm, method: POST, path: /notes, json: {order: "{{ event.order.id }}"}}
    retry: {attempts: 3, delay: 100ms, jitter: false}
    if_it_fails: Call the shop desk.
scenarios:
  - name: large German order
    payload: {type: order.paid, order: {id: 7, total: 250, country: DE}}
    expect: {matched: true, candidates: [message, first, notify]}
  - name: small order
    payload: {type: order.paid, order: {id: 8, total: 20, country: DE}}
    expect: {matched: true, candidates: [message], skipped: [first, notify]}
"""
ISSUES = """
workflow: issues
name: Keep every issue
owner: ana
run_as: svc-orders
alerts: {failure_rate: 0.1}
triggers: [{key: came, kind: webhook, config: {endpoint: issues}}]
actions: [{key: note, kind: log.write, config: {message: "it came"}}]
"""


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory, receiver: Receiver) -> Iterator[Installation]:
    """An installation with people, a connection, endpoints and a released workflow, all made as a client makes them."""
    folder = tmp_path_factory.mktemp("main-job")
    with Installation(folder, os.environ.get("TEST_DATABASE", "sqlite")) as made:
        made.manage(
            "shell",
            "-c",
            "from django.contrib.auth.models import User\nfor n in ('ana', 'svc-orders', 'vera', 'carl'): User.objects.create_user(n)",
        )
        made.serve()
        made.work()
        made.api(
            "POST", "connections", {"slug": "crm", "name": "CRM", "base_urls": [receiver.url], "allow_private": True}
        )
        for slug in ("shop", "issues"):
            made.api(
                "POST", "endpoints", {"slug": slug, "name": slug, "scheme": "github", "secret": SECRET, "enabled": True}
            )
        (folder / "orders.yaml").write_text(DOCUMENT)
        made.manage("import_workflow", str(folder / "orders.yaml"))
        (folder / "issues.yaml").write_text(ISSUES)
        made.manage("import_workflow", str(folder / "issues.yaml"))
        results = made.api("POST", "workflows/order-routing/scenarios/run")["results"]
        assert [(row["passed"], row["kind"]) for row in results] == [(True, "positive"), (True, "negative")], results
        made.api("POST", "workflows/order-routing/release", {"note": "first release"})
        made.api("POST", "workflows/issues/mode", {"mode": "simulate", "note": "watching"})
        yield made


def send(live: Installation, endpoint: str, body: bytes, delivery: str, **headers: str) -> tuple[int, Any]:
    signed = signatures.sign("github", SECRET, body, now=time.time(), message_id=delivery)
    return live.request(
        "POST", f"/hooks/{endpoint}", body, headers={**signed, "Content-Type": "application/json", **headers}
    )


def order(number: int, total: int = 250) -> bytes:
    return json.dumps({"type": "order.paid", "order": {"id": number, "total": total, "country": "DE"}}).encode()


def finished(live: Installation, run: int) -> dict[str, Any]:
    return live.until(
        lambda: (row := live.api("GET", f"runs/{run}"))["status"] in ("succeeded", "failed", "cancelled") and row,
        f"run {run}",
    )


def token(live: Installation, username: str) -> str:
    return live.manage("create_token", username).stdout.strip().splitlines()[-1]


def test_a_signed_webhook_becomes_a_finished_and_explained_run(live: Installation, receiver: Receiver) -> None:
    status, answer = send(live, "shop", order(1), "signed-1")
    assert status == 202
    run = finished(live, answer["runs"][0])
    steps = {step["action"]: step for step in run["steps"]}
    assert run["status"] == "succeeded" and run["mode"] == "execute" and run["duration_ms"] >= 0
    assert steps["message"]["output"] == {"text": "Order 1 over 250"}
    assert steps["notify"]["input"]["json"] == {"order": 1} and steps["notify"]["output"]["json"]["ok"] is True
    assert live.api("GET", f"runs/{run['id']}/logs")
    small = finished(live, send(live, "shop", order(2, total=90), "signed-2")[1]["runs"][0])
    skipped = next(step for step in small["steps"] if step["action"] == "first")
    assert skipped["status"] == "skipped" and "event.order.total = 90" in skipped["reason"]
    assert [row["result"] for row in live.api("GET", "evaluations?workflow=order-routing&limit=1")["results"]] == [
        "fired"
    ]


def test_every_github_payload_is_accepted_as_signed_and_refused_with_one_byte_changed(live: Installation) -> None:
    if not PAYLOADS.exists():
        pytest.skip("../shared is absent: the payloads lie there")
    files = sorted(PAYLOADS.glob("*.json"))
    assert files
    for file in files:
        body = file.read_bytes()
        status, answer = send(live, "issues", body, f"payload-{file.stem}")
        assert (status, len(answer["runs"])) == (202, 1), file.name
        signed = signatures.sign("github", SECRET, body, now=time.time(), message_id=f"changed-{file.stem}")
        changed = body[:-1] + bytes([body[-1] ^ 1])
        status, answer = live.request(
            "POST", "/hooks/issues", changed, headers={**signed, "Content-Type": "application/json"}
        )
        assert (status, answer) == (401, None), file.name
    verdicts = [row["verdict"] for row in live.api("GET", f"receipts?limit={2 * len(files)}")["results"]]
    assert sorted(verdicts) == ["accepted"] * len(files) + ["bad_signature"] * len(files)


def test_fifty_copies_at_once_start_one_run(live: Installation) -> None:
    answers: list[tuple[int, Any]] = []
    threads = [
        threading.Thread(target=lambda: answers.append(send(live, "shop", order(50), "copy-1"))) for _ in range(50)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(status for status, _ in answers) == [200] * 49 + [202]
    assert len({json.dumps(answer) for _, answer in answers}) == 1
    assert len(answers[0][1]["runs"]) == 1


def test_a_failing_receiver_leads_to_a_dead_letter_and_its_replay_finishes_the_run(
    live: Installation, receiver: Receiver
) -> None:
    receiver.paths["/notes"] = 500
    before = len(receiver.calls)
    run = finished(live, send(live, "shop", order(60), "fails-1")[1]["runs"][0])
    assert run["status"] == "failed"
    calls = receiver.calls[before:]
    assert [call.path for call in calls] == ["/first", "/notes", "/notes", "/notes"]
    letter = live.api("GET", "dead-letters?workflow=order-routing&state=open")["results"][0]
    error = letter["error"]
    assert (error["type"], error["attempt"], error["attempts"]) == ("http_status", 3, 3)
    assert (
        error["cause"]
        and error["hint"]
        and error["context"]["status"] == 500
        and error["retry_policy"]["attempts"] == 3
    )
    dry = live.manage("replay_dead_letters", "--workflow", "order-routing", "--dry-run")
    assert "1" in dry.stdout and len(receiver.calls) == before + 4
    del receiver.paths["/notes"]
    live.manage("replay_dead_letters", "--workflow", "order-routing", "--rate", "5", "--reason", "the shop is back")
    run = live.api("GET", f"runs/{run['id']}")
    assert run["status"] == "succeeded"
    assert [call.path for call in receiver.calls[before + 4 :]] == ["/notes"]
    assert len({call.key for call in receiver.calls[before:] if call.path == "/notes"}) == 1
    assert live.api("GET", f"dead-letters/{letter['id']}")["state"] == "resolved"


def test_run_test_gives_candidates_reasons_values_and_logs_and_touches_nothing(
    live: Installation, receiver: Receiver
) -> None:
    before = len(receiver.calls)
    path = "workflows/order-routing/run-test"
    matching = live.api("POST", path, {"payload": json.loads(order(7))}, expect=200)
    assert matching["matched"] and matching["trigger"]["key"] == "paid"
    assert [row["action"] for row in matching["candidates"]] == ["message", "first", "notify"]
    assert matching["effects"] == {"external_calls": 0, "rows_written": 0, "external_reads": 0}
    assert len(matching["logs"]) >= 3 and matching["run"]["mode"] == "simulate"
    other = live.api("POST", path, {"payload": {"type": "order.sent"}}, expect=200)
    assert other["matched"] is False and other["run"] is None and "order.sent" in other["trigger"]["reason"]
    unknown = live.api(
        "POST", path, {"payload": {"type": "order.paid", "order": {"id": 1, "country": "DE"}}}, expect=200
    )
    assert any("event.order.total" in row["reason"] for row in unknown["blocked"])
    assert len(receiver.calls) == before


def test_a_viewer_may_not_run_test_and_a_stranger_sees_nothing(live: Installation) -> None:
    live.api("PUT", "workflows/order-routing/access", [{"user": "vera", "role": "viewer"}])
    body = {"payload": {}}
    for username, expected in (("vera", 403), ("carl", 404)):
        status, answer = live.request(
            "POST", "/api/v1/workflows/order-routing/run-test", body, token=token(live, username)
        )
        assert status == expected, answer
    assert live.request("GET", "/api/v1/workflows/order-routing", token=token(live, "vera"))[0] == 200
    assert live.request("GET", "/api/v1/workflows", headers={"Authorization": ""})[0] == 401


BAD_BODIES = {
    "deep": b"[" * 100_000 + b"]" * 100_000,
    "nan": b'{"a": NaN}',
    "nul": b'{"a": "\\u0000"}',
    "surrogate": b'{"a": "\\ud800"}',
    "long integer": b'{"a": ' + b"9" * 5_000 + b"}",
    "infinite": b'{"a": 1e400}',
    "duplicate key": b'{"a": 1, "a": 2}',
    "not utf-8": b'{"a": "\xff"}',
    "cut off": b'{"a": ',
}


@pytest.mark.parametrize("name", BAD_BODIES)
def test_a_body_that_cannot_be_kept_is_a_clear_400_at_the_door_and_at_the_api(live: Installation, name: str) -> None:
    runs = live.api("GET", "runs?limit=1")["results"][:1]
    status, answer = send(live, "shop", BAD_BODIES[name], f"bad-{name}")
    assert status == 400 and answer["detail"]
    for path in ("events", "workflows/import", "workflows/order-routing/run-test"):
        headers = {"Authorization": f"Token {live.token}", "Content-Type": "application/json"}
        status, answer = live.request("POST", f"/api/v1/{path}", BAD_BODIES[name], headers=headers)
        assert status in (400, 422), (path, status)
        assert answer["errors"][0]["message"]
    assert live.api("GET", "runs?limit=1")["results"][:1] == runs


def test_too_large_and_wrongly_typed_bodies_are_refused(live: Installation) -> None:
    big = b'"' + b"x" * 1_100_000 + b'"'
    assert send(live, "shop", big, "big-1")[0] == 413
    assert send(live, "shop", b"a,b", "csv-1", **{"Content-Type": "text/csv"})[0] == 400
    headers = {"Authorization": f"Token {live.token}", "Content-Type": "text/csv"}
    assert live.request("POST", "/api/v1/events", b"a,b", headers=headers)[0] == 415


BAD_DOCUMENTS = {
    "malformed YAML": "workflow: [",
    "unknown kind": "workflow: bad\ntriggers: [{key: a, kind: manual}]\nactions: [{key: a, kind: no.such}]",
    "unknown operator": "workflow: bad\ntriggers: [{key: a, kind: manual}]\n"
    "actions: [{key: a, kind: log.write, config: {message: x}, when: {field: event.a, operator: greater, value: 1}}]",
    "missing endpoint": "workflow: bad\ntriggers: [{key: a, kind: webhook, config: {endpoint: nowhere}}]\n"
    "actions: [{key: a, kind: log.write, config: {message: x}}]",
    "cycle": "workflow: bad\ntriggers: [{key: a, kind: manual}]\nactions:\n"
    "  - {key: a, kind: log.write, needs: [b], config: {message: x}}\n  - {key: b, kind: log.write, needs: [a], config: {message: x}}",
}


@pytest.mark.parametrize("name", BAD_DOCUMENTS)
def test_a_bad_document_is_refused_with_a_path_and_leaves_nothing(live: Installation, name: str) -> None:
    headers = {"Authorization": f"Token {live.token}", "Content-Type": "application/yaml"}
    status, answer = live.request("POST", "/api/v1/workflows/import", BAD_DOCUMENTS[name].encode(), headers=headers)
    assert status in (400, 422), answer
    assert answer["errors"][0]["message"]
    if name != "malformed YAML":
        assert answer["errors"][0]["path"]
    assert live.request("GET", "/api/v1/workflows/bad")[0] == 404
    file = live.folder / "bad.yaml"
    file.write_text(BAD_DOCUMENTS[name])
    done = live.manage("import_workflow", str(file), check=False)
    assert done.returncode != 0 and done.stderr.strip() and "Traceback" not in done.stderr


def test_the_whole_document_comes_back_as_it_went_in(live: Installation, tmp_path: Path) -> None:
    first = live.manage("export_workflow", "order-routing").stdout
    (tmp_path / "again.yaml").write_text(first)
    live.manage("import_workflow", str(tmp_path / "again.yaml"))
    assert live.manage("export_workflow", "order-routing").stdout == first
