"""A simulated run as rows: its event, the run, its steps and its log."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction

from automations.engine.parts import Plan
from automations.engine.state import RunState, StepState
from automations.models import Version
from runs.asking import Arrival, Asked
from runs.models import Event, LogEntry, Run, Step
from runs.simulation.results import Simulation
from runs.states import RunStatus


def interrupted(now: datetime) -> dict[str, Any]:
    """How a simulated run is stored before it is simulated: what it will have been if this process ends before that."""
    return {
        "status": RunStatus.CANCELLED,
        "cancel_reason": "The simulation was interrupted.",
        "started_at": now,
        "finished_at": now,
    }


@transaction.atomic
def begin(
    version: Version,
    asked: Asked,
    arrival: Arrival,
    now: datetime,
    *,
    by: Any,
    outputs: Mapping[str, Any] | None,
    reason: str = "",
) -> Run:
    """The event and its run, before it is simulated: its id is part of what is rendered."""
    event = Event.objects.create(
        type=arrival.type[:200],
        source=arrival.source[:200],
        subject_type=asked.subject[0],
        subject_key=asked.subject[1],
        simulated=True,
        headers=dict(arrival.headers) or None,
        attributes=dict(arrival.attributes) or None,
        payload=arrival.payload,
    )
    return Run.objects.create(
        workflow_id=version.workflow_id,
        version=version,
        event=event,
        trigger=asked.trigger.key,
        mode=Run.Mode.SIMULATE,
        priority=asked.plan.priority,
        subject_type=asked.subject[0],
        subject_key=asked.subject[1],
        created_at=now,
        started_by=by,
        reason=reason,
        outputs=dict(outputs) if outputs else None,
        **interrupted(now),
    )


def state_of(run: Run, plan: Plan, steps: Mapping[str, StepState] | None = None) -> RunState:
    """The run as the engine sees it; `steps` are those that have ended already."""
    event, trigger = run.event, plan.trigger_by_key.get(run.trigger)
    return RunState(
        steps=dict(steps or {}),
        event=event.payload,
        trigger={
            "key": run.trigger,
            "kind": trigger.kind if trigger else "",
            "id": event.pk,
            "received_at": event.received_at,
            "headers": event.headers or {},
            "attributes": event.attributes or {},
        },
        run={"id": run.pk, "mode": run.mode, "started_at": run.started_at},
        workflow={"slug": plan.slug, "name": plan.name},
        created_at=run.created_at,
    )


@transaction.atomic
def finish(run: Run, simulation: Simulation, now: datetime) -> Run:
    """Store what the simulation came to."""
    Step.objects.bulk_create(
        Step(
            run=run,
            action=row.key,
            kind=row.kind,
            status=row.status,
            attempt=row.attempt,
            ready_at=row.ready_at,
            started_at=row.started_at,
            finished_at=row.finished_at,
            not_reached=row.not_reached,
            reason=row.reason,
            values=_plain(row.values or None),
            error=_plain(row.error),
            input=None if row.input is None else json.loads(row.input),
            output=None if row.output is None else json.loads(row.output),
        )
        for row in simulation.rows.values()
    )
    LogEntry.objects.bulk_create(
        LogEntry(run=run, at=row.at, level=row.level, step=row.step, message=row.message, data=_plain(row.data))
        for row in simulation.log
    )
    run.status, run.cancel_reason = simulation.finish.status, ""
    run.warnings, run.error, run.finished_at = simulation.finish.warnings, _plain(simulation.error), now
    run.save(update_fields=["status", "cancel_reason", "warnings", "error", "finished_at"])
    return run


def _plain(data: Mapping[str, Any] | None) -> Any:
    """Values of CEL that JSON does not know are shown as text."""
    return None if data is None else json.loads(json.dumps(data, default=str))
