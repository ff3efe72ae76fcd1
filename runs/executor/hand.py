"""A run in a worker's hand: what was loaded when it was claimed, and what has happened since."""

from __future__ import annotations

import json
from asyncio import Task
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.backends.utils import CursorWrapper

from automations.engine.errors import DefinitionError
from automations.engine.parts import Plan
from automations.engine.state import RunState, StepState
from automations.plans import plan_by_id
from runs.agenda import Taken
from runs.database import marks, moment, stamp
from runs.executor import asked
from runs.executor.asked import Approvals
from runs.states import RunStatus


@dataclass(frozen=True, slots=True)
class RunFacts:
    """Columns of the run that never change while it is in hand."""

    id: int
    workflow: int
    version: int
    mode: str
    trigger: str
    origin: int
    generation: int
    reopened: int
    subject_type: str
    subject_key: str
    outputs: Any


@dataclass(slots=True)
class Hand:
    """`known` holds steps that have a row; `inputs` the rendered input of those (same bytes at every attempt)."""

    taken: Taken
    run: RunFacts
    plan: Plan
    state: RunState
    seen: int  # the signals this hand's state includes
    inputs: dict[str, Any] = field(default_factory=dict)
    started: dict[str, datetime] = field(default_factory=dict)
    read: dict[str, Any] = field(default_factory=dict)  # step → the values its `when` read
    performing: dict[str, Task[None]] = field(default_factory=dict)
    waiting_commit: int = 0  # entries of this run in the committer's queue
    wake_at: datetime | None = None
    struck: bool = False
    approvals: Approvals = field(default_factory=Approvals)
    carried: Any = None  # an Entry of skips and pure outcomes, to ride along with the next commit

    @property
    def id(self) -> int:
        return self.taken.id


_RUN = """
SELECT r.id, r.workflow_id, r.version_id, r.mode, r.trigger, r.origin_id, r.generation, r.reopened,
       r.subject_type, r.subject_key, r.outputs, r.created_at, r.started_at, r.deadline, r.cancelled_at,
       e.id, e.received_at, e.headers, e.attributes, e.payload
FROM automations_runs_run r JOIN automations_runs_event e ON e.id = r.event_id WHERE r.id IN ({})
"""
_STEPS = """
SELECT run_id, action, status, attempt, due_at, ready_at, started_at, finished_at, not_reached, reason, error, input,
       output FROM automations_runs_step WHERE "index" = -1 AND run_id IN ({})
"""


class Unloadable(Exception):
    """This worker cannot carry this run: its definition needs a kind that is not installed here."""


def load(cursor: CursorWrapper, rows: Iterable[Taken], now: datetime) -> tuple[list[Hand], list[Taken]]:
    """Load claimed runs and mark them running. Returns the hands, and the rows this worker cannot carry."""
    taken = {row.target: row for row in rows}
    if not taken:
        return [], []
    ids = list(taken)
    cursor.execute(
        f"UPDATE automations_runs_run SET status = %s, started_at = coalesce(started_at, %s) "
        f"WHERE id IN ({marks(ids)}) AND status IN (%s, %s)",
        [RunStatus.RUNNING, stamp(now), *ids, RunStatus.QUEUED, RunStatus.WAITING],
    )
    cursor.execute(_RUN.format(marks(ids)), ids)
    runs = cursor.fetchall()
    steps: dict[int, list[tuple]] = {}
    cursor.execute(_STEPS.format(marks(ids)), ids)
    for row in cursor.fetchall():
        steps.setdefault(row[0], []).append(row)
    hands, unknown = [], []
    for row in runs:
        try:
            hands.append(_hand(taken[row[0]], row, steps.get(row[0], ())))
        except Unloadable:
            unknown.append(taken[row[0]])
    read_approvals(cursor, hands)
    return hands, unknown


def _hand(taken: Taken, row: tuple, steps: Iterable[tuple]) -> Hand:
    facts = RunFacts(
        id=row[0],
        workflow=row[1],
        version=row[2],
        mode=row[3],
        trigger=row[4],
        origin=row[5] or row[0],
        generation=row[6],
        reopened=row[7],
        subject_type=row[8],
        subject_key=row[9],
        outputs=_json(row[10]),
    )
    plan = _plan(facts.version)
    trigger = plan.trigger_by_key.get(facts.trigger)
    state = RunState(
        steps={},
        event=_json(row[19]),
        trigger={
            "key": facts.trigger,
            "kind": trigger.kind if trigger else "",
            "id": row[15],
            "received_at": moment(row[16]),
            "headers": _json(row[17]) or {},
            "attributes": _json(row[18]) or {},
        },
        run={"id": facts.id, "mode": facts.mode, "started_at": moment(row[12])},
        workflow={"slug": plan.slug, "name": plan.name},
        created_at=moment(row[11]),  # type: ignore[arg-type]
        deadline=moment(row[13]),
        cancelled=row[14] is not None,
    )
    hand = Hand(taken, facts, plan, state, taken.signals, struck=bool(taken.strikes))
    for step in steps:
        _step(hand, step)
    return hand


def _plan(version: int) -> Plan:
    try:
        return plan_by_id(version)
    except DefinitionError as error:
        raise Unloadable(str(error)) from error


def _step(hand: Hand, row: tuple) -> None:
    """Take over a recorded step. One that was being performed when its worker died is performed again under the same
    key, unless it is unsafe: then nobody knows whether it happened, and a person decides."""
    _, key, status, attempt, due, ready, started, finished, not_reached, reason, error, given, output = row
    if given is not None:
        hand.inputs[key] = json.loads(given)
    if started is not None:
        hand.started[key] = moment(started)  # type: ignore[assignment]
    if status == "running":
        action = hand.plan.by_key.get(key)
        status = "unknown" if action and action.safety == "unsafe" else "pending"
    hand.state.steps[key] = StepState(
        status=status,
        attempt=attempt,
        output=_json(output),
        reason=reason,
        due_at=moment(due),
        ready_at=moment(ready),
        finished_at=moment(finished),
        error=_json(error),
        not_reached=bool(not_reached),
    )


def read_approvals(cursor: CursorWrapper, hands: Iterable[Hand]) -> None:
    """Read what people, or time, have decided about the steps of these runs."""
    asking = {hand.run.id: hand for hand in hands if asks(hand)}
    for run, approvals in asked.read(cursor, [hand.run for hand in asking.values()]).items():
        asking[run].approvals = approvals


def asks(hand: Hand) -> bool:
    """Whether people decide about steps of this run."""
    return any(action.approval for action in hand.plan.by_key.values())


def _json(text: str | None) -> Any:
    return None if text is None else json.loads(text)


def look_again(hands: Sequence[Hand]) -> tuple[set[int], dict[int, Approvals]]:
    """(runs somebody wants cancelled, run id → approvals as they are now)."""
    ids = [hand.run.id for hand in hands]
    if not ids:
        return set(), {}
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id FROM automations_runs_run WHERE cancelled_at IS NOT NULL AND id IN ({marks(ids)})", ids
        )
        return {row[0] for row in cursor.fetchall()}, asked.read(cursor, [h.run for h in hands if asks(h)])
