"""Group commit: what happened to many runs, written in one fenced transaction.

The fence reads which of the rows are still this worker's, under lock; nothing else is written. So a worker that was
buried meanwhile changes nothing, and one transaction serves as many runs as had something to say.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from automations.models import Epoch
from runs import agenda, batches
from runs.agenda import Letting
from runs.database import Clock, critical, execute_many, for_update, insert, marks, stamp
from runs.executor import asked
from runs.executor.asked import Request
from runs.executor.hand import Hand
from runs.states import DeadLetterState, StepStatus


@dataclass(slots=True)
class StepRow:
    """A step as it is stored. `input` and `output` are JSON text; an input once stored stays."""

    key: str
    kind: str
    status: str
    attempt: int = 0
    due_at: datetime | None = None
    ready_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    not_reached: bool = False
    reason: str = ""
    values: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    input: str | None = None
    output: str | None = None


@dataclass(frozen=True, slots=True)
class LogRow:
    at: datetime
    level: str
    step: str
    message: str
    data: dict[str, Any] | None = None


@dataclass(slots=True)
class Entry:
    """What one run has to record, and what it will do once that is committed."""

    hand: Hand
    steps: dict[str, StepRow] = field(default_factory=dict)
    log: list[LogRow] = field(default_factory=list)
    letters: dict[str, dict[str, Any]] = field(default_factory=dict)  # step → error: a dead letter opens
    status: str | None = None  # of the run, when it changes
    warnings: int = 0
    error: dict[str, Any] | None = None
    letting: Letting | None = None
    requests: list[Request] = field(default_factory=list)  # approvals to ask for
    voids: list[tuple[str, tuple[str, ...], str]] = field(default_factory=list)  # (step, in states, reason)
    effects: list[tuple[str, datetime]] = field(default_factory=list)  # to perform after the commit

    @property
    def finished(self) -> bool:
        return self.letting is not None and self.letting.finished

    def empty(self) -> bool:
        return not (self.steps or self.log or self.letters or self.status or self.letting or self.voids)


@dataclass(frozen=True, slots=True)
class Committed:
    """Row id → signals of those that were still ours; the rest are lost to us."""

    signals: dict[int, int]
    epoch: int
    ready_now: bool  # something became ready: somebody should look


def commit(owner: int, entries: Sequence[Entry], clock: Clock) -> Committed:
    """Write them all or nothing. Raises the database's error; the caller cuts the group in halves."""
    limited = {e.hand.taken.limit_key for e in entries if e.letting and e.hand.taken.limit_key}
    with critical() if limited else transaction.atomic(), connection.cursor() as cursor:
        signals = fence(cursor, owner, [entry.hand.id for entry in entries])
        ours = [entry for entry in entries if entry.hand.id in signals]
        now = clock.read(cursor)
        write_steps(cursor, ours)
        _log(cursor, ours)
        _dead_letters(cursor, ours)
        asking = asked.write(cursor, ours, now)
        _runs(cursor, ours, now)
        lettings = [entry.letting for entry in ours if entry.letting]
        agenda.let_go(cursor, owner, lettings, now)
        _clear_strikes(cursor, ours)
        moved = agenda.unblock(cursor, (key for key in limited if key)) if limited else 0
        missed = any(not one.finished and signals[one.id] != one.seen for one in lettings)
        return Committed(signals, Epoch.current(), bool(moved or missed or asking))


def fence(cursor: CursorWrapper, owner: int, ids: Sequence[int]) -> dict[int, int]:
    """Row id → signals of the rows this worker still owns, locked in ascending order."""
    unique = sorted(set(ids))
    if not unique:
        return {}
    cursor.execute(f"{_OWNED.format(marks(unique))} ORDER BY id{for_update()}", [owner, *unique])
    return dict(cursor.fetchall())


_OWNED = f"SELECT id, signals FROM {agenda.TABLE} WHERE owner = %s AND id IN ({{}})"


def owned(owner: int, ids: Sequence[int]) -> dict[int, int]:
    """Like `fence`, without locks: row id → signals of the rows this worker still owns."""
    with connection.cursor() as cursor:
        cursor.execute(_OWNED.format(marks(ids)), [owner, *ids])
        return dict(cursor.fetchall())


_STEP_COLUMNS = (
    "action kind status attempt due_at ready_at started_at finished_at not_reached reason values error input output"
).split()
_STEP_CONFLICT = (
    'ON CONFLICT (run_id, action, "index") DO UPDATE SET '
    + ", ".join(f'"{name}" = excluded."{name}"' for name in _STEP_COLUMNS if name not in ("action", "kind", "input"))
    + ", input = coalesce(automations_runs_step.input, excluded.input)"
)


def write_steps(cursor: CursorWrapper, entries: Sequence[Entry]) -> None:
    """Insert or update the entries' steps, inside the caller's transaction and behind its fence."""
    # The last row of a step counts: one statement may not touch a row twice.
    latest = {(entry.hand.run.id, key): row for entry in entries for key, row in entry.steps.items()}
    insert(
        cursor,
        "automations_runs_step",
        ["run_id", '"index"', *(f'"{name}"' for name in _STEP_COLUMNS)],
        [
            (
                run,
                -1,
                row.key,
                row.kind,
                row.status,
                row.attempt,
                stamp(row.due_at),
                stamp(row.ready_at),
                stamp(row.started_at),
                stamp(row.finished_at),
                row.not_reached,
                row.reason,
                _text(row.values or None),
                _text(row.error),
                row.input,
                row.output,
            )
            for (run, _), row in sorted(latest.items())
        ],
        conflict=_STEP_CONFLICT,
    )


def _text(value: Any) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)


def _log(cursor: CursorWrapper, entries: Sequence[Entry]) -> None:
    insert(
        cursor,
        "automations_runs_logentry",
        ["run_id", "at", "level", "step", "message", "data"],
        [
            (entry.hand.run.id, stamp(row.at), row.level, row.step, row.message, _text(row.data))
            for entry in entries
            for row in entry.log
        ],
    )


def _dead_letters(cursor: CursorWrapper, entries: Sequence[Entry]) -> None:
    """Open one for each step that gave up; settle those whose step has got through after a replay."""
    columns = (
        "run_id step index workflow_id state fingerprint subject_type subject_key opened_at replays cause fixed_in "
        "note error"
    )
    rows = [
        (
            entry.hand.run.id,
            step,
            -1,
            entry.hand.run.workflow,
            DeadLetterState.OPEN,
            error["fingerprint"],
            entry.hand.run.subject_type,
            entry.hand.run.subject_key,
            stamp(entry.steps[step].finished_at or entry.hand.state.created_at),
            0,
            "",
            "",
            "",
            _text(error),
        )
        for entry in entries
        for step, error in entry.letters.items()
    ]
    insert(
        cursor,
        "automations_runs_deadletter",
        [f'"{name}"' for name in columns.split()],
        rows,
        conflict='ON CONFLICT (run_id, step, "index") DO UPDATE SET state = excluded.state, error = excluded.error, '
        "fingerprint = excluded.fingerprint, closed_at = NULL",
    )
    again = [entry for entry in entries if entry.hand.run.reopened]
    passed = [
        (entry.hand.run.id, key)
        for entry in again
        for key, row in entry.steps.items()
        if row.status in (StepStatus.SUCCEEDED, StepStatus.SKIPPED) and not row.not_reached
    ]
    failed = [(entry.hand.run.id, step) for entry in again for step in entry.letters]
    batches.settle(cursor, passed=passed, failed=failed, ended=[e.hand.run.id for e in again if e.finished])


def _runs(cursor: CursorWrapper, entries: Sequence[Entry], now: datetime) -> None:
    execute_many(
        cursor,
        "UPDATE automations_runs_run SET status = %s, finished_at = %s, warnings = %s, error = %s WHERE id = %s",
        (
            (
                entry.status,
                stamp(now) if entry.finished else None,
                entry.warnings,
                _text(entry.error),
                entry.hand.run.id,
            )
            for entry in entries
            if entry.status
        ),
    )


def _clear_strikes(cursor: CursorWrapper, entries: Sequence[Entry]) -> None:
    """A committed outcome clears a suspect that stays in hand (a letting clears by itself)."""
    ids = [entry.hand.id for entry in entries if entry.hand.struck and not entry.letting]
    if ids:
        cursor.execute(f"UPDATE {agenda.TABLE} SET strikes = 0, alone = 0 WHERE id IN ({marks(ids)})", ids)
