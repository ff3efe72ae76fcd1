"""Steps whose effect is in our own database: effect and record stand or fall together, in one short transaction.

A thread and connection of its own carries them, so that a wait for a row never holds up claims and commits. Each
transaction first locks the run's agenda row while it is still this worker's (a buried worker changes nothing), then
lets the kind act, then writes the step as succeeded. Dying before the commit leaves nothing behind; dying after it
leaves a finished step, which the next owner finds.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.backends.utils import CursorWrapper

from automations.engine.errors import StepError
from automations.engine.operators import equal
from automations.engine.parts import ActionPlan
from automations.kinds import Call, actions
from runs.database import Clock, disconnect, is_postgres
from runs.executor.database_thread import DatabaseThread
from runs.executor.hand import Hand
from runs.executor.perform import STEP_TIMEOUT, Outcome, as_step_error, call_of, storable
from runs.executor.record import Entry, StepRow, fence, write_steps
from runs.states import StepStatus

log = logging.getLogger("automation.drain")

#: What a transaction waits for a row at most; then it is tried again from its start.
LOCK_TIMEOUT = "50ms"
#: Seconds until the next try after a wait that was too long, at most (a random part of it).
PAUSE = 0.05
#: SQLSTATEs of a wait that was too long and of a deadlock: everything is rolled back, and another try is in order.
CONTENDED = ("55P03", "40P01", "40001")


def is_transactional(action: ActionPlan) -> bool:
    return actions[action.kind].transactional


class Transactor:
    """Performs transactional steps for the worker `me` on a database thread of its own."""

    def __init__(self, me: int, store: DatabaseThread, clock: Clock) -> None:
        self.me, self.store, self.clock = me, store, clock

    async def perform(self, hand: Hand, key: str, value: Any, ready_at: datetime) -> Outcome | None:
        """One attempt; None when the run is not this worker's any more. Raises Buried."""
        work = _work(hand, key, value, ready_at)
        began = time.monotonic()
        limit = work.action.timeout or STEP_TIMEOUT
        while True:
            try:
                return await self.store.call(transact, self.me, work, self.clock)
            except (OperationalError, InterfaceError) as error:
                self.store.check_alive(error)
                if not _contended(error):  # it may even have been committed: only another look can tell
                    log.warning("the database did not answer: %s", error)
                    await self.store.call(disconnect)
                elif time.monotonic() - began > limit:
                    message = f"Its rows were locked for {limit:g} s."
                    slow = StepError("timeout", message, retryable=True, cause=str(error))
                    return Outcome(key, error=slow, elapsed=time.monotonic() - began)
                await asyncio.sleep(PAUSE * random.random())  # noqa: S311  spreads tries, no secret


@dataclass(frozen=True, slots=True)
class Work:
    """What the transaction needs of a run in hand, copied in the loop's own thread."""

    hand: Hand
    action: ActionPlan
    call: Call
    row: StepRow


def _work(hand: Hand, key: str, value: Any, ready_at: datetime) -> Work:
    action, state = hand.plan.by_key[key], hand.state.steps[key]
    call = call_of(hand, action, value, ready_at)
    row = StepRow(
        key=key,
        kind=action.kind,
        status=StepStatus.SUCCEEDED,
        attempt=call.attempt,
        ready_at=state.ready_at,
        started_at=hand.started.get(key),
        reason=state.reason,
        input=json.dumps(value, ensure_ascii=False, separators=(",", ":")),
    )
    return Work(hand, action, call, row)


def transact(owner: int, work: Work, clock: Clock) -> Outcome | None:
    """Act and record, or neither; None when the run is not this worker's any more.

    Raises OperationalError, InterfaceError; whatever else the kind raises is in the outcome.
    """
    began = time.monotonic()
    key, notes = work.row.key, work.call.notes
    notes.clear()  # of a try that was rolled back
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            if is_postgres():
                cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
            if not fence(cursor, owner, [work.hand.id]):
                return None
            output = _done_before(cursor, work)
            if output is None:
                output = storable(actions[work.action.kind].transact(work.call))
                work.row.output, work.row.finished_at = output, clock.now()
                write_steps(cursor, [Entry(work.hand, steps={key: work.row})])
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:
        return Outcome(key, error=as_step_error(error), notes=notes, elapsed=time.monotonic() - began)
    return Outcome(key, json.loads(output), output, notes=notes, elapsed=time.monotonic() - began)


_OWN = """
SELECT output FROM automations_runs_step WHERE run_id = %s AND action = %s AND "index" = %s AND status = 'succeeded'
"""
_SAME_KEY = """
SELECT s.input, s.output FROM automations_runs_step s JOIN automations_runs_run r ON r.id = s.run_id
WHERE (r.id = %s OR r.origin_id = %s) AND r.generation = %s AND r.mode = 'execute'
  AND s.action = %s AND s."index" = %s AND s.kind = %s AND s.status = 'succeeded' ORDER BY s.id
"""


def _done_before(cursor: CursorWrapper, work: Work) -> str | None:
    """The output of this step where it was performed already: by a commit whose answer was lost, or, with the same
    input, in another run of the same origin and generation. A receiver outside would know it by its key."""
    run, call = work.hand.run, work.call
    cursor.execute(_OWN, [run.id, call.step, call.index])
    row = cursor.fetchone()
    if row or run.origin == run.id:
        return row[0] if row else None
    if is_postgres():  # two replays of one run take turns; a note in its log is not held up
        cursor.execute("SELECT id FROM automations_runs_run WHERE id = %s FOR NO KEY UPDATE", [run.origin])
    cursor.execute(_SAME_KEY, [run.origin, run.origin, run.generation, call.step, call.index, work.action.kind])
    for given, output in cursor.fetchall():
        if given is not None and equal(json.loads(given), call.input):
            call.log("info", "It was performed under this key before: its output is taken over.")
            return output
    return None


def _contended(error: Exception) -> bool:
    """Whether the transaction surely was rolled back because it waited for a row, or for SQLite's one lock."""
    state = getattr(error.__cause__, "sqlstate", None)
    return state in CONTENDED if state else "database is locked" in str(error)
