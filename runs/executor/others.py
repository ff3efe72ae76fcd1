"""What the drain does besides carrying runs: rows of other kinds, rows it cannot carry, and calling for help."""

from __future__ import annotations

import logging
import time
from datetime import timedelta

from django.db import connection, transaction

from runs import agenda, tasks
from runs.agenda import Letting, Taken
from runs.database import Clock

log = logging.getLogger("automation.drain")
#: Seconds until a row is tried again that this worker could not carry, or whose handler failed.
LATER = 30.0


def perform(owner: int, row: Taken) -> None:
    """Do one piece of a batch, a schedule, …; its handler says when to look again, or that it is finished."""
    now = Clock().now()
    try:
        wake_at = agenda.handlers[row.kind](row.target, now)
    except Exception:
        log.exception("the %s %s failed", row.kind, row.target)
        wake_at = now + timedelta(seconds=LATER)
    _let_go(owner, Letting(row.id, row.claim, row.signals, wake_at, finished=wake_at is None))


def postpone(owner: int, row: Taken) -> None:
    """Leave a run to a worker that knows the kinds it needs."""
    log.error("run %s needs a kind that is not installed here", row.target)
    _let_go(owner, Letting(row.id, row.claim, row.signals, Clock().now() + timedelta(seconds=LATER)))


def _let_go(owner: int, letting: Letting) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        agenda.let_go(cursor, owner, [letting], Clock().read(cursor))


class Caller:
    """Asks django-q2 for another drain, at most once a second: one too many finds nothing and returns."""

    def __init__(self) -> None:
        self._last = float("-inf")

    def due(self) -> bool:
        if time.monotonic() - self._last < 1.0:
            return False
        self._last = time.monotonic()
        return True

    def call(self) -> None:
        tasks.enqueue_drain()
