"""What a reopened run and a replay have in common: plan, limit, deadline, log."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from automations.engine.errors import DefinitionError
from automations.engine.parts import Plan
from automations.plans import plan_of
from runs.asking import Arrival, text_or_empty, variables
from runs.dispatch import limit_of
from runs.models import LogEntry, Run


def plan_or_none(run: Run) -> Plan | None:
    """The run's plan; None where a kind it needs is not installed here."""
    try:
        return plan_of(run.version)
    except DefinitionError:
        return None


def deadline(plan: Plan | None, now: datetime) -> datetime | None:
    """When the run's timeout ends, counted from now."""
    return now + timedelta(seconds=plan.timeout) if plan and plan.timeout else None


def limit_of_run(run: Run, plan: Plan | None) -> tuple[str, int, bool] | None:
    """What the agenda counts this run by: the same as when its event was dispatched."""
    if plan is None or plan.concurrency is None:
        return None
    trigger, key, value = plan.trigger_by_key.get(run.trigger), plan.concurrency.key, ""
    if trigger and key:
        value = text_or_empty(key, variables(plan, trigger, arrival_of(run)))
    return limit_of(plan, run.workflow_id, value)


def arrival_of(run: Run) -> Arrival:
    """The run's event as it arrived."""
    event = run.event
    return Arrival(
        route="",
        payload=event.payload,
        received_at=event.received_at,
        type=event.type,
        source=event.source,
        headers=event.headers or {},
        attributes=event.attributes or {},
    )


def who(by: Any) -> str:
    return by.get_username() if by is not None else "the system"


def because(reason: str) -> str:
    return f": {reason[:500]}" if reason else ""


def write_log(run: Run, now: datetime, message: str, *, step: str = "", data: dict[str, Any] | None = None) -> None:
    """Add to the run's log what a person or a program did to it."""
    LogEntry.objects.create(run=run, at=now, level=LogEntry.Level.INFO, step=step, message=message, data=data)
