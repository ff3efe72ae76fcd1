"""What a run in hand knows of its approvals: read with its steps, written with the group commit.

People decide (runs/approvals.py), time decides (runs/reminders.py); the run's owner asks, and voids what it no longer
asks for. Each is a guarded UPDATE, so nobody takes back what another has decided.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db.backends.utils import CursorWrapper

from automations.engine.parts import ApprovalPlan
from runs import agenda
from runs.agenda import Item
from runs.database import marks, stamp
from runs.models import Approval, Approver
from runs.states import ApprovalState

if TYPE_CHECKING:
    from runs.executor.hand import RunFacts
    from runs.executor.record import Entry

KIND = "approval"  # on the agenda: the row of a pending approval's notices and times


@dataclass(frozen=True, slots=True)
class Asked:
    """The newest approval of a step in this run."""

    state: str
    reason: str = ""


@dataclass(slots=True)
class Approvals:
    """`asked` by step; `held` are (step, input hash) that were approved in this run or one it replays."""

    asked: dict[str, Asked] = field(default_factory=dict)
    held: set[tuple[str, str]] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Request:
    """An approval to ask for: `input` as it would be performed."""

    step: str
    input: Any
    input_hash: str
    plan: ApprovalPlan


_OWN = """
SELECT run_id, step, state, input_hash, reason FROM automations_runs_approval
WHERE "index" = -1 AND run_id IN ({}) ORDER BY id
"""
_BEFORE = """
SELECT coalesce(r.origin_id, r.id), r.generation, a.step, a.input_hash
FROM automations_runs_approval a JOIN automations_runs_run r ON r.id = a.run_id
WHERE a."index" = -1 AND a.state = %s AND (r.id IN ({0}) OR r.origin_id IN ({0}))
"""


def read(cursor: CursorWrapper, runs: Iterable[RunFacts]) -> dict[int, Approvals]:
    """Run id → its approvals. A replay under the same key keeps those of the runs it repeats."""
    by_id = {run.id: run for run in runs}
    found = {run: Approvals() for run in by_id}
    if not by_id:
        return found
    cursor.execute(_OWN.format(marks(list(by_id))), list(by_id))
    for run, step, state, digest, reason in cursor.fetchall():
        found[run].asked[step] = Asked(state, reason)
        if state == ApprovalState.APPROVED:
            found[run].held.add((step, digest))
    origins = sorted({run.origin for run in by_id.values() if run.origin != run.id})
    if origins:
        cursor.execute(_BEFORE.format(marks(origins)), [ApprovalState.APPROVED, *origins, *origins])
        for origin, generation, step, digest in cursor.fetchall():
            for run in by_id.values():
                if (run.origin, run.generation) == (origin, generation):
                    found[run.id].held.add((step, digest))
    return found


def write(cursor: CursorWrapper, entries: Sequence[Entry], now: datetime) -> bool:
    """Void what is no longer asked for, then ask; inside the group commit. Returns whether anybody is asked."""
    for entry in entries:
        for step, states, reason in entry.voids:
            cursor.execute(
                "UPDATE automations_runs_approval SET state = %s, reason = %s, decided_at = %s "
                f'WHERE run_id = %s AND step = %s AND "index" = -1 AND state IN ({marks(states)})',
                [ApprovalState.VOID, reason, stamp(now), entry.hand.run.id, step, *states],
            )
    rows = [_ask(entry, request, now) for entry in entries for request in entry.requests]
    if rows:
        agenda.enqueue(KIND, [Item(row.pk) for row in rows], now)
    return bool(rows)


def _ask(entry: Entry, request: Request, now: datetime) -> Approval:
    plan, run = request.plan, entry.hand.run
    row = Approval.objects.create(
        workflow_id=run.workflow,
        run_id=run.id,
        step=request.step,
        input=request.input,
        input_hash=request.input_hash,
        quorum=plan.quorum,
        policy={
            "expires": plan.expires,
            "on_expiry": plan.on_expiry,
            "remind": plan.remind,
            "escalate_to": list(plan.escalate_to),
        },
        requested_at=now,
        expires_at=after(now, plan.expires),
        notice_at=now,
    )
    Approver.objects.bulk_create(Approver(approval=row, name=name) for name in dict.fromkeys(plan.approvers))
    return row


def after(now: datetime, seconds: float | None) -> datetime | None:
    return None if seconds is None else now + timedelta(seconds=seconds)
