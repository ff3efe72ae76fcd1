"""The OpenAPI document and its pages."""

from __future__ import annotations

import re
from io import StringIO
from typing import Any

import pytest
import yaml
from django.contrib.auth.models import User
from django.core.management import call_command

from tests.api.conftest import As

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    out = StringIO()
    call_command("spectacular", "--validate", "--fail-on-warn", stdout=out)
    return yaml.safe_load(out.getvalue())


def test_the_schema_is_valid_openapi_3_1_without_warnings(schema: dict[str, Any]) -> None:
    assert schema["openapi"].startswith("3.1")


def test_every_operation_has_a_name_of_its_own_and_names_its_errors(schema: dict[str, Any]) -> None:
    names = []
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            if method not in ("get", "post", "put", "patch", "delete"):
                continue
            names.append(operation["operationId"])
            if path.startswith("/api/v1/schema"):
                continue
            assert {"400", "401", "403"} <= set(operation["responses"]), (method, path)
            assert "application/problem+json" in operation["responses"]["400"]["content"]
            assert any(status.startswith("2") for status in operation["responses"]), (method, path)
    assert len(names) == len(set(names))


def test_the_addresses_of_the_contract_are_there(schema: dict[str, Any]) -> None:
    wanted = """
        workflows workflows/{id} workflows/{id}/definition workflows/import workflows/{id}/duplicate
        workflows/{id}/rename-step definition-schema workflows/{id}/run-test workflows/{id}/check
        workflows/{id}/scenarios scenarios/{id}/run workflows/{id}/scenarios/run workflows/{id}/gate
        workflows/{id}/release workflows/{id}/rollback workflows/{id}/releases releases/{id} workflows/{id}/mode
        workflows/{id}/versions versions/{id} versions/{id}/diff workflows/{id}/access conditions
        conditions/{id}/used-by workflows/{id}/runs runs runs/{id} runs/{id}/logs runs/{id}/cancel runs/{id}/replay
        events events/{id} evaluations dead-letters dead-letters/{id} dead-letters/{id}/replay
        dead-letters/{id}/discard dead-letters/{id}/resolve dead-letters/replay batches/{id} batches/{id}/stop
        batches/{id}/resume endpoints endpoints/{slug} endpoints/{slug}/rotate receipts receipts/{id}/replay
        connections connections/{slug} kinds
    """.split()
    assert {f"/api/v1/{path}" for path in wanted} <= set(schema["paths"])


def test_secrets_stand_in_no_answer(schema: dict[str, Any]) -> None:
    components = schema["components"]["schemas"]
    assert "auth" not in components["Connection"]["properties"]
    assert "secret" not in components["Endpoint"]["properties"]


def test_schema_and_docs_are_served_and_need_no_other_host(as_: As, root: User) -> None:
    assert as_(root).get("/api/v1/schema").status_code == 200
    page = as_(root).get("/api/v1/docs")
    assert page.status_code == 200
    assert not re.findall(r"(?:src|href)=[\"'](?:https?:)?//", page.content.decode())
