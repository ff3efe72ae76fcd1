"""Definitions with something odd at any place: refused with a path, or saved and testable; never an unexpected error."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api.conftest import As
from tests.automations.definitions import orders

pytestmark = pytest.mark.django_db

FULL = orders(
    mode="simulate",
    tags=["a"],
    priority=5,
    timeout="1h",
    concurrency={"limit": 2, "key": "event.order.id", "on_limit": "queue"},
    sla={"run": "15m"},
    retention="9d",
    sensitive=["event.customer.email"],
)
FULL["actions"][1] |= {"retry": {"attempts": 3, "delay": "2s"}, "cap": {"count": 3, "per": "1h"}, "timeout": "5s"}

odd = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12)
    | st.sampled_from(["{{ event.x }}", "{{", "not large", "large", "steps.message.output", "1h", "💥", "a" * 300]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abk{_", max_size=3), inner, max_size=3),
    max_leaves=5,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every path into the document."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in items for place in places(item, (*path, key)))]


def mutated(draw: Any) -> Any:
    document = copy.deepcopy(FULL)
    for _ in range(draw(st.integers(1, 2))):
        path = draw(st.sampled_from(places(document)))
        if not path:
            return draw(odd)
        node = document
        for key in path[:-1]:
            node = node[key]
        if isinstance(node, dict) and draw(st.booleans()):
            node[draw(st.text("abcxyz", min_size=1, max_size=3))] = draw(odd)
        else:
            node[path[-1]] = draw(odd)
    return document


@given(st.data())
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_an_odd_definition_is_refused_or_saved_and_testable(as_: As, root: User, data: Any) -> None:
    document = mutated(data.draw)
    client = as_(root)
    sid = transaction.savepoint()
    try:
        answer = client.post(
            "/api/v1/workflows/import?incomplete=allow", json.dumps(document), content_type="application/json"
        )
        assert answer.status_code in (201, 400), (document, answer.content)
        if answer.status_code == 400:
            assert all(error["message"] for error in answer.json()["errors"])
            return
        url = f"/api/v1/workflows/{answer.json()['id']}"
        assert client.get(f"{url}/definition").status_code == 200
        assert client.get(f"{url}/gate").status_code == 200
        payload = FULL["scenarios"][0]["payload"]
        tested = client.post(f"{url}/run-test", {"payload": payload}, format="json")
        assert tested.status_code in (200, 400), (document, tested.content)
        assert client.post(f"{url}/scenarios/run").status_code == 200, document
    finally:
        transaction.savepoint_rollback(sid)


@given(odd)
@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_an_odd_payload_is_refused_or_tested(as_: As, root: User, workflow: Any, payload: Any) -> None:
    answer = as_(root).post("/api/v1/workflows/order-routing/run-test", {"payload": payload}, format="json")
    assert answer.status_code in (200, 400), (payload, answer.content)
