"""The names an expression may use at each place of a definition, and their values at run time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from automations.engine.parts import Plan
from automations.engine.state import FINISHED, SUCCEEDED, RunState, StepState
from automations.engine.templates import Rendered

BEFORE_A_RUN = frozenset({"event", "trigger", "workflow", "now"})
"""For filters, dedupe keys, subjects and concurrency keys: there is no run yet."""

IN_A_RUN = BEFORE_A_RUN | {"steps", "run"}
IN_AN_ITEM = IN_A_RUN | {"item", "index"}
ROOTS = IN_AN_ITEM


def variables(plan: Plan, state: RunState, key: str | None, now: datetime) -> dict[str, Any]:
    """Return the values in scope for the action `key`: of the steps only its finished ancestors.

    `now` is the moment the step became ready (`Ready.ready_at`). Without a key all finished steps are in scope.
    """
    action = plan.by_key[key] if key else None
    keys = state.steps if action is None else action.ancestors
    steps = {k: _step(state.steps[k]) for k in keys if k in state.steps and state.steps[k].status in FINISHED}
    return {
        "event": state.event,
        "trigger": state.trigger,
        "steps": steps,
        "run": state.run,
        "workflow": state.workflow,
        "now": now,
    }


def _step(step: StepState) -> dict[str, Any]:
    """Return `{status, output, items}`; a step that did not succeed has no output, so reading it is *missing*."""
    seen: dict[str, Any] = {"status": step.status}
    if step.status in SUCCEEDED:
        seen["output"] = step.output
    if step.items is not None:
        seen["items"] = step.items
    return seen


def render(plan: Plan, state: RunState, key: str, now: datetime, *, extra: Mapping[str, Any] | None = None) -> Rendered:
    """Return the config of the action `key` with its templates filled in.

    `extra` holds `item` and `index` under `for_each`. Raises MissingValue with the path of a value that is
    not there, ExpressionError for any other failure of an expression.
    """
    names = variables(plan, state, key, now)
    names.update(extra or {})
    return plan.by_key[key].config.render(names)
