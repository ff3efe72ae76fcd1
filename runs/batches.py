"""Batches: many dead letters replayed, paced and stoppable, each with its own result.

Which ones is decided once, when the batch is made. Its agenda row paces it: each look replays what is due, every item
in a transaction of its own, until all have ended.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import Count, Q, QuerySet

from automations.engine.errors import AutomationError
from automations.models import Workflow
from automations.permissions import require, workflow_ids
from automations.refusals import Conflict, Invalid
from runs import agenda, bell, database, dead_letters
from runs.agenda import Item
from runs.database import Clock, execute_many, stamp
from runs.models import Batch, BatchItem, DeadLetter
from runs.selection import preview, select, whole
from runs.states import FINISHED_RUN, BatchState, DeadLetterState, RunStatus

KIND = "batch"
State = BatchItem.State
#: Items one look replays at most, and the shortest time between two looks at a paced batch (seconds).
AT_ONCE, TICK = 25, 0.1
#: Seconds between two looks while the last ones are under way: at first, and when that takes long.
SOON, LATE = 0.25, 5.0
DAY = timedelta(days=1)


def create(
    filter: Mapping[str, Any],
    *,
    by: Any,
    limit: int | None = None,
    rate: float | None = None,
    stop_after: int | None = None,
    simulate: bool = False,
    reason: str = "",
) -> Batch:
    """Choose the dead letters (`selection.select`), oldest first, and begin. `rate` is per second, None: at once.

    With `stop_after` never more are under way than may still fail. `simulate` makes simulated runs instead and leaves
    the dead letters open. Raises Invalid.
    """
    rate, limit, stop_after = _rate(rate), whole(limit, "limit"), whole(stop_after, "stop_after")
    with transaction.atomic():
        ids = list(select(filter, by=by).values_list("pk", flat=True)[:limit])
        batch = Batch.objects.create(
            filter={name: str(value) if name == "since" else value for name, value in filter.items()},
            rate=rate,
            stop_after=stop_after,
            simulate=simulate,
            reason=reason,
            by=by,
        )
        BatchItem.objects.bulk_create((BatchItem(batch=batch, dead_letter_id=pk) for pk in ids), batch_size=5000)
        agenda.enqueue(KIND, [Item(batch.pk)], database.now())
        bell.ring_after_commit()
    return batch


def stop(batch: Batch, *, by: Any) -> Batch:
    """Begin no more of it; what is under way goes on. Raises Conflict when it is not running."""
    _require(batch, by)
    with transaction.atomic():
        now = database.now()
        if not _move(batch, BatchState.RUNNING, BatchState.STOPPED, ended_at=now):
            raise Conflict("The batch is not running.")
        agenda.wake(KIND, [batch.pk], now)
    return batch


def resume(batch: Batch, *, by: Any) -> Batch:
    """Go on with a stopped batch; failures so far count no more towards `stop_after`. Raises Conflict."""
    _require(batch, by)
    with transaction.atomic():
        failed = batch.items.filter(state=State.FAILED).count()
        if not _move(batch, BatchState.STOPPED, BatchState.RUNNING, ended_at=None, forgiven=failed):
            raise Conflict("The batch is not stopped.")
        agenda.enqueue(KIND, [Item(batch.pk)], database.now())
        bell.ring_after_commit()
    return batch


def counts(batch: Batch) -> dict[str, int]:
    """`{total, done, failed, skipped}`; the rest is still to come or under way."""
    states = _states(batch)
    return {"total": sum(states.values()), **{name: states.get(name, 0) for name in ("done", "failed", "skipped")}}


def visible_to(user: Any) -> QuerySet[Batch]:
    """The batches `user` made, or in which a workflow is that they may view."""
    allowed = workflow_ids(user, "view")
    if allowed is None:
        return Batch.objects.all()
    items = BatchItem.objects.filter(dead_letter__workflow__in=allowed)
    return Batch.objects.filter(Q(by=user) | Q(pk__in=items.values("batch")))


def _states(batch: Batch) -> dict[str, int]:
    return dict(batch.items.order_by().values_list("state").annotate(n=Count("pk")))


def _move(batch: Batch, old: str, new: str, **values: Any) -> bool:
    moved = Batch.objects.filter(pk=batch.pk, state=old).update(state=new, **values)
    batch.refresh_from_db()
    return bool(moved)


def _require(batch: Batch, by: Any) -> None:
    """Whoever made it may, and whoever may run every workflow in it."""
    if by is None or by.pk == batch.by_id:
        return
    for workflow in Workflow.objects.filter(dead_letters__batch_items__batch=batch).distinct():
        require(by, "run", workflow)


def _rate(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 10_000:
        raise Invalid.at("rate", "Write how many a second, more than 0 and at most 10000.")
    return float(value)


# The agenda's part -------------------------------------------------------------------------------------------------


def perform(target: int, now: datetime) -> datetime | None:
    """Replay what is due of this batch. Returns when to look again, None when it has ended."""
    batch = Batch.objects.filter(pk=target).select_related("by").first()
    if batch is None or batch.state == BatchState.FINISHED:
        return None
    if batch.state == BatchState.STOPPED:
        return now + DAY  # its row stays, so that no resume falls between this look and the row's end
    _catch_up(batch)
    states = _states(batch)
    failed, under_way = states.get(State.FAILED, 0) - batch.forgiven, states.get(State.REPLAYING, 0)
    if not states.get(State.PENDING) and not under_way:
        _move(batch, BatchState.RUNNING, BatchState.FINISHED, ended_at=now)
        return None
    if batch.stop_after and failed >= batch.stop_after:
        _move(batch, BatchState.RUNNING, BatchState.STOPPED, ended_at=now)
        return now + DAY
    room, pause = _pace(batch)
    if batch.stop_after:
        room = min(room, batch.stop_after - failed - under_way)
    begun = _replay_next(batch, room) if room > 0 else 0
    if begun:
        return now + timedelta(seconds=pause)
    age = (now - batch.created_at).total_seconds()
    return now + timedelta(seconds=min(LATE, max(SOON, age / 20)))


agenda.handlers[KIND] = perform


def _pace(batch: Batch) -> tuple[int, float]:
    """(items of one look, seconds until the next), so that the rate is met and never passed in a burst."""
    if batch.rate is None:
        return AT_ONCE, 0.0
    room = min(AT_ONCE, max(1, math.ceil(batch.rate * TICK)))
    return room, room / batch.rate


def _replay_next(batch: Batch, room: int) -> int:
    pending = batch.items.filter(state=State.PENDING).order_by("id")
    items = list(pending.select_related("dead_letter__workflow", "dead_letter__run__version")[:room])
    for item in items:
        try:
            _rehearse(batch, item) if batch.simulate else _replay(batch, item)
        except (AutomationError, PermissionDenied) as refused:
            _end(item, State.SKIPPED, str(refused))
    return len(items)


def _replay(batch: Batch, item: BatchItem) -> None:
    """Reopen its run. Items of the same run that came along are under way too."""
    with transaction.atomic():
        if not BatchItem.objects.filter(pk=item.pk, state=State.PENDING).update(state=State.REPLAYING):
            return
        dead_letters.replay(item.dead_letter, by=batch.by, reason=batch.reason or f"batch {batch.pk}")
        along = DeadLetter.objects.filter(run=item.dead_letter.run_id, state=DeadLetterState.REPLAYING)
        batch.items.filter(state=State.PENDING, dead_letter__in=along).update(state=State.REPLAYING)


def _rehearse(batch: Batch, item: BatchItem) -> None:
    from runs.replay import replay

    run = replay(item.dead_letter.run, by=batch.by, start="failed", simulate=True, reason=batch.reason)
    passed = run.status == RunStatus.SUCCEEDED
    _end(item, State.DONE if passed else State.FAILED, f"run {run.pk}: {run.get_status_display().lower()}")


def _end(item: BatchItem, state: str, message: str) -> None:
    BatchItem.objects.filter(pk=item.pk, state=State.PENDING).update(state=state, message=message)


# Settling ----------------------------------------------------------------------------------------------------------

Steps = Sequence[tuple[int, str]]

NOT_REACHED = "The run ended before this step was performed."
_END_ITEMS = "UPDATE automations_runs_batchitem SET state = %s, message = %s WHERE state = %s AND dead_letter_id IN"
_OF_STEP = 'SELECT id FROM automations_runs_deadletter WHERE run_id = %s AND step = %s AND "index" = -1'


def settle(cursor: CursorWrapper, *, passed: Steps, failed: Steps, ended: Sequence[int] = ()) -> None:
    """Of reopened runs, in the executor's own transaction: dead letters and items end as their (run, step) did.

    `passed` got through, `failed` gave up again (their dead letters are open already), `ended` are runs that are over:
    what they never reached is open again.
    """
    if not (passed or failed or ended):
        return
    now = stamp(Clock().read(cursor))
    execute_many(
        cursor,
        "UPDATE automations_runs_deadletter SET state = %s, closed_at = %s "
        'WHERE run_id = %s AND step = %s AND "index" = -1 AND state = %s',
        [(DeadLetterState.RESOLVED, now, *one, DeadLetterState.REPLAYING) for one in passed],
    )
    execute_many(
        cursor,
        f"{_END_ITEMS} ({_OF_STEP})",
        [(State.DONE, "", State.REPLAYING, *one) for one in passed]
        + [(State.FAILED, "It failed again.", State.REPLAYING, *one) for one in failed],
    )
    execute_many(
        cursor,
        f"{_END_ITEMS} (SELECT id FROM automations_runs_deadletter WHERE run_id = %s AND state = %s)",
        [(State.FAILED, NOT_REACHED, State.REPLAYING, run, DeadLetterState.REPLAYING) for run in ended],
    )
    execute_many(
        cursor,
        "UPDATE automations_runs_deadletter SET state = %s, closed_at = NULL WHERE run_id = %s AND state = %s",
        [(DeadLetterState.OPEN, run, DeadLetterState.REPLAYING) for run in ended],
    )


def _catch_up(batch: Batch) -> None:
    """Items whose dead letter was moved by somebody else meanwhile."""
    under_way = batch.items.filter(state=State.REPLAYING)
    under_way.filter(dead_letter__state=DeadLetterState.RESOLVED).update(state=State.DONE)
    over = Q(dead_letter__state__in=[DeadLetterState.OPEN, DeadLetterState.DISCARDED])
    under_way.filter(over, dead_letter__run__status__in=FINISHED_RUN).update(state=State.FAILED, message=NOT_REACHED)


__all__ = ["counts", "create", "perform", "preview", "resume", "select", "settle", "stop", "visible_to"]
