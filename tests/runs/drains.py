"""Runs a real drain inside a test until there is nothing left for it to do."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

from django.db import connection

from runs.executor.drain import Drain
from runs.models import Agenda


def carry_all(timeout: float = 30, *, asleep: bool = False, **options: Any) -> None:
    """Carry runs until nothing is ready or owned (with `asleep`, until nothing sleeps either)."""
    drain = Drain(**options)
    failure: list[BaseException] = []

    def run() -> None:
        try:
            asyncio.run(drain.run())
        except BaseException as error:
            failure.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert drain.ready.wait(5)
    end = time.monotonic() + timeout
    try:
        while time.monotonic() < end and not failure:
            busy = Agenda.objects.exclude(rank=None, owner=None)
            if asleep:
                busy = busy | Agenda.objects.exclude(wake_at=None)
            if not busy.exists():
                break
            time.sleep(0.02)
        else:
            rows = list(Agenda.objects.values())
            if failure:
                raise failure[0]
            raise AssertionError(f"the drain did not come to an end: {rows} {failure}")
    finally:
        drain.finish()
        thread.join(25)
    if failure:
        raise failure[0]
