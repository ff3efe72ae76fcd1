"""A whole simulated run in memory: the same engine, another gateway; no delays, no waits, one attempt."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from automations.engine.cel import ExpressionError
from automations.engine.decide import decide
from automations.engine.errors import StepError, error_object
from automations.engine.parts import ActionPlan, Plan
from automations.engine.scope import render, variables
from automations.engine.state import Decision, Finish, Ready, RunState, Skip, StepState
from automations.engine.templates import Rendered, to_json
from automations.kinds import Call, actions
from runs.executor.perform import as_step_error, check_input, storable, unrendered
from runs.executor.record import LogRow, StepRow
from runs.keys import idempotency_key
from runs.simulation.gateway import Gateway
from runs.simulation.permits import Permission, Permits
from runs.simulation.results import Blocked, Candidate, Simulation
from runs.simulation.samples import Sample, computed, given, simulated
from runs.states import StepStatus


def simulate(
    plan: Plan,
    state: RunState,
    *,
    now: datetime,
    origin: int,
    generation: int = 0,
    outputs: Mapping[str, Any] | None = None,
    permits: Permits | None = None,
    incomplete: Mapping[str, str] | None = None,
    live_reads: bool = False,
    parallel: bool = True,
) -> Simulation:
    """Carry a run from `state` to its end without touching anything outside. Never raises for what a step does.

    `outputs` are samples and injected failures by step, `incomplete` what settings lack by step. Steps that `state`
    holds as finished are not simulated again. Reads the database (permissions): call it where that may be done.
    """
    gateway, permits = Gateway(live_reads), permits or Permits(plan.run_as)
    course = _Course(plan, state, now, origin, generation, outputs or {}, permits, incomplete or {}, gateway)
    known = set(state.steps)
    while course.take_in(decide(plan, state, now, parallel=parallel, blocked=course.reasons())):
        pass
    finish = decide(plan, state, now, parallel=parallel, blocked=course.reasons()).finish
    if finish is None:  # something in the given state waits for a person
        finish = Finish("failed", reason="the run waits for an answer")
    return course.answer(finish, known)


@dataclass(slots=True)
class _Course:
    plan: Plan
    state: RunState
    now: datetime
    origin: int
    generation: int
    outputs: Mapping[str, Any]
    permits: Permits
    incomplete: Mapping[str, str]
    gateway: Gateway
    candidates: dict[str, Candidate] = field(default_factory=dict)
    skipped: dict[str, Skip] = field(default_factory=dict)
    blocked: dict[str, Blocked] = field(default_factory=dict)
    stored: dict[str, str] = field(default_factory=dict)  # outputs as they are kept
    injected: list[str] = field(default_factory=list)
    log: list[LogRow] = field(default_factory=list)

    def reasons(self) -> dict[str, str]:
        return {key: blocked.reason for key, blocked in self.blocked.items()}

    # --- one decision -----------------------------------------------------------------------------------------------

    def take_in(self, decision: Decision) -> bool:
        """Carry a decision into the state. Returns whether another may follow from it."""
        for skip in decision.skip:
            self.skip(skip)
        for cancel in decision.cancel:
            self.state.steps[cancel.key] = StepState("cancelled", reason=cancel.reason, finished_at=self.now)
            self.say(cancel.key, f"Cancelled: {cancel.reason}.", "warning")
        for one in decision.undecidable:
            error = StepError("undecidable", one.reason, retryable=False, context={"path": one.path, **one.values})
            self.block(one.key, one.reason, error)
        for blocked in decision.blocked:
            self.block(blocked.key, blocked.reason)
        for ready in decision.perform:
            self.step(ready)
        return bool(decision.skip or decision.cancel or decision.undecidable or decision.blocked or decision.perform)

    def skip(self, skip: Skip) -> None:
        self.state.steps[skip.key] = StepState(
            "skipped", reason=skip.reason, finished_at=self.now, not_reached=skip.not_reached
        )
        if skip.key not in self.blocked:  # it was decided before a failure ended the run
            self.skipped[skip.key] = skip
            self.say(skip.key, f"Skipped: {skip.reason}.", data=skip.values)

    def block(self, key: str, reason: str, error: StepError | None = None, given: Any = None) -> None:
        self.blocked[key] = Blocked(reason, error, given)
        self.say(key, f"Blocked: {reason}.", "warning", self.explained(key, error) if error else {})

    def say(self, key: str, message: str, level: str = "info", data: Mapping[str, Any] | None = None) -> None:
        self.log.append(LogRow(self.now, level, key, message, dict(data) if data else None))

    def explained(self, key: str, error: StepError) -> dict[str, Any]:
        policy = self.plan.by_key[key].retry.as_dict()
        return {"cause": error.cause, "context": error.context, "retry_policy": policy, "hint": error.hint}

    # --- one step ---------------------------------------------------------------------------------------------------

    def step(self, ready: Ready) -> None:
        """Render it, ask whether it may act, list it as a candidate, and give it an output."""
        action = self.plan.by_key[ready.key]
        try:
            rendered = self.render(action, ready.ready_at)
        except StepError as error:
            reason = error.message.rstrip(".")
            if error.type == "undecidable" and action.on_unknown == "skip" and not error.context.get("open"):
                self.skip(Skip(action.key, reason))
            else:
                self.block(action.key, reason, error)
            return
        permission = self.permits.of(action, rendered.value)
        if permission.missing:
            reason = f"permission missing: {', '.join(permission.missing)}"
            self.block(action.key, reason, StepError("permission", reason, retryable=False), rendered.value)
            return
        self.list(action, ready, rendered, permission)
        self.perform(action, ready, rendered)

    def render(self, action: ActionPlan, ready_at: datetime) -> Rendered:
        """The rendered config. Raises StepError: undecidable, expression, invalid_config, incomplete, unstorable."""
        lacking = self.incomplete.get(action.key) or _lacking(action)
        if lacking:
            raise StepError("incomplete", lacking, retryable=False)
        try:
            rendered = render(self.plan, self.state, action.key, ready_at)
        except ExpressionError as error:
            raise unrendered(error) from error
        if not rendered.opens:  # a marker is text, whatever its place asks for
            check_input(action, rendered.value)
        storable(rendered.value)
        return rendered

    def list(self, action: ActionPlan, ready: Ready, rendered: Rendered, permission: Permission) -> None:
        verdict = ready.verdict
        after = f"{', '.join(action.needs)} came before" if action.needs else "it needs no other step"
        self.candidates[action.key] = Candidate(
            action=action,
            decision="await_approval" if self.asks(action, ready.ready_at) else "run",
            reason=verdict.reason if verdict else f"no condition, {after}",
            values=verdict.values if verdict else {},
            input=rendered.value,
            idempotency_key=idempotency_key(self.origin, action.key, -1, self.generation),
            permission=permission,
            opens=rendered.opens,
        )

    def asks(self, action: ActionPlan, ready_at: datetime) -> bool:
        """Whether it waits for an approval; when that cannot be told, it does."""
        if action.approval is None or action.approval.when is None:
            return action.approval is not None
        verdict = action.approval.when.evaluate(variables(self.plan, self.state, action.key, ready_at))
        return verdict.matched is not False

    def perform(self, action: ActionPlan, ready: Ready, rendered: Rendered) -> None:
        call = self.call(action, ready.ready_at, rendered.value)
        told = given(self.outputs, action.key)
        step = StepState("running", attempt=1, ready_at=ready.ready_at, finished_at=self.now)
        step.reason = self.candidates[action.key].reason
        self.state.steps[action.key] = step
        try:
            if isinstance(told, StepError):
                self.injected.append(action.key)
                raise told
            step.status, step.output, message = self.output(action, call, rendered, told)
            self.stored[action.key] = storable(to_json(step.output))
        except Exception as error:
            self.fail(action, step, as_step_error(error), call)
            return
        self.notes(call)
        self.say(action.key, message)

    def output(self, action: ActionPlan, call: Call, rendered: Rendered, told: Sample | None) -> tuple[str, Any, str]:
        """(status, output, what the log says)."""
        kind, path = actions[action.kind], ("steps", action.key, "output")
        with self.gateway.guard():
            if action.pure:
                return "succeeded", computed(kind.compute(call), rendered.opens, path), "Computed."
            would = f"{self.would(action)}: {_sentence(action, rendered)}."
            if told is not None:
                return "simulated", told.value, f"{would} Its output is the sample given."
            if self.gateway.live_reads and action.risk == "read":
                return "succeeded", self.gateway.read(kind, call), "Read, as the test asked."
            return "simulated", simulated(kind, call), would

    def would(self, action: ActionPlan) -> str:
        if self.candidates[action.key].decision == "run" or action.approval is None:
            return "Would be performed"
        approvers = ", ".join(action.approval.approvers) or "nobody yet"
        return f"Would wait for an approval by {approvers}, then be performed"

    def fail(self, action: ActionPlan, step: StepState, error: StepError, call: Call) -> None:
        """A failure counts as the last attempt."""
        step.status, step.attempt, step.output = "failed", action.retry.attempts, None
        step.error = _error(action, error)
        self.notes(call)
        self.say(action.key, f"Failed: {error.message}", "error", self.explained(action.key, error))

    def notes(self, call: Call) -> None:
        for level, message in call.notes:
            self.say(call.step, message, level)

    def call(self, action: ActionPlan, ready_at: datetime, value: Any) -> Call:
        return Call(
            run=self.state.run["id"],
            step=action.key,
            index=-1,
            attempt=1,
            input=dict(value),
            idempotency_key=self.candidates[action.key].idempotency_key,
            now=ready_at,
            timeout=action.timeout,
            run_as=self.plan.run_as,
            workflow=self.plan.slug,
        )

    # --- the answer -------------------------------------------------------------------------------------------------

    def answer(self, finish: Finish, known: set[str]) -> Simulation:
        keys = [action.key for action in self.plan.actions]
        rows = {key: row for key in keys if key not in known and (row := self.row(key)) is not None}
        outputs = {key: to_json(step.output) for key, step in self.state.steps.items() if step.output is not None}
        return Simulation(
            plan=self.plan,
            finish=finish,
            candidates=[self.candidates[key] for key in keys if key in self.candidates],
            skipped=[self.skipped[key] for key in keys if key in self.skipped],
            blocked={key: self.blocked[key] for key in keys if key in self.blocked},
            rows=rows,
            log=self.log,
            outputs=outputs,
            injected=self.injected,
            gateway=self.gateway,
        )

    def row(self, key: str) -> StepRow | None:
        """How the step is stored: one that is blocked has failed, one behind it was not reached."""
        action, step, blocked = self.plan.by_key[key], self.state.steps.get(key), self.blocked.get(key)
        row = StepRow(key=key, kind=action.kind, status=StepStatus.PENDING, started_at=self.now, finished_at=self.now)
        if blocked:
            row.status = StepStatus.FAILED if blocked.error else StepStatus.SKIPPED
            row.reason, row.not_reached = blocked.reason, blocked.error is None
            row.error = _error(action, blocked.error) if blocked.error else None
            row.input = _text(blocked.input)
            return row
        if step is None:
            return None
        candidate, skip = self.candidates.get(key), self.skipped.get(key)
        row.status, row.attempt, row.reason = step.status, step.attempt, step.reason
        row.ready_at, row.not_reached, row.error = step.ready_at, step.not_reached, step.error
        row.values = candidate.values if candidate else skip.values if skip else None
        row.input, row.output = _text(candidate.input) if candidate else None, self.stored.get(key)
        return row


def _lacking(action: ActionPlan) -> str:
    """What the action's settings lack by its kind's own check, "" if nothing."""
    problems: Sequence[Any] = actions[action.kind].check(action.raw_config)
    return next((problem.message for problem in problems if problem.severity == "incomplete"), "")


def _sentence(action: ActionPlan, rendered: Rendered) -> str:
    kind = actions[action.kind]
    with suppress(Exception):  # a sentence for people; no reason to fail
        return kind.sentence(rendered.value)
    return kind.label


def _error(action: ActionPlan, error: StepError) -> dict[str, Any]:
    attempts = action.retry.attempts
    return error_object(
        error, step=action.key, attempt=attempts, attempts=attempts, next_retry_at=None, policy=action.retry
    )


def _text(value: Any) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
