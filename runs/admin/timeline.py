"""The steps of one run as a timeline: in the definition's order, each with its place on one scale of time."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.utils import timezone

from automations.html import between
from automations.kinds import actions
from runs.models import Run, Step
from runs.states import COLOUR, StepStatus

STEPS_SHOWN = 300


@dataclass(slots=True)
class Row:
    """One step as the page shows it; `left` and `width` are per cent of the run's time."""

    key: str
    kind: str
    label: str
    icon: str
    status: str
    word: str
    step: Step | None = None
    left: float = 0.0
    width: float = 0.0
    took: float | None = None
    tone: str = ""
    if_it_fails: str = ""
    owner: str = ""
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def open(self) -> bool:
        """Whether its details are unfolded at first: where something went wrong."""
        return self.status in ("failed", "unknown", "retrying")


def steps(run: Run, *, payloads: bool) -> list[Row]:
    """The run's steps, those without a row yet as pending. Without `payloads` input and output are not even read."""
    definition = {part["key"]: part for part in run.version.document.get("actions") or []}
    found = run.steps.all() if payloads else run.steps.defer("input", "output", "values")
    by_key: dict[str, list[Step]] = {}
    for step in found[:STEPS_SHOWN]:
        by_key.setdefault(step.action, []).append(step)
    start, end = _scale(run, by_key)
    rows = []
    for key in [*definition, *(key for key in by_key if key not in definition)]:
        part = definition.get(key, {})
        found_steps: list[Step | None] = [*by_key.get(key, ())]
        rows += [_row(key, part, step, start, end) for step in found_steps or [None]]
    return rows


def definition_of(run: Run, key: str) -> dict[str, Any]:
    """The action of this key as the run's version defines it, {} where it does not."""
    return next((part for part in run.version.document.get("actions") or [] if part["key"] == key), {})


def _scale(run: Run, by_key: dict[str, list[Step]]) -> tuple[datetime, datetime]:
    moments = [moment for steps in by_key.values() for step in steps for moment in (step.started_at, step.finished_at)]
    known = [moment for moment in [*moments, run.started_at, run.finished_at] if moment]
    start = run.started_at or min(known, default=run.created_at)
    end = run.finished_at or timezone.now()
    return min([start, *known]), max([end, *known])


def _row(key: str, part: dict[str, Any], step: Step | None, start: datetime, end: datetime) -> Row:
    kind = part.get("kind") or (step.kind if step else "")
    status = step.status if step else StepStatus.PENDING
    row = Row(
        key=key if step is None or step.index < 0 else f"{key} [{step.index}]",
        kind=kind,
        label=actions[kind].label if kind in actions else kind,
        icon=actions[kind].icon if kind in actions else "extension",
        status=status,
        word=StepStatus(status).label,
        step=step,
        tone=COLOUR.get(status, ""),
        if_it_fails=part.get("if_it_fails", ""),
        owner=part.get("owner", ""),
    )
    whole = between(start, end) or 1.0
    if step and step.started_at:
        row.left = round(100 * (between(start, step.started_at) or 0.0) / whole, 2)
        row.took = between(step.started_at, step.finished_at)
        row.width = round(100 * (between(step.started_at, step.finished_at or end) or 0.0) / whole, 2)
        row.left, row.width = min(row.left, 99.0), max(0.6, min(row.width, 100 - row.left))
    return row
