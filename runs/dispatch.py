"""Dispatch: from what arrived to evaluations and runs, each event once.

`asking.prepare` asks the listeners of a route outside any transaction. `store` writes events, evaluations, runs and
agenda rows of many arrivals with few statements. Both rest on one epoch of the definitions: `store` raises Moved when
it has changed in between, and the caller prepares anew, so that no event is decided by a definition that was replaced
before the event was committed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from automations.engine.parts import Plan
from automations.models import Epoch, Listener, Workflow
from automations.permissions import require
from automations.refusals import Conflict
from runs import agenda, bell
from runs.agenda import Item
from runs.asking import Arrival, Prepared, listeners, prepare
from runs.database import Clock, execute_many, insert, stamp
from runs.models import Evaluation, Run
from runs.states import EvaluationResult, RunStatus


class Moved(Exception):
    """The definitions changed between preparing and storing."""


class NotStarted(Conflict):
    """The workflow did not start."""


@dataclass(frozen=True, slots=True)
class Dispatched:
    """`duplicate`: nothing was stored, the ids are the first one's."""

    event_id: int | None
    runs: list[int]
    duplicate: bool = False


# Storing ---------------------------------------------------------------------------------------------------------


def store(cursor: CursorWrapper, group: Sequence[Prepared], now: datetime) -> list[Dispatched]:
    """Write a group inside the caller's transaction. Raises Moved when the definitions have changed since."""
    epoch = Epoch.current()
    if any(one.asked and one.epoch != epoch for one in group) or listeners.epoch not in (-1, epoch):
        raise Moved
    seen = _claim_keys(cursor, group, now)
    new = [one for one in group if not _is_duplicate(one, seen)]
    events = dict(zip(map(id, new), _insert_events(cursor, new), strict=True))
    for one in new:
        for asked in one.asked:
            if asked.dedupe and asked.result == EvaluationResult.FIRED and seen.get(asked.dedupe) != id(asked):
                asked.result, asked.reason = EvaluationResult.DUPLICATE, f"Seen before: {asked.dedupe[1]}"
    runs = _insert_runs(cursor, new, events, now)
    _insert_evaluations(cursor, new, events, runs, now)
    _name_events(cursor, new, events)
    return [
        Dispatched(events[id(one)], [runs[id(a)] for a in one.asked if id(a) in runs])
        if id(one) in events
        else first_answer(cursor, *one.arrival.dedupe)  # type: ignore[misc]
        for one in group
    ]


def _claim_keys(cursor: CursorWrapper, group: Sequence[Prepared], now: datetime) -> dict[tuple[str, str], int]:
    """Insert every dedupe key, sorted (two groups never wait for each other crosswise). Key → whose it is, if new."""
    wanted: dict[tuple[str, str], int] = {}
    for one in group:
        if one.arrival.dedupe:
            wanted.setdefault(one.arrival.dedupe, id(one))
        for asked in one.asked:
            if asked.dedupe and asked.result == EvaluationResult.FIRED:
                wanted.setdefault(asked.dedupe, id(asked))
    rows = insert(
        cursor,
        "automations_runs_dedupekey",
        ["scope", "key", "at"],
        [(scope, key, stamp(now)) for scope, key in sorted(wanted)],
        conflict="ON CONFLICT (scope, key) DO NOTHING",
        returning="scope, key",
    )
    return {(scope, key): wanted[scope, key] for scope, key in rows}


def _is_duplicate(one: Prepared, seen: Mapping[tuple[str, str], int]) -> bool:
    return one.arrival.dedupe is not None and seen.get(one.arrival.dedupe) != id(one)


def _insert_events(cursor: CursorWrapper, new: Sequence[Prepared]) -> list[int]:
    columns = (
        "type source dedupe_key subject_type subject_key received_at simulated attributes headers payload"
    ).split()
    rows = []
    for one in new:
        arrival = one.arrival
        subject = next((asked.subject for asked in one.asked if asked.subject[1]), ("", ""))
        rows.append(
            (
                arrival.type[:200],
                arrival.source[:200],
                arrival.dedupe[1] if arrival.dedupe else "",
                *subject,
                stamp(arrival.received_at),
                False,
                json.dumps(dict(arrival.attributes)) if arrival.attributes else None,
                json.dumps(dict(arrival.headers)) if arrival.headers else None,
                json.dumps(arrival.payload, ensure_ascii=False, separators=(",", ":")),
            )
        )
    return [row[0] for row in insert(cursor, "automations_runs_event", columns, rows, returning="id")]


_RUN_COLUMNS = (
    "workflow_id version_id event_id trigger mode status priority subject_type subject_key created_at deadline "
    "cancel_reason warnings reopened generation started_by_id reason"
).split()


def _insert_runs(
    cursor: CursorWrapper, new: Sequence[Prepared], events: Mapping[int, int], now: datetime
) -> dict[int, int]:
    """Insert the runs of all that fired, and their agenda rows. id(asked) → run id."""
    fired = [(one, a) for one in new for a in one.asked if a.result == EvaluationResult.FIRED]
    rows = [
        (
            a.workflow,
            a.version,
            events[id(one)],
            a.trigger.key,
            Run.Mode.EXECUTE if a.execute else Run.Mode.SIMULATE,
            RunStatus.QUEUED,
            a.priority,
            *a.subject,
            stamp(now),
            stamp(now + timedelta(seconds=a.plan.timeout)) if a.plan.timeout else None,
            "",
            0,
            0,
            0,
            one.started_by,
            "",
        )
        for one, a in fired
    ]
    ids = [row[0] for row in insert(cursor, "automations_runs_run", _RUN_COLUMNS, rows, returning="id")]
    if ids:
        asked = [a for _, a in fired]
        limits = [limit_of(a.plan, a.workflow, a.limit_value) for a in asked]
        items = [Item(run, a.priority, limit) for run, a, limit in zip(ids, asked, limits, strict=True)]
        agenda.enqueue(agenda.RUN, items, now)
    return {id(a): run for run, (_, a) in zip(ids, fired, strict=True)}


def limit_of(plan: Plan, workflow: int, value: str) -> tuple[str, int, bool] | None:
    """What the agenda counts a run of this plan by, None without a limit."""
    if plan.concurrency is None:
        return None
    return f"{workflow}:{value}"[:200], plan.concurrency.limit, plan.concurrency.count == "open"


def _insert_evaluations(
    cursor: CursorWrapper, new: Sequence[Prepared], events: Mapping[int, int], runs: Mapping[int, int], now: datetime
) -> None:
    insert(
        cursor,
        "automations_runs_evaluation",
        ["event_id", "workflow_id", "trigger", "result", "reason", '"values"', "run_id", "at"],
        [
            (
                events[id(one)],
                a.workflow,
                a.trigger.key,
                a.result,
                a.reason,
                json.dumps(a.values, ensure_ascii=False, default=str) if a.values else None,
                runs.get(id(a)),
                stamp(now),
            )
            for one in new
            for a in one.asked
        ],
    )


def _name_events(cursor: CursorWrapper, new: Sequence[Prepared], events: Mapping[int, int]) -> None:
    """Note at each delivery's dedupe key which event was the first, for the answer to a duplicate."""
    execute_many(
        cursor,
        "UPDATE automations_runs_dedupekey SET event_id = %s WHERE scope = %s AND key = %s",
        ((events[id(one)], *one.arrival.dedupe) for one in new if one.arrival.dedupe),
    )


def first_answer(cursor: CursorWrapper, scope: str, key: str) -> Dispatched:
    """What the first delivery of this id came to."""
    cursor.execute("SELECT event_id FROM automations_runs_dedupekey WHERE scope = %s AND key = %s", [scope, key])
    row = cursor.fetchone()
    event = row[0] if row else None
    cursor.execute(
        "SELECT id FROM automations_runs_run WHERE event_id = %s AND replay_of_id IS NULL ORDER BY id", [event]
    )
    return Dispatched(event, [run[0] for run in cursor.fetchall()], duplicate=True)


# Verbs -----------------------------------------------------------------------------------------------------------


def publish(
    *,
    route: str,
    payload: Any,
    type: str = "",
    source: str = "",
    headers: Mapping[str, str] | None = None,
    attributes: Mapping[str, Any] | None = None,
    dedupe: tuple[str, str] | None = None,
    workflow: int | None = None,
    started_by: int | None = None,
) -> Dispatched:
    """Store one event with the runs it starts, and ring. `dedupe` is (scope, key)."""
    arrival = Arrival(
        route=route,
        payload=payload,
        received_at=Clock().now(),
        type=type,
        source=source,
        headers=headers or {},
        attributes=attributes or {},
        dedupe=dedupe,
        workflow=workflow,
    )
    while True:
        prepared = prepare(arrival, started_by=started_by)
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                answer = store(cursor, [prepared], Clock().read(cursor))[0]
                if answer.runs and not answer.duplicate:
                    bell.ring_after_commit()
            return answer
        except Moved:
            listeners.forget()


def start(workflow: Workflow, payload: Any, *, by: Any) -> Run:
    """Start a workflow by its manual trigger. Needs the verb `run`. Raises NotStarted with the reason."""
    require(by, "run", workflow)
    if not Listener.objects.filter(workflow=workflow, route="manual").exists():
        raise NotStarted("This workflow has no manual trigger that is armed: its mode is draft, or it has none.")
    answer = publish(
        route="manual",
        payload=payload,
        source="manual",
        workflow=workflow.pk,
        started_by=getattr(by, "pk", None),
    )
    if not answer.runs:
        evaluation = Evaluation.objects.filter(event__pk=answer.event_id or 0).first()
        raise NotStarted(evaluation.reason if evaluation else "No trigger of this workflow answered.")
    return Run.objects.get(pk=answer.runs[0])
