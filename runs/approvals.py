"""What people decide about steps: approve, reject, ask, delegate, withdraw.

Beside the executor, which asks and voids, and time (runs/reminders.py), nobody else writes this noun. A decision is
bound to the hash of the input its maker saw. It wakes the run; the run's owner looks again before it performs anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.db import transaction

from automations.differences import between
from automations.engine.cel import ExpressionError
from automations.engine.scope import render
from automations.engine.state import StepState
from automations.permissions import may
from automations.refusals import Conflict, Invalid, Refusal
from runs import agenda, approvers, bell, database, reminders
from runs.executor.approving import CHANGED, hash_of
from runs.models import Approval, Approver, Step
from runs.rerun import because, plan_or_none, who, write_log
from runs.simulation import storing
from runs.states import FINISHED_RUN, ApprovalState

COMMENT_LIMIT = 2_000
#: What one request may decide at most.
AT_ONCE = 500


def approve(approval: Approval, *, by: Any, input_hash: str, comment: str = "") -> Approval:
    """Say yes to exactly this input; the last yes of the quorum lets the run go on.

    Raises PermissionDenied; Invalid without a hash; Conflict when it is decided already, or when what it is about has
    changed, with what changed as `errors`. In that case it is void, and the run asks anew.
    """
    if not input_hash:
        raise Invalid.at("input_hash", "Say what you approve: the input_hash you have seen.")
    comment = _comment(comment)
    with transaction.atomic():
        row, now = _take(approval, wake=True)
        _may_decide(by, row)
        _same(row, input_hash)
        changed = _changed(row)
        if changed:
            _close(row, ApprovalState.VOID, CHANGED, now)
        else:
            _note(row, by, "approved", comment, now)
            if _agreed(row) >= row.quorum:
                names = ", ".join(dict.fromkeys(one["by"] for one in row.decisions if one["decision"] == "approved"))
                _close(row, ApprovalState.APPROVED, f"approved by {names}", now)
    if changed:
        raise Conflict(f"{CHANGED} It is void, and the run asks anew.", errors=changed)
    return row


@transaction.atomic
def reject(approval: Approval, *, by: Any, input_hash: str = "", comment: str = "") -> Approval:
    """Say no: one no is enough. The step is skipped, the run goes on. Raises as `approve` does."""
    comment = _comment(comment)
    row, now = _take(approval, wake=True)
    _may_decide(by, row)
    _same(row, input_hash)
    _note(row, by, "rejected", comment, now)
    _close(row, ApprovalState.REJECTED, f"rejected by {who(by)}{because(comment)}", now)
    return row


@transaction.atomic
def ask(approval: Approval, *, by: Any, input_hash: str = "", comment: str) -> Approval:
    """Ask, or answer, before anybody decides: approvers and whoever runs the workflow talk here. It stays pending."""
    comment = _comment(comment)
    if not comment.strip():
        raise Invalid.at("comment", "Write what you want to know.")
    row, now = _take(approval)
    decides = not approvers.why_not(by, row)
    if by is None or not (decides or _asks_for_it(by, row)):
        raise PermissionDenied("You are neither asked nor asking here.")
    _same(row, input_hash)
    _note(row, by, "asked" if decides else "answered", comment, now)
    people = [row.run.started_by or row.workflow.owner] if decides else approvers.asked_people(row)
    reminders.notify(row, [user for user in people if user], "About an approval", f"{who(by)} writes: {comment}")
    return row


@transaction.atomic
def delegate(approval: Approval, *, by: Any, to: str, input_hash: str = "", comment: str = "") -> Approval:
    """Hand one's own say to a user or group, by name. It stays pending. Raises as `approve` does."""
    comment = _comment(comment)
    row, now = _take(approval)
    _may_decide(by, row)
    _same(row, input_hash)
    people = _delegates(row, by, to)
    Approver.objects.create(approval=row, name=to)
    _note(row, by, approvers.DELEGATED, comment, now, to=to)
    reminders.notify(row, people, "Approval delegated to you", f"By {who(by)}{because(comment)}")
    return row


@transaction.atomic
def withdraw(approval: Approval, *, by: Any, input_hash: str = "", comment: str = "") -> Approval:
    """Whoever asked for it does not want it any more: the step is skipped, the run goes on.

    Whoever started the run may, and whoever holds the verb `run`. Raises PermissionDenied, Conflict.
    """
    comment = _comment(comment)
    row, now = _take(approval, wake=True)
    if not _asks_for_it(by, row):
        raise PermissionDenied("Whoever started the run, or may run this workflow, withdraws an approval.")
    _same(row, input_hash)
    _note(row, by, "withdrawn", comment, now)
    _close(row, ApprovalState.WITHDRAWN, f"its approval was withdrawn by {who(by)}{because(comment)}", now)
    return row


def decide_many(items: Iterable[Mapping[str, Any]], *, by: Any, decision: str, comment: str = "") -> list[dict]:
    """Approve or reject each `{id, input_hash}`, bound and checked by itself, in a transaction of its own.

    Returns `[{id, decided, state, message, errors}]` in order. Raises Invalid for another decision, or for too many.
    """
    items = list(items)
    if decision not in ("approve", "reject"):
        raise Invalid.at("decision", "Write approve or reject.")
    if len(items) > AT_ONCE:
        raise Invalid.at("items", f"At most {AT_ONCE} at once.")
    do = approve if decision == "approve" else reject
    return [_one_of_many(item, do, by, comment) for item in items]


def _one_of_many(item: Mapping[str, Any], do: Any, by: Any, comment: str) -> dict[str, Any]:
    answer: dict[str, Any] = {"id": item["id"], "decided": False, "state": None, "message": "", "errors": []}
    row = approvers.visible_to(by).filter(pk=item["id"]).first()
    if row is None:
        return answer | {"message": "There is no such approval."}
    try:
        if not item.get("input_hash"):
            raise Invalid.at("input_hash", "Say what you decide about: the input_hash you have seen.")
        row = do(row, by=by, input_hash=item["input_hash"], comment=comment)
    except (Refusal, PermissionDenied) as refusal:
        row.refresh_from_db(fields=["state"])
        return answer | {"state": row.state, "message": str(refusal), "errors": getattr(refusal, "errors", [])}
    return answer | {"decided": True, "state": row.state}


# Checks ------------------------------------------------------------------------------------------------------------


def _take(approval: Approval, *, wake: bool = False) -> tuple[Approval, datetime]:
    """Lock a pending approval, its run's agenda row before it. Raises Conflict when there is nothing to decide."""
    now = database.now()
    if wake:
        agenda.wake(agenda.RUN, [approval.run_id], now)
        bell.ring_after_commit()
    row = Approval.objects.select_for_update(of=("self",)).select_related("run__started_by", "workflow__owner")
    found = row.get(pk=approval.pk)
    if found.state != ApprovalState.PENDING:
        newer = Approval.objects.filter(run=found.run_id, step=found.step, index=found.index, pk__gt=found.pk).last()
        changed = _differences(found.input, newer.input) if newer and found.state == ApprovalState.VOID else []
        raise Conflict(f"It is no longer pending: {found.reason or found.get_state_display()}", errors=changed)
    if found.run.status in FINISHED_RUN:
        raise Conflict("Its run has ended.")
    if found.expires_at and found.expires_at <= now:
        raise Conflict("Its time to be decided is over.")
    return found, now


def _may_decide(by: Any, approval: Approval) -> None:
    if reason := approvers.why_not(by, approval):
        raise PermissionDenied(reason)
    if any(one["by"] == by.get_username() and one["decision"] == "approved" for one in approval.decisions):
        raise Conflict("You have approved it already: somebody else must too.")


def _asks_for_it(by: Any, approval: Approval) -> bool:
    return by is not None and (by.pk == approval.run.started_by_id or may(by, "run", approval.workflow))


def _same(approval: Approval, seen: str) -> None:
    """The hash that was sent is that of this request. Raises Conflict, with what changed where that is known."""
    if not seen or seen == approval.input_hash:
        return
    before = Approval.objects.filter(run=approval.run_id, step=approval.step, input_hash=seen).last()
    changed = _differences(before.input, approval.input) if before else []
    raise Conflict("This is not what you have seen: the request has changed. Look at it again.", errors=changed)


def _changed(approval: Approval) -> list[tuple[str, str]]:
    """What differs in what the step would do now from what is asked about; the run's owner will look once more."""
    run, plan = approval.run, plan_or_none(approval.run)
    if plan is None or approval.step not in plan.by_key:
        return []
    steps = {step.action: step for step in Step.objects.filter(run=run, index=-1)}
    step = steps.get(approval.step)
    if step is None or step.ready_at is None:
        return []
    states = {key: StepState(one.status, output=one.output) for key, one in steps.items()}
    try:
        value = render(plan, storing.state_of(run, plan, states), approval.step, step.ready_at).value
    except ExpressionError as error:
        return [("", f"It can no longer be rendered: {error}")]
    return [] if hash_of(value) == approval.input_hash else _differences(approval.input, value)


def _differences(before: Any, after: Any) -> list[tuple[str, str]]:
    """`[(path, "was …, is now …")]`"""
    return [(f"input.{one['path']}".rstrip("."), _was(one)) for one in between(before, after)] or [("input", CHANGED)]


def _was(one: Mapping[str, Any]) -> str:
    if "before" not in one:
        return f"{one['after']!r} was added."
    return f"was {one['before']!r}, is now {one['after']!r}." if "after" in one else f"{one['before']!r} was removed."


def _delegates(approval: Approval, by: Any, to: str) -> list[Any]:
    """The people behind the name. Raises Invalid for one who may not decide in somebody's stead."""
    users = get_user_model()._default_manager.filter(is_active=True)
    user, group = users.filter(username=to).first(), Group.objects.filter(name=to).first()
    if user is None and group is None:
        raise Invalid.at("to", f"There is no active user or group {to}.")
    if to in approval.approver_names or (user and user.pk == by.pk):
        raise Invalid.at("to", f"{to} is asked already.")
    if user and user.pk == approval.run.started_by_id:
        raise Invalid.at("to", approvers.INITIATOR)
    if user and approvers.has_delegated(user, approval):
        raise Invalid.at("to", f"{to} has delegated it already.")
    return [user] if user else list(users.filter(groups=group))


def _comment(text: str) -> str:
    if len(text) > COMMENT_LIMIT:
        raise Invalid.at("comment", f"At most {COMMENT_LIMIT:,} characters.")
    return text


# Writing -----------------------------------------------------------------------------------------------------------


def _agreed(approval: Approval) -> int:
    return len({one["by"] for one in approval.decisions if one["decision"] == "approved"})


def _note(approval: Approval, by: Any, decision: str, comment: str, now: datetime, **more: str) -> None:
    """Add to what was said about it. The row is locked: nobody else adds meanwhile."""
    one = {"by": by.get_username(), "decision": decision, "comment": comment, "at": now.isoformat(), **more}
    approval.decisions = [*approval.decisions, one]
    approval.save(update_fields=["decisions"])
    to = f" to {more['to']}" if more else ""
    write_log(approval.run, now, f"{decision.capitalize()}{to} by {who(by)}{because(comment)}.", step=approval.step)


def _close(approval: Approval, state: ApprovalState, reason: str, now: datetime) -> None:
    pending = Approval.objects.filter(pk=approval.pk, state=ApprovalState.PENDING)
    if not pending.update(state=state, reason=reason, decided_at=now):
        raise Conflict("Somebody else was first.")
    approval.state, approval.reason, approval.decided_at = state, reason, now


__all__ = ["approve", "ask", "decide_many", "delegate", "reject", "withdraw"]
