"""`replay_dead_letters`: waits until all have ended, and says by its exit how it went."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from runs.executor.drain import Drain
from runs.models import Batch, DeadLetter, Run
from tests import builders
from tests.builders import action, workflow
from tests.receiver import Receiver
from tests.runs.failures import letter, run_of

CALL = {"connection": "crm", "method": "POST", "path": "/notes", "json": {"id": 7}}


@contextmanager
def worker() -> Iterator[None]:
    """A living drain."""
    import asyncio

    drain = Drain()

    def carry() -> None:
        asyncio.run(drain.run())
        connection.close()

    thread = threading.Thread(target=carry, daemon=True)
    thread.start()
    assert drain.ready.wait(5)
    try:
        yield
    finally:
        drain.finish()
        thread.join(25)


def replay(*arguments: str) -> str:
    out = StringIO()
    call_command("replay_dead_letters", *arguments, stdout=out)
    return out.getvalue()


@pytest.fixture
def failed(transactional_db: None) -> Iterator[Callable[[int], Receiver]]:
    """Make dead letters of calls to a receiver."""
    with Receiver() as receiver:
        builders.connection("crm", receiver.url)
        made = workflow(action("notify", "http.request", config=CALL))

        def make(count: int) -> Receiver:
            for _ in range(count):
                one = letter(run_of(made), "notify")
                one.run.steps.update(input=CALL)
            return receiver

        yield make


def test_it_waits_until_all_runs_have_gone_on_from_the_failed_step(failed: Callable[[int], Receiver]) -> None:
    receiver = failed(3)
    with worker():
        said = replay("--workflow", "orders", "--reason", "healed")
    assert "3 done, 0 failed, 0 skipped of 3" in said
    assert len(receiver.calls) == 3
    assert set(Run.objects.values_list("status", flat=True)) == {"succeeded"}
    assert set(DeadLetter.objects.values_list("state", flat=True)) == {"resolved"}
    assert Batch.objects.get().state == "finished"


def test_it_fails_when_one_failed_again_and_stops_when_told(failed: Callable[[int], Receiver]) -> None:
    failed(3).status = 404
    with worker(), pytest.raises(CommandError, match="1 failed"):
        replay("--stop-after", "1")
    assert Batch.objects.get().state == "stopped"
    assert set(DeadLetter.objects.values_list("state", flat=True)) == {"open"}


def test_a_rehearsal_sends_nothing(failed: Callable[[int], Receiver]) -> None:
    receiver = failed(2)
    with worker():
        said = replay("--simulate", "--limit", "1")
    assert "1 done" in said
    assert receiver.calls == []
    assert Run.objects.filter(mode="simulate").count() == 1


def test_a_dry_run_only_counts(failed: Callable[[int], Receiver]) -> None:
    failed(2)
    assert "total: 2\nrepeats: 2\n" in replay("--dry-run")
    assert not Batch.objects.exists()


def test_a_filter_that_cannot_be_read_is_said(failed: Callable[[int], Any]) -> None:
    with pytest.raises(CommandError, match=r"filter\.since"):
        replay("--dry-run", "--since", "yesterday")


def test_without_a_worker_nothing_is_begun(failed: Callable[[int], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    from runs.management.commands import replay_dead_letters as command

    monkeypatch.setattr(command, "PATIENCE", 0.0)
    failed(1)
    with pytest.raises(CommandError, match="No worker is alive"):
        replay()
    assert not Batch.objects.exists()
