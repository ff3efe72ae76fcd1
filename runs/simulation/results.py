"""What a simulation comes to: candidates, skipped and blocked steps, and the rows to store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from automations.engine.errors import StepError
from automations.engine.parts import ActionPlan, Plan
from automations.engine.state import Finish, Skip
from runs.executor.record import LogRow, StepRow
from runs.simulation.gateway import Gateway
from runs.simulation.permits import Permission
from runs.states import StepStatus


@dataclass(frozen=True, slots=True)
class Candidate:
    """A step that would be performed, or would wait for its approval first."""

    action: ActionPlan
    decision: str  # run | await_approval
    reason: str
    values: dict[str, Any]
    input: Any
    idempotency_key: str
    permission: Permission
    opens: tuple[str, ...] = ()  # paths that its input could not know

    def as_dict(self) -> dict[str, Any]:
        return {
            "action": self.action.key,
            "kind": self.action.kind,
            "decision": self.decision,
            "risk": self.action.risk,
            "reason": self.reason,
            "values": self.values,
            "input": self.input,
            "idempotency_key": self.idempotency_key,
            "permission": self.permission.as_dict(),
        }


@dataclass(frozen=True, slots=True)
class Blocked:
    """`error` is None where the step only needs another blocked one."""

    reason: str
    error: StepError | None = None
    input: Any = None


@dataclass(slots=True)
class Simulation:
    """What a simulated run came to. `rows` and `log` are what is to be stored; `outputs` JSON, with markers."""

    plan: Plan
    finish: Finish
    candidates: list[Candidate]
    skipped: list[Skip]
    blocked: dict[str, Blocked]
    rows: dict[str, StepRow]
    log: list[LogRow]
    outputs: dict[str, Any]
    injected: list[str]  # steps that failed because the test said so
    gateway: Gateway

    @property
    def error(self) -> dict[str, Any] | None:
        """Why the run did not succeed."""
        if self.finish.status == "succeeded":
            return None
        errors = (row.error for row in self.rows.values() if row.status == StepStatus.FAILED and row.error)
        return next(errors, {"type": self.finish.status, "message": self.finish.reason})
