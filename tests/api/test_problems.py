"""Errors over HTTP: always problem+json, always with a path, and nothing half-written."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from automations.kinds import ActionKind, actions
from automations.models import Workflow
from tests.api.conftest import As, paths
from tests.automations.definitions import orders

pytestmark = pytest.mark.django_db

IMPORT = "/api/v1/workflows/import"


def sound(answer: Any, status: int) -> None:
    """It is a problem of this status with at least one error."""
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == status
    assert body["title"]
    assert body["errors"]
    assert all(set(error) >= {"path", "message"} and error["message"] for error in body["errors"])


HOSTILE = {
    "NaN": (b'{"workflow": "a", "priority": NaN}', "priority"),
    "Infinity": (b'{"workflow": "a", "priority": -Infinity}', "priority"),
    "NUL": (b'{"workflow": "a", "name": "\\u0000"}', "name"),
    "a lone surrogate": (b'{"workflow": "a", "name": "\\ud800"}', "name"),
    "a 5,000-digit integer": (b'{"workflow": "a", "priority": ' + b"9" * 5000 + b"}", "priority"),
    "a number without end": (b'{"workflow": "a", "priority": 1e999}', "priority"),
    "a duplicate key": (b'{"workflow": "a", "workflow": "b"}', "workflow"),
    "100,000 deep": (b"[" * 100_000 + b"]" * 100_000, None),
    "100,000 objects deep": (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, None),
    "not JSON": (b"{", None),
    "not UTF-8": (b'{"workflow": "\xff"}', None),
    "nothing": (b"", None),
    "a NUL byte": (b'{"workflow": "\x00"}', None),
}


@pytest.mark.parametrize(("body", "path"), HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("url", [IMPORT, "/api/v1/workflows", "/api/v1/workflows/order-routing/run-test"])
def test_hostile_json_is_a_clear_400(as_: As, root: User, workflow: Workflow, url: str, body: bytes, path: str) -> None:
    answer = as_(root).post(url, body, content_type="application/json")
    sound(answer, 400)
    if path is not None:
        assert path in paths(answer)
    assert Workflow.objects.count() == 1


@pytest.mark.parametrize("body", [b'"text"', b"5", b"null", b"[1]", b"true"])
@pytest.mark.parametrize("url", ["workflows", "workflows/import", "connections", "endpoints", "conditions"])
def test_a_body_of_another_type_is_a_clear_400(as_: As, root: User, url: str, body: bytes) -> None:
    sound(as_(root).post(f"/api/v1/{url}", body, content_type="application/json"), 400)


def test_an_oversize_body_is_413(as_: As, root: User) -> None:
    body = b'{"workflow": "a", "name": "' + b"x" * 3_000_000 + b'"}'
    sound(as_(root).post(IMPORT, body, content_type="application/json"), 413)
    sound(as_(root).post(IMPORT, body, content_type="application/yaml"), 413)


def test_an_oversize_definition_is_refused(as_: As, root: User) -> None:
    body = json.dumps({"workflow": "a", "runbook": "x" * 1_500_000})
    sound(as_(root).post(IMPORT, body, content_type="application/json"), 400)


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/xml", "multipart/form-data; boundary=x", "nonsense"]
)
def test_another_content_type_is_415(as_: As, root: User, content_type: str) -> None:
    sound(as_(root).post("/api/v1/workflows", b"x", content_type=content_type), 415)
    sound(as_(root).post(IMPORT, b"x", content_type=content_type), 415)


def test_nobody_is_401_with_a_challenge() -> None:
    answer = APIClient().get("/api/v1/workflows")
    sound(answer, 401)
    assert answer["WWW-Authenticate"].startswith("Token")


@pytest.mark.parametrize("key", ["wrong", "", "a b", "ü"])
def test_a_wrong_token_is_401(key: str) -> None:
    sound(APIClient().get("/api/v1/workflows", HTTP_AUTHORIZATION=f"Token {key}"), 401)


def test_an_address_that_does_not_exist_is_404(as_: As, root: User) -> None:
    odd = (f"runs/{10**30}", "runs/x", "workflows/a%00b", "endpoints/%00/rotate", "connections/%ff")
    for url in ("/api/v1/nothing", "/api/v1/workflows/", "/api/v1/", *(f"/api/v1/{path}" for path in odd)):
        sound(as_(root).get(url), 404)


@pytest.mark.parametrize(
    "query", ["since=yesterday", "status=fine", "subject=7", "event=x", f"event={10**20}", "workflow=%00", "mode=1"]
)
def test_a_filter_that_cannot_be_is_refused_with_its_name(as_: As, root: User, query: str) -> None:
    answer = as_(root).get(f"/api/v1/runs?{query}")
    sound(answer, 400)
    assert paths(answer) == [query.partition("=")[0]]


@pytest.mark.parametrize("query", ["event=9999999", "workflow=99999999999999999999999", "workflow=no"])
def test_a_filter_that_finds_nothing_answers_an_empty_list(as_: As, root: User, query: str) -> None:
    assert as_(root).get(f"/api/v1/runs?{query}").json()["results"] == []


def test_a_method_that_does_not_exist_is_405(as_: As, root: User, workflow: Workflow) -> None:
    answer = as_(root).post("/api/v1/runs", {}, format="json")
    sound(answer, 405)


def test_an_unacceptable_form_is_406(as_: As, root: User) -> None:
    sound(as_(root).get("/api/v1/kinds", HTTP_ACCEPT="image/png"), 406)


def test_an_unexpected_error_is_a_500_that_tells_nothing(as_: As, root: User) -> None:
    class Broken(ActionKind):
        name = "broken"

        def check(self, config: Any) -> list[Any]:
            raise RuntimeError("a secret of the program")

    document = orders(actions=[{"key": "a", "kind": "broken"}], scenarios=None)
    with actions.temporarily(Broken()):
        answer = as_(root).post(IMPORT, document, format="json")
    sound(answer, 500)
    assert "secret" not in answer.content.decode()


def test_what_a_body_does_not_know_is_refused_with_its_path(as_: As, root: User, workflow: Workflow) -> None:
    answer = as_(root).post(
        f"/api/v1/workflows/{workflow.pk}/run-test", {"payload": {}, "verbose": True}, format="json"
    )
    sound(answer, 400)
    assert paths(answer) == ["verbose"]
