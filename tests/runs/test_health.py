"""Health, readiness and metrics say what is so, with few queries."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from runs import agenda, database, dead_letters, dispatch
from runs.agenda import Item
from runs.executor.watch import Watch
from runs.executor.workers import HOST, Incarnation
from runs.models import DeadLetter, Worker
from tests.builders import action, workflow
from tests.runs.drains import carry_all

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def on_watch() -> Iterator[None]:
    held = threading.Event()
    watch = Watch(on_change=held.set)
    assert held.wait(10)
    try:
        yield
    finally:
        watch.leave()


@contextmanager
def database_gone() -> Iterator[None]:
    def refuse(*_: Any) -> None:
        raise OperationalError("the server closed the connection unexpectedly")

    with connection.execute_wrapper(refuse):
        yield


def due_since(seconds: float) -> None:
    with transaction.atomic():
        agenda.enqueue("run", [Item(1, priority=9)], database.now() - timedelta(seconds=seconds))


def scrape(client: Client) -> dict[str, float]:
    """Name with labels → value."""
    lines = client.get("/metrics").content.decode().splitlines()
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines if not line.startswith("#")}


def test_a_living_process_says_so_without_asking_the_database(
    client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(0):
        assert client.get("/healthz").json() == {"status": "ok"}


def test_it_is_ready_with_a_drain_on_watch_and_nothing_overdue(client: Client) -> None:
    due_since(5)
    with on_watch():
        answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json()["status"] == "ready" and answer.json()["reasons"] == []
    assert answer.json()["queue"]["due"] == 1 and answer.json()["queue"]["oldest_seconds"] >= 5


def test_it_is_not_ready_without_a_drain_on_watch(client: Client) -> None:
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["reasons"] == ["No drain is on watch: start `manage.py work`."]


def test_it_is_not_ready_when_something_has_been_due_for_long(client: Client) -> None:
    due_since(500)
    with on_watch():
        answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["reasons"][0].startswith("Something has been due for 50")


def test_it_is_not_ready_when_the_database_is_gone_and_is_again_afterwards(client: Client) -> None:
    with on_watch():
        with database_gone():
            answer = client.get("/readyz")
        assert answer.status_code == 503
        assert answer.json()["reasons"] == ["The database does not answer: OperationalError."]
        assert client.get("/readyz").status_code == 200


def test_a_sleeper_nobody_woke_counts_as_due(client: Client) -> None:
    now = database.now()
    with transaction.atomic():
        agenda.enqueue("run", [Item(1)], now, wake_at=now - timedelta(seconds=40))
        agenda.enqueue("run", [Item(2)], now, wake_at=now + timedelta(seconds=40))
    found = scrape(client)
    assert found["automation_queue_due"] == 1
    assert found["automation_queue_oldest_seconds"] >= 40


def test_runs_and_errors_are_counted_once_each_and_again_when_reopened(client: Client) -> None:
    fails = workflow(action("act", "specimen.fail"), slug="fails")
    works = workflow(action("act"), slug="works")
    for made in (fails, works, works):
        dispatch.start(made, {}, by=None)
    carry_all()
    found = scrape(client)
    assert found['automation_runs_total{status="succeeded"}'] == 2
    assert found['automation_runs_total{status="failed"}'] == 1
    assert found['automation_runs_total{status="timed_out"}'] == 0
    assert found["automation_run_errors_total"] == found["automation_dead_letters_open"] == 1

    dead_letters.replay(DeadLetter.objects.get(), by=None)
    assert scrape(client)["automation_dead_letters_open"] == 0
    carry_all()
    found = scrape(client)
    assert found['automation_runs_total{status="failed"}'] == 2
    assert found["automation_run_errors_total"] == 2


def test_living_workers_are_shown_with_their_memory_and_dead_ones_are_not(client: Client) -> None:
    Worker.objects.create(host=HOST, pid=1)  # its lock is free
    Worker.objects.create(host="elsewhere", pid=1, beat=1)  # silent for long
    alive = Incarnation()
    try:
        alive.beat(3)
        found = scrape(client)
    finally:
        alive.end()
    assert found["automation_workers"] == 1
    labels = f'{{host="{HOST}",worker="{alive.id}"}}'
    assert found[f"automation_worker_memory_bytes{labels}"] > 1_000_000
    assert scrape(client)["automation_workers"] == 0


def test_without_its_database_it_says_that_it_is_down_and_nothing_else(client: Client) -> None:
    with on_watch():
        with database_gone():
            assert scrape(client) == {"automation_up": 0}
        assert scrape(client)["automation_up"] == 1


def test_a_scrape_costs_the_same_however_much_there_is(client: Client) -> None:
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as few:
        scrape(client)
    for number in range(30):
        Worker.objects.create(host="elsewhere", pid=number, counts={"succeeded": 10})
    now = database.now()
    with transaction.atomic():
        agenda.enqueue("run", [Item(n) for n in range(200)], now)
    with CaptureQueriesContext(connection) as many:
        assert scrape(client)['automation_runs_total{status="succeeded"}'] == 300
    assert len(few) == len(many) <= 8


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_nothing_is_written_and_nothing_else_is_answered(client: Client, path: str) -> None:
    assert client.post(path).status_code == 405
    assert client.get(f"{path}/more").status_code == 404
    assert "no-store" in client.get(path)["Cache-Control"]


def test_probes_are_not_sent_to_https(client: Client, settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = True
    assert client.get("/healthz").status_code == 200
    assert client.get("/admin/login/").status_code == 301
