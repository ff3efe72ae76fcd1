"""Carrying one run: what an outcome changes, what is decided next, and what of it is to be recorded.

Pure but for the pure kinds it computes: nothing here touches the database or the network. The drain calls
`learn` with an outcome and `advance` after it, commits the entry, and then performs the entry's effects.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from automations.abilities import uncarried
from automations.engine.decide import decide
from automations.engine.errors import StepError, error_object
from automations.engine.parts import ActionPlan
from automations.engine.retry import next_attempt
from automations.engine.state import Decision, StepState
from runs.agenda import ALONE, Letting
from runs.executor import approving
from runs.executor.hand import Hand
from runs.executor.perform import Outcome, compute
from runs.executor.record import Entry, LogRow, StepRow
from runs.states import ApprovalState, RunStatus, StepStatus

UNKNOWN = StepError(
    "unknown_outcome",
    "The worker ended while this step was performed: it may or may not have happened.",
    retryable=False,
)


def begin(hand: Hand, now: datetime) -> Entry:
    """A run just taken: a poison run gives up here, a step nobody can know becomes a person's case."""
    entry = Entry(hand)
    if not hand.state.steps:
        waited = (now - hand.state.created_at).total_seconds() * 1000
        message = f"Started by trigger {hand.run.trigger} after {waited:.0f} ms in the queue."
        entry.log.append(LogRow(now, "info", "", message))
    for key, step in hand.state.steps.items():
        if step.status == "unknown" and step.error is None:
            _record_failure(hand, entry, hand.plan.by_key[key], UNKNOWN, now, status=StepStatus.UNKNOWN)
    if hand.taken.alone >= ALONE:
        for ready in decide(hand.plan, hand.state, now).perform:
            crash = StepError(
                "crash",
                f"Three workers ended while they carried this run and nothing else, last at {ready.key}.",
                retryable=False,
            )
            give_up(hand, entry, hand.plan.by_key[ready.key], crash, now)
    return entry


def advance(hand: Hand, entry: Entry, now: datetime, *, parallel: bool = True) -> None:
    """Decide until nothing more follows by itself; what it comes to stands in `entry`.

    1. Skips, cancels and undecidable steps are recorded; pure kinds are computed and recorded.
    2. Steps with an effect are listed in `entry.effects`, to be performed once the entry is committed.
    3. With nothing under way the run is finished, or released until its next moment.
    """
    _take_decisions(hand, entry, now)
    while True:
        decision = decide(hand.plan, hand.state, now, parallel=parallel)
        if not _take_in(hand, entry, decision, now):
            break
    hand.wake_at = decision.wake_at
    if hand.performing or entry.effects:
        return
    if decision.finish:
        _finish(hand, entry, decision, now)
    elif not hand.waiting_commit:
        entry.status = RunStatus.WAITING
        entry.letting = Letting(hand.id, hand.taken.claim, hand.seen, decision.wake_at)


def _take_decisions(hand: Hand, entry: Entry, now: datetime) -> None:
    """What people, or time, said about steps that await an approval: look at the step again, or skip it."""
    for key, asked in approving.decided(hand).items():
        if asked.state in (ApprovalState.APPROVED, ApprovalState.VOID):
            step = hand.state.steps[key]
            step.status, step.due_at, step.reason = StepStatus.PENDING.value, None, asked.reason
        else:
            _settle(hand, entry, key, StepStatus.SKIPPED, now, asked.reason)
            entry.log.append(LogRow(now, "info", key, f"Skipped: {asked.reason}"))


def _take_in(hand: Hand, entry: Entry, decision: Decision, now: datetime) -> bool:
    """Carry a decision into state and entry. Returns whether something changed that asks for another decision."""
    changed = bool(decision.skip or decision.cancel or decision.undecidable)
    for skip in decision.skip:
        _settle(hand, entry, skip.key, StepStatus.SKIPPED, now, skip.reason, skip.values, skip.not_reached)
        entry.log.append(LogRow(now, "info", skip.key, f"Skipped: {skip.reason}", skip.values or None))
    for cancel in decision.cancel:
        _settle(hand, entry, cancel.key, StepStatus.CANCELLED, now, cancel.reason)
        entry.log.append(LogRow(now, "warning", cancel.key, f"Cancelled: {cancel.reason}"))
    for undecidable in decision.undecidable:
        error = StepError(
            "undecidable", undecidable.reason, retryable=False, context={"path": undecidable.path, **undecidable.values}
        )
        give_up(hand, entry, hand.plan.by_key[undecidable.key], error, now)
    for ready in decision.perform:
        if ready.key in hand.performing or any(key == ready.key for key, _ in entry.effects):
            continue
        action = hand.plan.by_key[ready.key]
        if missing := uncarried(action):
            refused = StepError("unsupported", f"`{missing}` is not carried out yet.", retryable=False)
            give_up(hand, entry, action, refused, now)
            changed = True
            continue
        step = hand.state.steps.setdefault(ready.key, StepState("pending"))
        step.ready_at = ready.ready_at
        if approving.must_wait(hand, entry, action, ready.ready_at, now):
            entry.steps[ready.key] = _row(hand, action, step)
            changed = True
            continue
        hand.started.setdefault(ready.key, now)
        if ready.verdict:
            step.reason, hand.read[ready.key] = ready.verdict.reason, ready.verdict.values
        if action.pure:
            learn(hand, entry, compute(hand, ready.key, ready.ready_at), now, chance=0.0)
            changed = True
        else:
            step.status, step.due_at = "running", None
            entry.effects.append((ready.key, ready.ready_at))
    return changed


def learn(hand: Hand, entry: Entry, outcome: Outcome, now: datetime, *, chance: float) -> None:
    """Take in what one attempt came to: success, another attempt later, or giving up."""
    action = hand.plan.by_key[outcome.key]
    step = hand.state.steps[outcome.key]
    for level, message in outcome.notes:
        entry.log.append(LogRow(now, level, outcome.key, message))
    if outcome.error is None:
        _succeed(hand, entry, action, step, outcome, now)
        return
    if outcome.error.type == "undecidable" and action.on_unknown == "skip":
        reason = outcome.error.message.rstrip(".")
        _settle(hand, entry, action.key, StepStatus.SKIPPED, now, reason)
        entry.log.append(LogRow(now, "info", action.key, f"Skipped: {reason}"))
        return
    later = next_attempt(action.retry, step.attempt + 1, outcome.error, now=now, chance=chance)
    if later is None:
        give_up(hand, entry, action, outcome.error, now)
    else:
        step.attempt += 1
        _retry(hand, entry, action, step, outcome.error, later, now)


def _succeed(hand: Hand, entry: Entry, action: ActionPlan, step: StepState, outcome: Outcome, now: datetime) -> None:
    step.status, step.attempt, step.output = "succeeded", step.attempt + 1, outcome.output
    step.finished_at, step.due_at, step.error = now, None, None
    entry.steps[action.key] = _row(hand, action, step, output=outcome.output_text)
    took = f"{outcome.elapsed * 1000:.0f} ms"
    status = outcome.output.get("status") if isinstance(outcome.output, dict) else None
    said = f", answered {status}" if isinstance(status, int) and action.kind == "http.request" else ""
    nth = f" at attempt {step.attempt} of {action.retry.attempts}" if step.attempt > 1 else ""
    entry.log.append(LogRow(now, "info", action.key, f"Performed{nth} in {took}{said}."))


def _retry(
    hand: Hand, entry: Entry, action: ActionPlan, step: StepState, error: StepError, later: datetime, now: datetime
) -> None:
    step.status, step.due_at = "retrying", later
    step.error = _error(action, step, error, later)
    entry.steps[action.key] = _row(hand, action, step)
    message = f"Attempt {step.attempt} of {action.retry.attempts} failed: {error.message} Next at {_time(later)}."
    entry.log.append(LogRow(now, "warning", action.key, message, _said(step.error)))


def give_up(hand: Hand, entry: Entry, action: ActionPlan, error: StepError, now: datetime) -> None:
    """The step failed for good: a dead letter, unless its failure is tolerated."""
    step = hand.state.steps.setdefault(action.key, StepState("pending"))
    step.attempt += 1
    _record_failure(hand, entry, action, error, now, status=StepStatus.FAILED)


def _record_failure(
    hand: Hand, entry: Entry, action: ActionPlan, error: StepError, now: datetime, *, status: StepStatus
) -> None:
    step = hand.state.steps[action.key]
    approving.forget(hand, entry, action.key)
    step.status, step.due_at = status.value, None
    step.finished_at = now if status == StepStatus.FAILED else None
    step.error = _error(action, step, error, None)
    entry.steps[action.key] = _row(hand, action, step)
    tolerated = action.on_failure == "continue" and status == StepStatus.FAILED
    if hand.run.mode == "execute" and not tolerated:
        entry.letters[action.key] = step.error
    message = f"Failed for good at attempt {step.attempt} of {action.retry.attempts}: {error.message}"
    entry.log.append(LogRow(now, "warning" if tolerated else "error", action.key, message, _said(step.error)))


def unstorable(entry: Entry, error: Exception, now: datetime) -> Entry:
    """The database refuses what this entry would store: its steps fail instead, without their outputs."""
    hand, broken = entry.hand, Entry(entry.hand)
    refused = StepError("unstorable", "The database refuses the result.", retryable=False, cause=str(error))
    for key, row in entry.steps.items():
        if row.status != StepStatus.SKIPPED:
            step = hand.state.steps[key]
            step.output, step.attempt = None, max(0, row.attempt - 1)
            hand.inputs.pop(key, None)
            give_up(hand, broken, hand.plan.by_key[key], refused, now)
    advance(hand, broken, now)
    return broken


def break_off(hand: Hand, error: Exception, now: datetime) -> Entry:
    """A defect of the product stopped this run: it fails with a dead letter instead of standing in a hand for ever."""
    entry = Entry(hand)
    open_steps = [a for a in hand.plan.actions if hand.state.steps.get(a.key, StepState("pending")).finished_at is None]
    for action in open_steps[:1]:
        defect = StepError("internal", f"{type(error).__name__}: {error}"[:500], retryable=False)
        give_up(hand, entry, action, defect, now)
        entry.error = hand.state.steps[action.key].error
    entry.status = RunStatus.FAILED
    entry.letting = Letting(hand.id, hand.taken.claim, hand.seen, finished=True)
    entry.log.append(LogRow(now, "error", "", f"The run broke off: {error}", _said(entry.error)))
    return entry


def _settle(
    hand: Hand,
    entry: Entry,
    key: str,
    status: StepStatus,
    now: datetime,
    reason: str,
    values: dict[str, Any] | None = None,
    not_reached: bool = False,
) -> None:
    step = hand.state.steps.setdefault(key, StepState("pending"))
    approving.forget(hand, entry, key)
    step.status, step.reason, step.not_reached = status.value, reason, not_reached
    step.finished_at, step.due_at = now, None
    entry.steps[key] = _row(hand, hand.plan.by_key[key], step, values=values)


def _finish(hand: Hand, entry: Entry, decision: Decision, now: datetime) -> None:
    finish = decision.finish
    assert finish is not None
    entry.status, entry.warnings = finish.status, finish.warnings
    entry.letting = Letting(hand.id, hand.taken.claim, hand.seen, finished=True)
    culprit = next((s for s in hand.state.steps.values() if s.status == "failed" and s.error), None)
    if finish.status != "succeeded":
        entry.error = (culprit and culprit.error) or {"type": finish.status, "message": finish.reason}
    took = (now - hand.state.run["started_at"]).total_seconds() * 1000
    reason = f": {finish.reason}" if finish.reason else ""
    level = "info" if finish.status == "succeeded" else "error"
    label = RunStatus(finish.status).label
    entry.log.append(LogRow(now, level, "", f"{label} after {took:.0f} ms{reason}.", _said(entry.error)))


def _row(
    hand: Hand, action: ActionPlan, step: StepState, *, output: str | None = None, values: dict[str, Any] | None = None
) -> StepRow:
    given = hand.inputs.get(action.key)
    return StepRow(
        key=action.key,
        kind=action.kind,
        status=step.status,
        attempt=step.attempt,
        due_at=step.due_at,
        ready_at=step.ready_at,
        started_at=hand.started.get(action.key),
        finished_at=step.finished_at,
        not_reached=step.not_reached,
        reason=step.reason,
        values=values or hand.read.get(action.key),
        error=step.error,
        input=None if given is None else json.dumps(given, ensure_ascii=False, separators=(",", ":")),
        output=output,
    )


def running_row(hand: Hand, key: str) -> StepRow:
    """The intent of an unsafe step, and the trace of one that takes long: it is being performed."""
    return _row(hand, hand.plan.by_key[key], hand.state.steps[key])


def _error(action: ActionPlan, step: StepState, error: StepError, later: datetime | None) -> dict[str, Any]:
    answer = error_object(
        error,
        step=action.key,
        attempt=step.attempt,
        attempts=action.retry.attempts,
        next_retry_at=later,
        policy=action.retry,
    )
    if action.if_it_fails:
        answer["if_it_fails"] = action.if_it_fails
    return answer


def _said(error: dict[str, Any] | None) -> dict[str, Any] | None:
    """What a log entry from warning up carries: cause, context, retry policy."""
    if not error:
        return None
    return {name: error.get(name) for name in ("type", "cause", "context", "retry_policy", "hint", "next_retry_at")}


def _time(moment: datetime) -> str:
    return moment.strftime("%H:%M:%S UTC")
