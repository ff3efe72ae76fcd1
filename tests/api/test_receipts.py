"""Receipts over HTTP."""

from __future__ import annotations

import json
import time

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.api.conftest import As
from tests.builders import action
from tests.builders import workflow as build
from webhooks import endpoints, signatures
from webhooks.models import Receipt

# The door stores in transactions of its own, on connections of its own.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def delivered(root: User) -> Receipt:
    """One genuine delivery to the endpoint `shop`, which starts a run."""
    endpoint, _ = endpoints.create("shop", by=None, scheme="github", secret="s3cret")
    build(action("a"), triggers=[{"key": "hook", "kind": "webhook", "config": {"endpoint": "shop"}}])
    deliver(b'{"id": 7}', "m1")
    return Receipt.objects.get(endpoint=endpoint)


def deliver(body: bytes, message: str, secret: str = "s3cret") -> int:
    headers = signatures.sign("github", secret, body, now=time.time(), message_id=message)
    meta = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}
    return Client().post("/hooks/shop", body, content_type="application/json", **meta).status_code


def test_receipts_are_listed_with_their_verdicts_and_never_with_bodies(as_: As, root: User, delivered: Receipt) -> None:
    assert deliver(b'{"id": 8}', "m2", secret="wrong") == 401
    listed = as_(root).get("/api/v1/receipts").json()["results"]
    assert [(row["endpoint"], row["verdict"]) for row in listed] == [("shop", "bad_signature"), ("shop", "accepted")]
    assert not {"headers", "body"} & set(listed[0])
    assert [row["id"] for row in as_(root).get("/api/v1/receipts?verdict=accepted").json()["results"]] == [delivered.pk]
    assert as_(root).get("/api/v1/receipts?endpoint=other").json()["results"] == []


def test_a_genuine_delivery_is_taken_in_again_as_a_new_event(as_: As, root: User, delivered: Receipt) -> None:
    answer = as_(root).post(f"/api/v1/receipts/{delivered.pk}/replay")
    assert answer.status_code == 200
    assert answer.json()["receipt"] == delivered.pk
    assert answer.json()["event"] != delivered.event_id
    assert len(answer.json()["runs"]) == 1
    event = as_(root).get(f"/api/v1/events/{answer.json()['event']}").json()
    assert (event["payload"], event["source"]) == ({"id": 7}, "hooks/shop")
    assert "signature" not in json.dumps(event["headers"])


def test_a_delivery_that_was_refused_is_not_taken_in_again(as_: As, root: User, delivered: Receipt) -> None:
    deliver(b'{"id": 8}', "m2", secret="wrong")
    refused = Receipt.objects.get(verdict="bad_signature")
    assert as_(root).post(f"/api/v1/receipts/{refused.pk}/replay").status_code == 409


def test_a_stranger_sees_no_receipt(as_: As, carl: User, delivered: Receipt) -> None:
    assert as_(carl).get("/api/v1/receipts").json()["results"] == []
    assert as_(carl).post(f"/api/v1/receipts/{delivered.pk}/replay").status_code == 404
