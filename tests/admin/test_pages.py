"""Every page renders, escapes what is data, and costs the same however many rows there are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from automations import html
from automations.admin import story
from automations.models import Connection, Workflow
from runs.models import Batch, BatchItem, DeadLetter, Run, Worker
from tests.admin.conftest import ERROR, HOSTILE, World, make_run
from tests.automations.definitions import orders
from webhooks.models import Endpoint, Receipt

Browse = Callable[[User], Client]
LISTS = (
    *("automations_workflow", "automations_connection", "automations_runs_run", "automations_runs_deadletter"),
    *("automations_runs_event", "automations_runs_evaluation", "automations_runs_batch", "automations_runs_worker"),
    *("automations_webhooks_endpoint", "automations_webhooks_receipt", "auth_user", "auth_group", "knox_authtoken"),
    *("django_q_failure", "django_q_ormq"),
)
PAYLOADS = ('"payload"', '"outputs"', '"input"', '"output"', '"body"', '"document"')


def page(name: str, *arguments: Any) -> str:
    return reverse(f"admin:{name}", args=arguments)


@pytest.fixture
def full(world: World, root: User) -> World:
    """Something of everything."""
    shop = Endpoint.objects.create(slug="shop", scheme="standard", secret="whsec_" + "YWJj" * 8)
    for verdict in ("accepted", "bad_signature"):
        Receipt.objects.create(
            endpoint=shop, slug="shop", verdict=verdict, body=HOSTILE.encode() + b"\xff\x00", size=30
        )
    Connection.objects.create(slug="crm", base_urls=["https://crm.example.com"], auth={"type": "bearer", "token": "t"})
    Worker.objects.create(host="ops-1", pid=1)
    batch = Batch.objects.create(reason=HOSTILE, by=root)
    BatchItem.objects.create(batch=batch, dead_letter=world.letter, state="done")
    return world


@pytest.mark.parametrize("name", LISTS)
def test_a_list_without_rows_says_what_to_do(browse: Browse, root: User, name: str) -> None:
    answer = browse(root).get(page(f"{name}_changelist"))
    assert answer.status_code == 200
    assert "No results found" not in answer.content.decode()


@pytest.mark.parametrize("name", LISTS)
def test_a_list_renders(browse: Browse, root: User, full: World, name: str) -> None:
    answer = browse(root).get(page(f"{name}_changelist"))
    assert answer.status_code == 200
    assert HOSTILE not in answer.content.decode()


@pytest.mark.parametrize("search", ["7", "#7", "order 7", "nothing", HOSTILE])
@pytest.mark.parametrize("name", ["automations_runs_run", "automations_runs_deadletter", "automations_runs_event"])
def test_a_search_never_fails(browse: Browse, root: User, full: World, name: str, search: str) -> None:
    assert browse(root).get(page(f"{name}_changelist"), {"q": search}).status_code == 200


def test_runs_are_found_by_their_subject(browse: Browse, root: User, workflow: Workflow) -> None:
    found, other = make_run(workflow, 41), make_run(workflow, 42)
    text = browse(root).get(page("automations_runs_run_changelist"), {"q": "order 41"}).content.decode()
    assert page("automations_runs_run_change", found.pk) in text
    assert page("automations_runs_run_change", other.pk) not in text


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ({"status": "failed"}, True),
        ({"status": "succeeded"}, False),
        ({"mode": "execute"}, True),
        ({"mode": "simulate"}, False),
        ({"since": "1h"}, True),
        ({"workflow": "order-routing"}, True),
        ({"workflow": "another"}, False),
    ],
)
def test_filters_of_runs(browse: Browse, root: User, world: World, query: dict[str, str], shown: bool) -> None:
    text = browse(root).get(page("automations_runs_run_changelist"), query).content.decode()
    assert (page("automations_runs_run_change", world.run.pk) in text) is shown


def test_the_last_hour_leaves_older_runs_out(browse: Browse, root: User, workflow: Workflow) -> None:
    old, new = make_run(workflow, 1), make_run(workflow, 2)
    Run.objects.filter(pk=old.pk).update(created_at=timezone.now() - timezone.timedelta(hours=3))
    text = browse(root).get(page("automations_runs_run_changelist"), {"since": "1h"}).content.decode()
    assert page("automations_runs_run_change", new.pk) in text
    assert page("automations_runs_run_change", old.pk) not in text


def test_every_page_about_one_thing_renders_and_escapes(browse: Browse, root: User, full: World) -> None:
    client, workflow = browse(root), full.workflow
    addresses = [page("index"), page("automations_workflow_add"), page("automations_workflow_import")]
    names = ("overview", "change", "definition", "releases", "access", "history", "test", "scenarios", "duplicate")
    addresses += [page(f"automations_workflow_{name}", workflow.pk) for name in (*names, "rename", "delete")]
    addresses += [page("automations_workflow_simple_history", workflow.pk, workflow.history.first().pk)]
    rows = [full.run, full.event, full.evaluation, full.letter, Batch.objects.get(), Worker.objects.get()]
    rows += [Endpoint.objects.get(), *Receipt.objects.all(), Connection.objects.get(), root]
    addresses += [page(f"{row._meta.app_label}_{row._meta.model_name}_change", row.pk) for row in rows]
    for name in (
        "automations_connection",
        "automations_webhooks_endpoint",
        "knox_authtoken",
        "auth_user",
        "auth_group",
    ):
        addresses.append(page(f"{name}_add"))
    for address in addresses:
        answer = client.get(address)
        assert answer.status_code == 200, address
        assert HOSTILE not in answer.content.decode(), address


def test_the_run_page_explains_decision_error_and_what_to_do(browse: Browse, root: User, world: World) -> None:
    text = browse(root).get(page("automations_runs_run_change", world.run.pk)).content.decode()
    for words in (
        "event.order.total = 250, needed &gt; 100",
        "The receiver answered 500.",
        "3 of 3",
        "gave up",
        "Failed",
    ):
        assert words in text


def test_pending_steps_are_on_the_run_page_too(browse: Browse, root: User, workflow: Workflow) -> None:
    run = make_run(workflow, status="running")
    run.steps.all().delete()
    text = browse(root).get(page("automations_runs_run_change", run.pk)).content.decode()
    assert "announce" in text
    assert "Pending" in text
    assert "every 2s" in text  # it keeps itself fresh until the run has ended


def test_the_overview_tells_the_workflow_in_sentences(browse: Browse, ana: User, workflow: Workflow) -> None:
    text = browse(ana).get(page("automations_workflow_overview", workflow.pk)).content.decode()
    for words in ("When order.paid arrives", "Compute text, total", "event.order.total &gt; 100", "to ops@example.com"):
        assert words in text
    assert "No positive scenario has passed" in text


@pytest.mark.parametrize("name", ["automations_runs_run", "automations_runs_deadletter", "automations_runs_event",
                                  "automations_runs_evaluation", "automations_workflow"])  # fmt: skip
def test_a_list_costs_the_same_for_more_rows_and_reads_no_payload(
    browse: Browse, ana: User, workflow: Workflow, name: str
) -> None:
    client, address = browse(ana), page(f"{name}_changelist")
    for number in range(5):
        Workflow.objects.create(slug=f"w{number}", owner=ana)
    runs = [make_run(workflow, number) for number in range(3)]
    _letters(runs)
    client.get(address)
    with CaptureQueriesContext(connection) as few:
        client.get(address)
    _letters([make_run(workflow, number) for number in range(10, 30)])
    for number in range(5, 15):
        Workflow.objects.create(slug=f"w{number}", owner=ana)
    with CaptureQueriesContext(connection) as many:
        client.get(address)
    assert len(many) <= len(few)
    read = " ".join(query["sql"] for query in many if "COUNT" not in query["sql"])
    assert not [column for column in PAYLOADS if column in read]


def test_no_list_of_execution_counts_its_table(browse: Browse, root: User, world: World) -> None:
    for name in ("run", "event", "evaluation", "deadletter"):
        with CaptureQueriesContext(connection) as queries:
            browse(root).get(page(f"automations_runs_{name}_changelist"))
        counts = [q["sql"] for q in queries if "COUNT" in q["sql"] and "LIMIT" not in q["sql"]]
        assert not counts


def _letters(runs: list[Run]) -> None:
    for run in runs:
        DeadLetter.objects.create(
            workflow=run.workflow, run=run, step="announce", fingerprint=ERROR["fingerprint"],
            opened_at=timezone.now(), error=ERROR,
        )  # fmt: skip


def test_the_home_page_shows_what_needs_somebody(browse: Browse, ana: User, world: World) -> None:
    text = browse(ana).get(page("index")).content.decode()
    assert "The receiver answered 500." in text
    assert "1 open" in text
    assert "No worker is running." in text


def test_home_tells_a_newcomer_how_to_begin(browse: Browse, root: User) -> None:
    assert "Begin with a workflow" in browse(root).get(page("index")).content.decode()


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("actions[1].config.connection", "step announce, settings: connection"),
        ("triggers[0].filter", "trigger paid, only if"),
        ("conditions.large.all[0].operator", "condition large, all: [0].operator"),
        ("actions[9].when", "step 9, only when"),
        ("run_as", "run_as"),
        ("", ""),
    ],
)
def test_a_place_in_the_definition_is_told_in_words(path: str, words: str) -> None:
    assert story.place(orders(), path) == words


@pytest.mark.parametrize(
    ("milliseconds", "words"),
    [(None, "–"), (0, "0 ms"), (999, "999 ms"), (2000, "2 s"), (1440, "1.4 s"), (59_400, "59 s"), (59_600, "1 min"),
     (125_000, "2 min 5 s"), (3_600_000, "1 h"), (11_400_000, "3 h 10 min"), (90_000_000, "1 d 1 h")],
)  # fmt: skip
def test_a_duration_reads_as_people_say_it(milliseconds: Any, words: str) -> None:
    assert html.span(milliseconds) == words


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        ({"field": "event.a", "operator": "gt", "value": 1}, "event.a > 1"),
        ({"any": [{"field": "event.a", "operator": "exists"}, {"expression": "event.b"}]}, "event.a is present or event.b"),
        ({"none": [{"field": "event.a", "operator": "in", "value": ["x"]}]}, 'none of: event.a is one of ["x"]'),
        ("not large", 'not large: event.t ≥ 5'),
        ("event.a == 1", "event.a == 1"),
        ({"all": "broken"}, ""),
        (7, "…"),
    ],
)  # fmt: skip
def test_a_condition_reads_as_a_phrase(tree: Any, words: str) -> None:
    assert story.condition(tree, {"large": {"field": "event.t", "operator": "gte", "value": 5}}) == words
