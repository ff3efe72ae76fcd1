"""The heart: from a plan and what is known of a run to what happens next.

`decide` is pure: it reads no clock and changes nothing. Its caller records all of a decision, then asks again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from automations.engine import graph
from automations.engine.parts import ActionPlan, Plan
from automations.engine.scope import render, variables
from automations.engine.state import (
    ACTIVE,
    FINISHED,
    SUCCEEDED,
    Blocked,
    Cancel,
    Decision,
    Finish,
    Ready,
    RunState,
    Skip,
    StepState,
    Undecidable,
)

_PENDING = StepState("pending")


@dataclass(frozen=True, slots=True)
class Ending:
    """Why nothing new starts in a run; `patient`: steps that have begun may end, their retries included."""

    status: Literal["succeeded", "failed", "cancelled", "timed_out"]
    reason: str
    compensate: bool = False
    patient: bool = False


@dataclass(slots=True)
class _Look:
    """One look at a run: the state, what this decision adds to it, and the answer so far."""

    plan: Plan
    state: RunState
    now: datetime
    ending: Ending | None
    blocked: dict[str, str]
    skipped: dict[str, Skip] = field(default_factory=dict)
    perform: list[Ready] = field(default_factory=list)
    cancel: list[Cancel] = field(default_factory=list)
    undecidable: list[Undecidable] = field(default_factory=list)
    newly_blocked: list[Blocked] = field(default_factory=list)
    due: list[str] = field(default_factory=list)

    def step(self, key: str) -> StepState:
        """Return the recorded state; a step nobody touched is pending."""
        return self.state.steps.get(key, _PENDING)

    def status(self, key: str) -> str:
        """Return the status with what this decision adds."""
        if key in self.skipped:
            return "skipped"
        return self.step(key).status

    def skip(self, key: str, reason: str, values: dict | None = None, *, not_reached: bool = False) -> None:
        self.skipped[key] = Skip(key, reason, values or {}, not_reached)

    def finished_at(self, key: str) -> datetime:
        """Return when a finished step finished; one skipped just now finishes now."""
        return self.step(key).finished_at or self.now


def decide(
    plan: Plan,
    state: RunState,
    now: datetime,
    *,
    parallel: bool = True,
    compensate: bool = True,
    blocked: Mapping[str, str] | None = None,
) -> Decision:
    """Return what happens next in this run.

    1. Is there a reason that nothing new starts: cancelled, stopped, timed out, failed?
    2. If so, steps not begun are skipped; those that began and are not performing are left to end, or cancelled.
    3. If not, each step whose needs allow it is performed, skipped, or cannot be decided.
    4. Compensations run one by one, newest first, once nothing else is going on (not with `compensate=False`).
    5. The run is finished when no step is open.

    `parallel=False` performs one step at a time in document order. `blocked` (step: reason) names steps that a
    simulation could not decide or render; what needs them is answered in `Decision.blocked`.
    """
    look = _Look(plan, state, now, _ending(plan, state, now), dict(blocked or {}))
    for action in plan.actions:
        if look.ending:
            _end_step(look, action, look.ending)
        else:
            _advance_step(look, action)
    if not parallel:
        _one_at_a_time(look)
    if compensate and look.ending and look.ending.compensate:
        _compensate(look)
    return _answer(look)


# Why nothing new starts ------------------------------------------------------------------------------------------


def failure(plan: Plan, state: RunState) -> ActionPlan | None:
    """Return the action whose failure stops the run: the first in document order, None without one."""
    failed = (
        a for a in plan.actions if a.on_failure != "continue" and state.steps.get(a.key, _PENDING).status == "failed"
    )
    return min(failed, key=lambda action: action.position, default=None)


def _ending(plan: Plan, state: RunState, now: datetime) -> Ending | None:
    culprit = failure(plan, state)
    late = state.deadline is not None and now >= state.deadline
    if state.stopped and not culprit:
        return Ending(state.stopped.status, state.stopped.reason or "the run was stopped by a step")
    if state.cancelled and _cut_short(plan, state):
        return Ending("cancelled", "the run was cancelled")
    if culprit and not (late and _after_deadline(state, culprit.key)):
        compensate = any(
            a.on_failure == "compensate" and state.steps.get(a.key, _PENDING).status == "failed" for a in plan.actions
        )
        return Ending("failed", f"{culprit.key} failed", compensate, patient=True)
    if late and _cut_short(plan, state):
        return Ending("timed_out", "the run ran out of time", compensate=True)
    return Ending("failed", f"{culprit.key} failed", patient=True) if culprit else None


def _after_deadline(state: RunState, key: str) -> bool:
    finished = state.steps[key].finished_at
    return finished is not None and state.deadline is not None and finished >= state.deadline


def _cut_short(plan: Plan, state: RunState) -> bool:
    """Whether something is, or was, left undone: a run that had done everything ends as it ended."""
    steps = (state.steps.get(action.key, _PENDING) for action in plan.actions)
    return any(s.status not in FINISHED or s.status == "cancelled" or s.not_reached for s in steps)


def _end_step(look: _Look, action: ActionPlan, ending: Ending) -> None:
    """Bring one step of an ending run to its end.

    A step that has begun ends by itself after a failure; under cancel, stop and timeout only a call that is
    being performed does, and an `unknown` step stays with its dead letter.
    """
    key, step = action.key, look.step(action.key)
    begun = step.status in {"running", "retrying", "unknown"} or (step.status == "waiting" and step.attempt > 0)
    if step.status in FINISHED or key in look.blocked:
        return
    if not begun:
        look.skip(key, f"not reached: {ending.reason}", not_reached=True)
    elif ending.patient:
        _resume(look, action, step)
    elif step.status in {"retrying", "waiting"}:
        look.cancel.append(Cancel(key, ending.reason))


# What may go on --------------------------------------------------------------------------------------------------


def _advance_step(look: _Look, action: ActionPlan) -> None:
    step = look.step(action.key)
    if action.key in look.blocked or step.status in FINISHED:
        return
    if step.status != "pending":
        _resume(look, action, step)
        return
    verdict = graph.join(action, look.status, look.blocked, look.plan)
    if verdict.outcome == "skip":
        look.skip(action.key, verdict.reason)
    elif verdict.outcome == "blocked":
        look.blocked[action.key] = verdict.reason
        look.newly_blocked.append(Blocked(action.key, verdict.reason))
    elif verdict.outcome == "ready":
        _ask_when(look, action, step.ready_at or _ready_at(look, action, verdict.counted))


def _resume(look: _Look, action: ActionPlan, step: StepState) -> None:
    """Answer for a step that has begun: a retry that is due is performed, a waiting step that is due is named."""
    if step.due_at is None or step.due_at > look.now:
        return
    if step.status == "retrying":
        counted = graph.join(action, look.status, {}, look.plan).counted
        look.perform.append(Ready(action.key, step.ready_at or _ready_at(look, action, counted)))
    elif step.status in {"waiting", "awaiting_approval"}:
        look.due.append(action.key)


def _ready_at(look: _Look, action: ActionPlan, counted: list[str]) -> datetime:
    """Return the moment the step became ready: the run's creation, or when the last counted need finished.

    `join: any` and numbers count the first successes only, so a need that ends later moves nothing.
    """
    moments = sorted(look.finished_at(key) for key in counted)
    if isinstance(action.join, int):
        moments = moments[: action.join]
    elif action.join == "any":
        moments = moments[:1]
    return max([look.state.created_at, *moments])


def _ask_when(look: _Look, action: ActionPlan, ready_at: datetime) -> None:
    if action.when is None:
        look.perform.append(Ready(action.key, ready_at))
        return
    verdict = action.when.evaluate(variables(look.plan, look.state, action.key, ready_at))
    if verdict.matched:
        look.perform.append(Ready(action.key, ready_at, verdict))
    elif verdict.matched is False or (action.on_unknown == "skip" and not verdict.open):
        look.skip(action.key, verdict.reason, verdict.values)
    else:
        open = bool(verdict.open)
        look.undecidable.append(
            Undecidable(action.key, verdict.reason, verdict.open or verdict.missing, verdict.values, open)
        )


def _one_at_a_time(look: _Look) -> None:
    """Keep the first step in document order, and none while another is going on."""
    busy = {a.key for a in look.plan.actions if look.step(a.key).status in ACTIVE}
    if look.perform and not busy:
        busy = {min(look.perform, key=lambda ready: look.plan.by_key[ready.key].position).key}
    look.perform = [ready for ready in look.perform if ready.key in busy]


# Undoing ---------------------------------------------------------------------------------------------------------


def _compensate(look: _Look) -> None:
    """Perform the next compensation, newest success first; one that failed does not stop the others."""
    if any(look.status(a.key) in ACTIVE - {"unknown"} for a in look.plan.actions if not _cancelled_now(look, a.key)):
        return
    # Reversed first, so that the stable sort puts the later of two that finished together first.
    done = [a for a in reversed(look.plan.actions) if look.step(a.key).status == "succeeded"]
    for action in sorted(done, key=lambda a: look.finished_at(a.key), reverse=True):
        undo = action.compensate
        if undo is None:
            continue
        step = look.step(undo.key)
        if step.status in FINISHED:
            continue
        if step.status == "pending":
            look.perform.append(Ready(undo.key, step.ready_at or look.finished_at(action.key)))
        else:
            _resume(look, undo, step)
        return


def _cancelled_now(look: _Look, key: str) -> bool:
    return any(cancel.key == key for cancel in look.cancel)


# The answer ------------------------------------------------------------------------------------------------------


def _answer(look: _Look) -> Decision:
    return Decision(
        perform=tuple(look.perform),
        skip=tuple(sorted(look.skipped.values(), key=lambda skip: look.plan.by_key[skip.key].position)),
        cancel=tuple(look.cancel),
        undecidable=tuple(look.undecidable),
        blocked=tuple(look.newly_blocked),
        due=tuple(look.due),
        wake_at=_wake_at(look),
        finish=_finish(look),
    )


def _wake_at(look: _Look) -> datetime | None:
    """Return the earliest future moment among open steps and the deadline, None for a run that ends now."""
    waiting = [
        step.due_at
        for key, step in look.state.steps.items()
        if step.due_at and step.status in {"retrying", "waiting", "awaiting_approval"}
        if key not in look.skipped and not _cancelled_now(look, key)
    ]
    if look.state.deadline and not look.ending and _finish(look) is None:
        waiting.append(look.state.deadline)
    return min((moment for moment in waiting if moment > look.now), default=None)


def _finish(look: _Look) -> Finish | None:
    if look.perform or look.undecidable or look.due:
        return None
    if any(step.status in ACTIVE for key, step in look.state.steps.items() if not _settled(look, key, step)):
        return None
    keys = [action.key for action in look.plan.actions]
    settled = [
        k for k in keys if k in look.blocked or _cancelled_now(look, k) or look.status(k) in FINISHED | {"unknown"}
    ]
    if len(settled) < len(keys):
        return None
    warnings = sum(look.status(a.key) == "failed" and a.on_failure == "continue" for a in look.plan.actions)
    if look.ending:
        return Finish(look.ending.status, warnings, look.ending.reason)
    if look.blocked:
        return Finish("failed", warnings, "blocked: " + ", ".join(key for key in keys if key in look.blocked))
    performed = any(look.status(key) in SUCCEEDED | {"failed"} for key in keys)
    return Finish("succeeded", warnings, "" if performed or not keys else "every step was skipped")


def _settled(look: _Look, key: str, step: StepState) -> bool:
    """Whether an open step does not hold the run: it is skipped, cancelled or blocked now, or a person's case."""
    if key in look.skipped or key in look.blocked or _cancelled_now(look, key):
        return True
    return step.status == "unknown" and look.ending is not None and not look.ending.patient


__all__ = [
    "Blocked",
    "Cancel",
    "Decision",
    "Finish",
    "Ready",
    "RunState",
    "Skip",
    "StepState",
    "Undecidable",
    "decide",
    "failure",
    "render",
    "variables",
]
