"""Asking: does a trigger fire for what arrived, and why (not)? Outside any transaction, nothing is written.

Listeners are read under one epoch of the definitions; `dispatch.store` refuses an answer whose epoch has passed.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from automations.engine.cel import ExpressionError, Program
from automations.engine.parts import Plan, TriggerPlan
from automations.kinds import triggers as kinds
from automations.models import Epoch, Listener
from automations.plans import plan_by_id
from runs.states import EvaluationResult


@dataclass(frozen=True, slots=True)
class Arrival:
    """What arrived, before anybody was asked. `dedupe` is (scope, key): seen before, it starts nothing."""

    route: str
    payload: Any
    received_at: datetime
    type: str = ""
    source: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    attributes: Mapping[str, Any] = field(default_factory=dict)
    dedupe: tuple[str, str] | None = None
    workflow: int | None = None  # only this one is asked (a manual start)


@dataclass(slots=True)
class Asked:
    """One trigger's answer, and what its run would be pinned to."""

    workflow: int
    version: int
    execute: bool
    plan: Plan
    trigger: TriggerPlan
    result: EvaluationResult
    reason: str = ""
    values: dict[str, Any] | None = None
    dedupe: tuple[str, str] | None = None
    subject: tuple[str, str] = ("", "")
    limit_value: str = ""
    priority: int = 0


@dataclass(slots=True)
class Prepared:
    arrival: Arrival
    epoch: int
    asked: list[Asked]
    started_by: int | None = None


#: (workflow, version, execute, priority of the workflow or None)
Heard = tuple[int, int, bool, int | None]


class Listeners:
    """Who listens to which route, kept while the epoch stands still. Shared by the threads of a process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.epoch = -1
        self._routes: dict[str, list[Heard]] = {}

    def of(self, route: str) -> tuple[int, list[Heard]]:
        """(epoch, who listens), from memory where it is known."""
        with self._lock:
            known = self._routes.get(route)
            if known is not None:
                return self.epoch, known
        epoch = Epoch.current()
        rows = list(
            Listener.objects.filter(route=route)
            .order_by("workflow_id")
            .values_list("workflow_id", "version_id", "execute", "workflow__priority")
        )
        with self._lock:
            if epoch != self.epoch:
                self.epoch, self._routes = epoch, {}
            self._routes[route] = rows
        return epoch, rows

    def forget(self) -> None:
        with self._lock:
            self.epoch, self._routes = -1, {}


listeners = Listeners()


def prepare(arrival: Arrival, *, started_by: int | None = None) -> Prepared:
    """Ask every trigger that listens to this route. A broken filter is an answer, not an error."""
    epoch, rows = listeners.of(arrival.route)
    asked = []
    for workflow, version, execute, priority in rows:
        if arrival.workflow in (None, workflow):
            plan = plan_by_id(version)
            asked += [
                ask(plan, trigger, arrival, workflow, version, execute, priority)
                for trigger in plan.triggers
                if trigger.kind in kinds and arrival.route in kinds[trigger.kind].routes(trigger.config)
            ]
    return Prepared(arrival, epoch, asked, started_by)


def ask(
    plan: Plan,
    trigger: TriggerPlan,
    arrival: Arrival,
    workflow: int,
    version: int,
    execute: bool,
    priority: int | None = None,
) -> Asked:
    """Does this trigger fire for this arrival, and why (not)?

    `priority` is the workflow's own: it takes effect when it is saved, whatever version runs.
    """
    answer = Asked(workflow, version, execute, plan, trigger, EvaluationResult.FIRED)
    answer.priority = plan.priority if priority is None else priority
    breach = contract_breach(trigger, arrival.payload)
    if breach:
        answer.result, answer.reason = EvaluationResult.REFUSED, f"The payload breaks the contract: {breach}"
        return answer
    scope = variables(plan, trigger, arrival)
    if trigger.filter:
        verdict = trigger.filter.evaluate(scope)
        answer.reason, answer.values = verdict.reason, verdict.values
        if not verdict.matched:
            answer.result = EvaluationResult.UNKNOWN if verdict.matched is None else EvaluationResult.NOT_MATCHED
            return answer
    if trigger.dedupe and execute:
        try:
            answer.dedupe = (f"trigger:{workflow}:{trigger.key}", _text(trigger.dedupe.evaluate(scope)))
        except ExpressionError as error:
            answer.result, answer.reason = EvaluationResult.UNKNOWN, f"The dedupe key cannot be read: {error}"
            return answer
    if trigger.subject:
        answer.subject = (trigger.subject.type, text_or_empty(trigger.subject.key, scope))
    if plan.concurrency and plan.concurrency.key:
        answer.limit_value = text_or_empty(plan.concurrency.key, scope)
    return answer


def contract_breach(trigger: TriggerPlan, payload: Any) -> str:
    """The first breach of the trigger's payload contract as `path: message`, else ""."""
    if trigger.contract is None:
        return ""
    error = next(iter(trigger.contract.iter_errors(payload)), None)
    if error is None:
        return ""
    path = ".".join(str(part) for part in error.instance_path)
    return f"{path or 'event'}: {error.message}"[:500]


def variables(plan: Plan, trigger: TriggerPlan, arrival: Arrival) -> dict[str, Any]:
    """The names a trigger's expressions may use."""
    return {
        "event": arrival.payload,
        "trigger": {
            "key": trigger.key,
            "kind": trigger.kind,
            "received_at": arrival.received_at,
            "headers": dict(arrival.headers),
            "attributes": dict(arrival.attributes),
        },
        "workflow": {"slug": plan.slug, "name": plan.name},
        "now": arrival.received_at,
    }


def _text(value: Any) -> str:
    return (value if isinstance(value, str) else json.dumps(value, default=str))[:300]


def text_or_empty(program: Program, scope: Mapping[str, Any]) -> str:
    """A key's value as text, "" where it cannot be read."""
    try:
        return _text(program.evaluate(scope))[:200]
    except ExpressionError:
        return ""
