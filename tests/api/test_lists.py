"""Lists: a constant number of queries, and never a column that may be large."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from automations import documents
from automations.models import Connection, Workflow
from runs.models import Evaluation, Event, LogEntry
from tests.api.conftest import As
from tests.builders import action
from tests.builders import workflow as build
from tests.runs.failures import letter, run_of
from webhooks.models import Endpoint, Receipt

pytestmark = pytest.mark.django_db

#: Columns no list may read.
LARGE = ("payload", "headers", "attributes", "body", "outputs", "input", "output", "document", "evidence", "auth")


def fill(orders: Workflow, number: int) -> None:
    """One more of everything."""
    run = run_of(orders, subject_type="order", subject_key=str(number))
    letter(run, "notify")
    LogEntry.objects.create(run=run, at=run.created_at, level="info", message="hello")
    Evaluation.objects.create(event=run.event, workflow=orders, trigger="said", result="fired", run=run)
    endpoint = Endpoint.objects.create(slug=f"e{number}", scheme="none")
    Receipt.objects.create(endpoint=endpoint, slug=endpoint.slug, verdict="accepted", event=run.event, body=b"x")
    Connection.objects.create(slug=f"c{number}", base_urls=["https://a.example"])
    documents.save({"workflow": f"w{number}"}, by=None, incomplete=True)


URLS = [
    "workflows", "runs", "events", "evaluations", "dead-letters", "connections", "conditions", "endpoints", "receipts",
    "workflows/orders/scenarios", "workflows/orders/versions", "workflows/orders/releases", "runs?workflow=orders",
    "events?workflow=orders", "runs?subject=order/1",
]  # fmt: skip


@pytest.fixture
def orders(ana: User) -> Workflow:
    return build(action("before"), action("notify", needs=["before"]))


@pytest.fixture
def queries(as_: As, ana: User, root: User, orders: Workflow) -> Callable[[str, User], list[str]]:
    def of(path: str, user: User) -> list[str]:
        client = as_(user)
        with CaptureQueriesContext(connection) as caught:
            answer = client.get(f"/api/v1/{path}")
        assert answer.status_code == 200, answer.content
        return [query["sql"] for query in caught.captured_queries]

    return of


@pytest.mark.parametrize("path", URLS)
def test_a_list_asks_the_same_number_of_queries_for_one_row_and_for_ten(
    queries: Callable[[str, User], list[str]], ana: User, root: User, orders: Workflow, path: str
) -> None:
    fill(orders, 1)
    for user in (ana, root):
        queries(path, user)  # content types are looked up once per process
    few = {user: len(queries(path, user)) for user in (ana, root)}
    for number in range(2, 10):
        fill(orders, number)
    for user, count in few.items():
        assert len(queries(path, user)) == count <= 12


@pytest.mark.parametrize("path", URLS)
def test_a_list_reads_no_large_column(
    queries: Callable[[str, User], list[str]], ana: User, root: User, orders: Workflow, path: str
) -> None:
    fill(orders, 0)
    # A workflow's scenarios are samples of its definition, not data of its runs.
    allowed = ("payload", "headers", "outputs") if path.endswith("scenarios") else ()
    for user in (ana, root):
        for sql in queries(path, user):
            read = sql.partition(" FROM ")[0]
            assert not [name for name in LARGE if f'"{name}"' in read and name not in allowed], sql


def test_the_log_of_a_run_is_one_list(queries: Callable[[str, User], list[str]], ana: User, orders: Workflow) -> None:
    fill(orders, 0)
    run = orders.runs.get()
    few = len(queries(f"runs/{run.pk}/logs", ana))
    for _ in range(9):
        LogEntry.objects.create(run=run, at=run.created_at, level="info", message="hello")
    assert len(queries(f"runs/{run.pk}/logs", ana)) == few


def test_one_event_is_shown_in_a_constant_number_of_queries(
    queries: Callable[[str, User], list[str]], ana: User, orders: Workflow
) -> None:
    fill(orders, 0)
    event = Event.objects.get()
    few = len(queries(f"events/{event.pk}", ana))
    for number in range(5):
        Evaluation.objects.create(event=event, workflow=orders, trigger=f"t{number}", result="not_matched")
    assert len(queries(f"events/{event.pk}", ana)) == few
