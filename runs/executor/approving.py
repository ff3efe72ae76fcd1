"""The gate before a step that people decide: asked for once its input is rendered, passed only by that very input.

The owner that a decision wakes looks again: at the step's `when`, and at what it would do now. Only where that has the
hash that was approved is the step performed; else the approval is void and another one is asked for.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Any

from automations.engine.errors import StepError
from automations.engine.parts import ActionPlan
from automations.engine.scope import variables
from runs.executor.asked import Asked, Request, after
from runs.executor.hand import Hand
from runs.executor.perform import rendered_input
from runs.executor.record import Entry, LogRow
from runs.states import ApprovalState, StepStatus

CHANGED = "What it was about has changed since it was asked for."
ENDED = "The step is not performed any more."


def hash_of(value: Any) -> str:
    """SHA-256 of the canonical JSON: sorted keys, no spaces, UTF-8."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def must_wait(hand: Hand, entry: Entry, action: ActionPlan, ready_at: datetime, now: datetime) -> bool:
    """Whether people decide about this ready step first; if so it is asked for in `entry`.

    A step whose input cannot be rendered does not wait: it fails when it is performed, and says why then.
    """
    plan = action.approval
    if plan is None or not _needed(hand, action, ready_at):
        return False
    try:
        value = rendered_input(hand, action.key, ready_at)
    except StepError:
        return False
    digest = hash_of(value)
    if (action.key, digest) in hand.approvals.held:
        return False
    hand.inputs.pop(action.key, None)  # rendered anew once it is decided; only what is performed is stored
    asked = hand.approvals.asked.get(action.key)
    if asked and asked.state == ApprovalState.APPROVED:
        entry.voids.append((action.key, (ApprovalState.APPROVED,), CHANGED))
        entry.log.append(LogRow(now, "warning", action.key, f"Its approval is void. {CHANGED} It is asked for anew."))
    entry.requests.append(Request(action.key, value, digest, plan))
    hand.approvals.asked[action.key] = Asked(ApprovalState.PENDING)
    step = hand.state.steps[action.key]
    step.status, step.due_at = StepStatus.AWAITING_APPROVAL.value, after(now, plan.expires)
    step.reason = f"waits for an approval by {', '.join(plan.approvers) or 'an approver of the workflow'}"
    entry.log.append(LogRow(now, "info", action.key, f"It {step.reason}."))
    return True


def _needed(hand: Hand, action: ActionPlan, ready_at: datetime) -> bool:
    """An unknown condition asks for it: that is the safe side."""
    when = action.approval.when if action.approval else None
    if when is None:
        return True
    return when.evaluate(variables(hand.plan, hand.state, action.key, ready_at)).matched is not False


def decided(hand: Hand) -> dict[str, Asked]:
    """Steps that await an approval about which there is an answer."""
    asked = hand.approvals.asked
    return {
        key: asked[key]
        for key, step in hand.state.steps.items()
        if step.status == StepStatus.AWAITING_APPROVAL and key in asked and asked[key].state != ApprovalState.PENDING
    }


def forget(hand: Hand, entry: Entry, key: str) -> None:
    """The step has ended otherwise: whoever was asked need not decide any more."""
    asked = hand.approvals.asked.get(key)
    if asked and asked.state == ApprovalState.PENDING:
        entry.voids.append((key, (ApprovalState.PENDING,), ENDED))
        hand.approvals.asked[key] = Asked(ApprovalState.VOID, ENDED)
