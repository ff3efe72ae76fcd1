"""Dead letters: the cases of steps that gave up, and the verbs by which people end them.

Beside the executor's group commit, which opens and settles them, nobody else writes this noun. A replay *reopens*: the
same run goes on from the failed step, with the same bytes under the same key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import F, QuerySet

from automations.engine.errors import StepError
from automations.engine.parts import Plan
from automations.permissions import require
from automations.refusals import Conflict, Invalid
from runs import agenda, bell, database
from runs.agenda import Item
from runs.executor.perform import storable
from runs.models import Agenda, DeadLetter, Run, Step
from runs.rerun import because, deadline, limit_of_run, plan_or_none, who, write_log
from runs.states import FINISHED_RUN, DeadLetterState, RunStatus, StepStatus

TAKEN = "Somebody else has replayed, resolved or discarded this dead letter."
BUSY = "The run is still going on. Its dead letters can be replayed once it has ended."
UNKNOWN = "Nobody knows whether this step happened. Say first whether it did: it is never repeated blindly."
CARRIED = "A worker is just carrying this run. Try again in a moment."


def open_for(run: Run) -> QuerySet[DeadLetter]:
    """The open dead letters of a run, oldest first."""
    return DeadLetter.objects.filter(run=run, state=DeadLetterState.OPEN).order_by("id")


@transaction.atomic
def replay(dead_letter: DeadLetter, *, by: Any, reason: str = "") -> Run:
    """Reopen the run from this step. Open dead letters that would stop it again at once come along.

    Needs the verb `run`. Raises Conflict when somebody else was first, when the run is still going on, or when another
    step of the run stands in the way.
    """
    require(by, "run", dead_letter.workflow)
    return _reopen(dead_letter.run, [dead_letter], by=by, reason=reason)


@transaction.atomic
def replay_run(run: Run, *, by: Any, reason: str = "") -> Run:
    """Reopen a run from all its open dead letters. Needs the verb `run`. Raises Conflict, also when there is none."""
    require(by, "run", run.workflow)
    letters = list(open_for(run))
    if not letters:
        raise Conflict("This run has no open dead letter.")
    return _reopen(run, letters, by=by, reason=reason)


@transaction.atomic
def resolve(dead_letter: DeadLetter, *, by: Any, outcome: str, output: Any = None, note: str = "") -> DeadLetter:
    """A person says what became of the step: it `happened`, with this output, or it `did_not_happen`: perform it.

    Either way its run goes on. Needs the verb `run`. Raises Invalid, and Conflict as `replay` does.
    """
    require(by, "run", dead_letter.workflow)
    done = {dead_letter.step: output} if _answer(outcome, output) else {}
    if is_unknown(dead_letter) and dead_letter.run.status not in FINISHED_RUN:
        _answer_unknown(dead_letter, done, by=by)
    else:
        _reopen(dead_letter.run, [dead_letter], by=by, reason=note, done=done, answered=True)
    if note:
        DeadLetter.objects.filter(pk=dead_letter.pk).update(note=note)
    dead_letter.refresh_from_db()
    return dead_letter


@transaction.atomic
def discard(dead_letter: DeadLetter, *, by: Any, note: str = "") -> DeadLetter:
    """Close it undone: the run stays as it ended. Needs the verb `run`.

    Raises Conflict when somebody else was first, or when its run waits for an answer.
    """
    require(by, "run", dead_letter.workflow)
    if is_unknown(dead_letter) and dead_letter.run.status not in FINISHED_RUN:
        raise Conflict(UNKNOWN)
    now = database.now()
    written = {"note": note} if note else {}
    _guarded([dead_letter], state=DeadLetterState.DISCARDED, closed_at=now, **written)
    message = f"Its dead letter was discarded by {who(by)}{because(note)}."
    write_log(dead_letter.run, now, message, step=dead_letter.step)
    dead_letter.refresh_from_db()
    return dead_letter


@transaction.atomic
def update(dead_letter: DeadLetter, *, by: Any, **fields: Any) -> DeadLetter:
    """Set `owner` (a user or a name, None for nobody), `cause`, `fixed_in`, `note`. Needs the verb `run`.

    Raises Invalid for another field, an unknown user or cause, or a text that is too long.
    """
    require(by, "run", dead_letter.workflow)
    values = {name: _value(name, value) for name, value in fields.items()}
    changed = {name: value for name, value in values.items() if getattr(dead_letter, name) != value}
    if changed:
        DeadLetter.objects.filter(pk=dead_letter.pk).update(**changed)
        said = {name: str(value or "") for name, value in changed.items()}
        message = f"Its dead letter was changed by {who(by)}: {', '.join(changed)}."
        write_log(dead_letter.run, database.now(), message, step=dead_letter.step, data=said)
        dead_letter.refresh_from_db()
    return dead_letter


def is_unknown(dead_letter: DeadLetter) -> bool:
    """Whether nobody knows if its step happened."""
    steps = Step.objects.filter(run=dead_letter.run_id, action=dead_letter.step, index=dead_letter.index)
    return steps.filter(status=StepStatus.UNKNOWN).exists()


# What people send --------------------------------------------------------------------------------------------------


def _answer(outcome: str, output: Any) -> bool:
    """Whether it happened."""
    if outcome not in ("happened", "did_not_happen"):
        raise Invalid.at("outcome", "Say happened or did_not_happen.")
    try:
        storable(output)
    except StepError as error:
        raise Invalid.at("output", error.message) from None
    return outcome == "happened"


def _value(name: str, value: Any) -> Any:
    if name == "owner":
        return _owner(value)
    if name not in ("cause", "fixed_in", "note"):
        raise Invalid.at(name, "This cannot be changed.")
    value, limit = value or "", getattr(DeadLetter._meta.get_field(name), "max_length", None) or 10_000
    if not isinstance(value, str) or len(value) > limit:
        raise Invalid.at(name, f"This must be text of at most {limit} characters.")
    if name == "cause" and value and value not in DeadLetter.Cause.values:
        raise Invalid.at(name, f"One of {', '.join(DeadLetter.Cause.values)}.")
    return value


def _owner(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    user = get_user_model()._default_manager.filter(username=value, is_active=True).first()
    if value and user is None:
        raise Invalid.at("owner", f"There is no active user {value}.")
    return user


# Reopening ---------------------------------------------------------------------------------------------------------


def _reopen(
    run: Run,
    letters: Sequence[DeadLetter],
    *,
    by: Any,
    reason: str,
    done: Mapping[str, Any] | None = None,
    answered: bool = False,
) -> Run:
    """One transaction: run and dead letters by guarded updates, steps, agenda row, log.

    `done` holds the outputs of steps that need not be performed any more; `answered`: an unknown step was answered.
    """
    now, plan = database.now(), plan_or_none(run)
    if not answered and any(is_unknown(letter) for letter in letters):
        raise Conflict(UNKNOWN)
    _take_run(run, plan, now)
    letters = _with_companions(run, plan, letters)
    _guarded(letters, state=DeadLetterState.REPLAYING, replays=F("replays") + 1)
    _steps_again(run, [letter.step for letter in letters], now)
    _steps_done(run, done or {}, now)
    agenda.enqueue(agenda.RUN, [Item(run.pk, run.priority, limit_of_run(run, plan))], now)
    write_log(run, now, f"Reopened from {', '.join(letter.step for letter in letters)} by {who(by)}{because(reason)}.")
    bell.ring_after_commit()
    run.refresh_from_db()
    return run


def _take_run(run: Run, plan: Plan | None, now: datetime) -> None:
    """The mutex: of two who reopen one run, only one finds it finished."""
    taken = Run.objects.filter(pk=run.pk, status__in=FINISHED_RUN).update(
        status=RunStatus.QUEUED,
        reopened=F("reopened") + 1,
        finished_at=None,
        cancelled_at=None,
        cancel_reason="",
        deadline=deadline(plan, now),
        warnings=0,
        error=None,
    )
    if not taken:
        raise Conflict(BUSY)


def _with_companions(run: Run, plan: Plan | None, letters: Sequence[DeadLetter]) -> list[DeadLetter]:
    """The letters asked for, and every open one whose failure would end the run again at once."""
    chosen = {letter.step: letter for letter in letters}
    others = {letter.step: letter for letter in open_for(run)}
    for key, status in Step.objects.filter(run=run, index=-1).order_by("id").values_list("action", "status"):
        undone = key.removesuffix(".compensate")
        if undone != key and status in (StepStatus.SUCCEEDED, StepStatus.UNKNOWN):
            raise Conflict(f"{undone} was undone after the failure: replay the run from its start instead.")
        if key in chosen:
            continue
        if status == StepStatus.UNKNOWN:
            raise Conflict(f"{key}: {UNKNOWN}")
        if status == StepStatus.FAILED and _stops(plan, key):
            if key not in others:
                raise Conflict(f"{key} failed too and its dead letter is closed, so this run cannot go on.")
            chosen[key] = others[key]
    return sorted(chosen.values(), key=lambda letter: letter.pk)


def _stops(plan: Plan | None, key: str) -> bool:
    action = plan.by_key.get(key) if plan else None
    return action is None or action.on_failure != "continue"


def _steps_again(run: Run, failed: Sequence[str], now: datetime) -> None:
    """The failed steps are due at once, from attempt 0; what was not reached or cut short is pending again.

    `input` and `ready_at` stay: the same bytes under the same key.
    """
    steps = Step.objects.filter(run=run, index=-1)
    again: dict[str, Any] = {"status": StepStatus.PENDING, "attempt": 0, "not_reached": False, "reason": ""}
    again |= dict.fromkeys(("started_at", "finished_at", "values", "error", "output"))
    steps.filter(action__in=failed).update(**again, due_at=now)
    steps.filter(status=StepStatus.SKIPPED, not_reached=True).update(**again, due_at=None)
    steps.filter(status=StepStatus.CANCELLED).update(**again, due_at=None)


def _steps_done(run: Run, done: Mapping[str, Any], now: datetime) -> None:
    for step, output in done.items():
        Step.objects.filter(run=run, action=step, index=-1).update(
            status=StepStatus.SUCCEEDED, attempt=1, output=output, due_at=None, finished_at=now, error=None
        )
        DeadLetter.objects.filter(run=run, step=step, index=-1).update(state=DeadLetterState.RESOLVED, closed_at=now)


def _answer_unknown(dead_letter: DeadLetter, done: Mapping[str, Any], *, by: Any) -> None:
    """A waiting run hears what became of its unknown step, and goes on."""
    now, run = database.now(), dead_letter.run
    agenda.wake(agenda.RUN, [run.pk], now)  # locks the agenda row: from here on no worker takes the run
    if Agenda.objects.filter(kind=agenda.RUN, target=run.pk, owner__isnull=False).exists():
        raise Conflict(CARRIED)
    # `reopened` lets the step's outcome settle the dead letter.
    Run.objects.filter(pk=run.pk).update(reopened=F("reopened") + 1)
    _guarded([dead_letter], state=DeadLetterState.REPLAYING, replays=F("replays") + 1)
    if done:
        _steps_done(run, done, now)
    else:
        _steps_again(run, [dead_letter.step], now)
    told = "it happened" if done else "it did not happen"
    write_log(run, now, f"{who(by)} said: {told}.", step=dead_letter.step)
    bell.ring_after_commit()


def _guarded(letters: Sequence[DeadLetter], **values: Any) -> None:
    ids = [letter.pk for letter in letters]
    if DeadLetter.objects.filter(pk__in=ids, state=DeadLetterState.OPEN).update(**values) != len(ids):
        raise Conflict(TAKEN)


__all__ = ["discard", "is_unknown", "open_for", "replay", "replay_run", "resolve", "update"]
