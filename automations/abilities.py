"""What a definition may say already but nothing carries out yet: it may be drawn and tested, never released, and a step
that asks for it is never performed without it."""

from __future__ import annotations

from automations.engine.parts import ActionPlan, Plan


def uncarried(action: ActionPlan) -> str:
    """The setting of this action that would be left out if it were performed, else ""."""
    if action.cap:
        return "cap"
    if action.for_each:
        return "for_each"
    return "repeat" if action.repeat else ""


def uncarried_paths(plan: Plan) -> list[str]:
    """Paths of all such settings, in document order."""
    paths = [
        f"triggers[{trigger.position}].{name}"
        for trigger in plan.triggers
        for name in ("debounce", "throttle")
        if getattr(trigger, name)
    ]
    ordered = sorted(plan.actions, key=lambda action: action.position)
    paths += [f"actions[{action.position}].{uncarried(action)}" for action in ordered if uncarried(action)]
    if plan.concurrency and plan.concurrency.on_limit != "queue":
        paths.append("concurrency.on_limit")
    return paths + [name for name in ("sensitive", "encrypt") if plan.document.get(name)]
