"""Which dead letters a batch is about, and what replaying them would do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet

from automations.engine import durations, times
from automations.engine.durations import DurationError
from automations.permissions import workflow_ids
from automations.refusals import Invalid
from runs import database
from runs.models import DeadLetter, Run, Step
from runs.rerun import plan_or_none
from runs.states import DeadLetterState, RunStatus, StepStatus

FILTERS = ("workflow", "fingerprint", "since", "ids", "state")
SINCE = "Write a time like 2026-01-31T08:00:00Z, or how long ago, like 24h."


def select(filter: Mapping[str, Any], *, by: Any) -> QuerySet[DeadLetter]:
    """The dead letters of `{workflow, fingerprint, since, ids, state}` that `by` may replay, oldest first.

    `workflow` is a number or slug; `since` a time or how long ago, as in 24h; `state` is open where nothing is said.
    Raises Invalid with the path of what cannot be read.
    """
    for name in filter:
        if name not in FILTERS:
            raise Invalid.at(f"filter.{name}", f"One of {', '.join(FILTERS)}.")
    given = {name: value for name, value in filter.items() if value not in (None, "")}
    wanted = {"state": DeadLetterState.OPEN, **given}
    letters = DeadLetter.objects.filter(*(_criterion(name, value) for name, value in wanted.items()))
    allowed = workflow_ids(by, "run")
    return (letters if allowed is None else letters.filter(workflow__in=allowed)).order_by("id")


def _criterion(name: str, value: Any) -> Q:
    if name == "workflow":
        number = isinstance(value, int) or str(value).isdecimal()
        return Q(workflow=int(value)) if number else Q(workflow__slug=str(value))
    if name == "since":
        return Q(opened_at__gte=_moment(value))
    if name == "ids":
        if not isinstance(value, list) or any(isinstance(one, bool) or not isinstance(one, int) for one in value):
            raise Invalid.at("filter.ids", "Write a list of numbers.")
        return Q(pk__in=value)
    if name == "state" and value not in DeadLetterState.values:
        raise Invalid.at("filter.state", f"One of {', '.join(DeadLetterState.values)}.")
    return Q(**{name: str(value)})


def _moment(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    at = times.parse(value) if isinstance(value, str) else None
    if at is not None:
        return at
    try:
        return database.now() - timedelta(seconds=durations.parse(value))
    except DurationError:
        raise Invalid.at("filter.since", SINCE) from None


def preview(filter: Mapping[str, Any], *, by: Any, limit: int | None = None) -> dict[str, int]:
    """What a batch of these would do: `{total, repeats, stale, superseded, needs_approval, unknown}`.

    `repeats` go out again under their old key, `stale` are older than their `valid_for`, `superseded` have a later
    success about the same subject, `unknown` wait for a person's answer and are skipped.
    """
    letters = list(select(filter, by=by).select_related("run__version")[: whole(limit, "limit")])
    found = dict.fromkeys(("total", "repeats", "stale", "superseded", "needs_approval", "unknown"), 0)
    now, steps = database.now(), _steps(letters)
    for letter in letters:
        plan = plan_or_none(letter.run)
        action = plan.by_key.get(letter.step) if plan else None
        status, sent = steps.get((letter.run_id, letter.step, letter.index), ("", False))
        found["total"] += 1
        found["unknown"] += status == StepStatus.UNKNOWN
        found["superseded"] += _superseded(letter)
        if action:
            found["repeats"] += sent and action.risk not in ("none", "read")
            found["stale"] += bool(action.valid_for and now - letter.opened_at > timedelta(seconds=action.valid_for))
            found["needs_approval"] += action.approval is not None
    return found


def _steps(letters: Sequence[DeadLetter]) -> dict[tuple[int, str, int], tuple[str, bool]]:
    """(run, step, index) → (status, whether its call may have reached the receiver); inputs are not read."""
    rows = {}
    ids = sorted({letter.run_id for letter in letters})
    for start in range(0, len(ids), 1000):
        steps = Step.objects.filter(run__in=ids[start : start + 1000])
        steps = steps.annotate(sent=Q(attempt__gt=0, input__isnull=False))
        for run, key, index, status, sent in steps.values_list("run_id", "action", "index", "status", "sent"):
            rows[run, key, index] = (status, bool(sent))
    return rows


def _superseded(letter: DeadLetter) -> bool:
    later = Run.objects.filter(subject_type=letter.subject_type, subject_key=letter.subject_key, pk__gt=letter.run_id)
    later = later.filter(workflow=letter.workflow_id, mode=Run.Mode.EXECUTE, status=RunStatus.SUCCEEDED)
    return bool(letter.subject_key) and later.exists()


def whole(value: Any, path: str) -> int | None:
    """A whole number, at least 1, or None. Raises Invalid."""
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise Invalid.at(path, "Write a whole number, at least 1.")
    return value
