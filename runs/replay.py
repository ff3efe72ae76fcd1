"""Replay: a run once more, from its start, from what failed, or from a step.

From what failed, with the same version and payload, the run's own dead letters are reopened. Everything else is a new
run of the same origin: its keys are the first run's, so a receiver that has seen a call knows it again. Only
`again` raises the generation of the keys.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Max, Q

from automations.engine.errors import StepError
from automations.engine.parts import Plan
from automations.engine.state import RunState, StepState
from automations.models import Mode, Version
from automations.permissions import require
from automations.plans import plan_of
from automations.refusals import Conflict, Invalid
from runs import agenda, bell, database, dead_letters
from runs.agenda import Item
from runs.asking import ask
from runs.executor.perform import storable
from runs.models import Event, Run, Step
from runs.rerun import arrival_of, because, deadline, limit_of_run, who, write_log
from runs.simulation import Simulation, simulate, storing
from runs.states import FINISHED_RUN, EvaluationResult, StepStatus

START, FAILED = "start", "failed"
_COPIED = [field.attname for field in Step._meta.concrete_fields if field.attname not in ("id", "run_id")]


@dataclass(frozen=True, slots=True)
class _Wish:
    """A replay that is a new run. `kept`: steps that are not performed again, as they ended in the old one."""

    run: Run
    version: Version
    plan: Plan
    payload: Any
    new_payload: bool
    subject: tuple[str, str]
    generation: int
    simulate: bool
    kept: Mapping[str, Step]
    start: str
    reason: str
    by: Any


def replay(
    run: Run,
    *,
    by: Any,
    start: str = START,
    version: str = "same",
    payload: Any = None,
    again: bool = False,
    simulate: bool = False,
    reason: str = "",
) -> Run:
    """Replay a run from `start`, from what `failed`, or from a step's key. Returns the run that goes on.

    `version` is same or current; `payload` None keeps the old one. A simulated replay has ended when this returns.
    Needs the verb `run`. Raises Invalid; Conflict when the run is still going on, when nothing failed, or, with the
    steps as `errors`, when a keyed step would send something else than before and `again` was not said.
    """
    require(by, "run", run.workflow)
    if start == FAILED and version == "same" and payload is None and not simulate and not again:
        return dead_letters.replay_run(run, by=by, reason=reason)
    if run.status not in FINISHED_RUN:
        raise Conflict("The run is still going on.")
    wish = _wish(run, start, version, payload, again, simulate, reason, by)
    if wish.simulate:
        return _simulated(wish)
    if not again:
        _refuse_changed(wish)
    return _started(wish)


# What is wanted ----------------------------------------------------------------------------------------------------


def _wish(run: Run, start: str, version: str, payload: Any, again: bool, simulate: bool, reason: str, by: Any) -> _Wish:
    chosen = _version(run, version)
    plan = plan_of(chosen)
    steps = {step.action: step for step in Step.objects.filter(run=run, index=-1)}
    if not simulate:
        _may_execute(run, chosen)
        _refuse_unknown(steps.values(), plan)
    return _Wish(
        run=run,
        version=chosen,
        plan=plan,
        payload=run.event.payload if payload is None else payload,
        new_payload=payload is not None,
        subject=_subject(run, chosen, plan, payload),
        generation=_generation(run) if again else run.generation,
        simulate=simulate or run.mode == Run.Mode.SIMULATE,
        kept=_kept(plan, steps, start),
        start=start,
        reason=reason,
        by=by,
    )


def _version(run: Run, wanted: str) -> Version:
    if wanted == "same":
        return run.version
    if wanted != "current":
        raise Invalid.at("version", "Write same or current.")
    if run.workflow.current_version is None:
        raise Invalid.at("version", "No version was released yet.")
    return run.workflow.current_version


def _subject(run: Run, version: Version, plan: Plan, payload: Any) -> tuple[str, str]:
    """What the new run is about. Raises Invalid where a new payload cannot be stored or breaks the contract."""
    old, trigger = (run.subject_type, run.subject_key), plan.trigger_by_key.get(run.trigger)
    if payload is None:
        return old
    try:
        storable(payload)
    except StepError as error:
        raise Invalid.at("payload", error.message) from None
    if trigger is None:
        return old
    asked = ask(plan, trigger, replace(arrival_of(run), payload=payload), run.workflow_id, version.pk, False)
    if asked.result == EvaluationResult.REFUSED:
        raise Invalid.at("payload", asked.reason)
    return asked.subject if asked.subject[1] else old


def _may_execute(run: Run, version: Version) -> None:
    """A new run is a start: only where the workflow executes, and only what was released."""
    if run.mode == Run.Mode.EXECUTE and (run.workflow.mode != Mode.EXECUTE or version.number is None):
        raise Conflict("The workflow is not in execute mode: only a simulated replay is possible.")


def _refuse_unknown(steps: Iterable[Step], plan: Plan) -> None:
    for step in steps:
        if step.status == StepStatus.UNKNOWN and step.action in plan.by_key:
            raise Conflict(f"{step.action}: {dead_letters.UNKNOWN}")


def _generation(run: Run) -> int:
    """Higher than any the origin has used."""
    chain = Run.objects.filter(Q(pk=run.origin) | Q(origin_id=run.origin))
    return (chain.aggregate(last=Max("generation"))["last"] or 0) + 1


def _kept(plan: Plan, steps: Mapping[str, Step], start: str) -> dict[str, Step]:
    """Steps that ended well and do not come after what is performed again."""
    if start == START:
        return {}
    first = _failed(plan, steps) if start == FAILED else {start}
    if not first:
        raise Conflict("Nothing failed in this run.")
    if unknown := first - set(plan.by_key):
        names = ", ".join(sorted(unknown))
        raise Invalid.at("from", f"There is no step {names}: write start, failed, or a step's key.")
    untouched = [action.key for action in plan.actions if not first & (action.ancestors | {action.key})]
    return {key: steps[key] for key in untouched if key in steps and _ended_well(steps[key], plan)}


def _failed(plan: Plan, steps: Mapping[str, Step]) -> set[str]:
    return {key for key, step in steps.items() if step.status == StepStatus.FAILED and not _tolerated(plan, key)}


def _tolerated(plan: Plan, key: str) -> bool:
    action = plan.by_key.get(key)
    return action is not None and action.on_failure == "continue"


def _ended_well(step: Step, plan: Plan) -> bool:
    if step.kind != plan.by_key[step.action].kind:
        return False
    if step.status == StepStatus.FAILED:
        return _tolerated(plan, step.action)
    done = (StepStatus.SUCCEEDED, StepStatus.SIMULATED)
    return step.status in done or (step.status == StepStatus.SKIPPED and not step.not_reached)


# A keyed step sends the same, or nothing ---------------------------------------------------------------------------


def _refuse_changed(wish: _Wish) -> None:
    """Render what would be sent, with the outputs the old run had, and compare it with what was sent under the key."""
    sent = _sent(wish)
    if not sent:
        return
    now = database.now()
    state = _state_of(wish, wish.run)
    state.created_at, state.run = now, {"id": 0, "mode": wish.run.mode, "started_at": now}  # they will differ
    candidates = _simulate(wish, state, now).candidates
    keyed = [one for one in candidates if one.action.safety == "keyed" and one.action.key in sent and not one.opens]
    changed = [one.action.key for one in keyed if one.input != sent[one.action.key]]
    if changed:
        raise Conflict(
            "Steps would send something else under the key the receiver knows. Say `again` to send it under a new one.",
            errors=[(key, "Its input differs from what was sent before.") for key in changed],
        )


def _sent(wish: _Wish) -> dict[str, Any]:
    """Step → the newest input that was sent under the keys of this origin and generation."""
    chain = Run.objects.filter(Q(pk=wish.run.origin) | Q(origin_id=wish.run.origin))
    chain = chain.filter(generation=wish.generation, mode=Run.Mode.EXECUTE)
    steps = Step.objects.filter(run__in=chain, index=-1, attempt__gt=0, input__isnull=False).order_by("id")
    return {step.action: step.input for step in steps if step.action not in wish.kept}


# The new run -------------------------------------------------------------------------------------------------------


@transaction.atomic
def _started(wish: _Wish) -> Run:
    now = database.now()
    run = _new_run(wish, now)
    Step.objects.bulk_create(_copies(run, wish.kept.values()))
    agenda.enqueue(agenda.RUN, [Item(run.pk, run.priority, limit_of_run(run, wish.plan))], now)
    bell.ring_after_commit()
    return run


def _simulated(wish: _Wish) -> Run:
    """In memory and at once: a simulated run waits for nothing."""
    now = database.now()
    with transaction.atomic():
        run = _new_run(wish, now)
        Step.objects.bulk_create(_copies(run, wish.kept.values()))
    simulation = _simulate(wish, _state_of(wish, run), now)
    return storing.finish(run, simulation, database.now())


def _simulate(wish: _Wish, state: RunState, now: datetime) -> Simulation:
    outputs = _recorded_outputs(wish.run, wish.plan, wish.kept)
    return simulate(wish.plan, state, now=now, origin=wish.run.origin, generation=wish.generation, outputs=outputs)


def _state_of(wish: _Wish, run: Run) -> RunState:
    state = storing.state_of(run, wish.plan, {key: _state(step) for key, step in wish.kept.items()})
    state.event = wish.payload
    return state


def _new_run(wish: _Wish, now: datetime) -> Run:
    old = wish.run
    ended = storing.interrupted(now) if wish.simulate else {"deadline": deadline(wish.plan, now)}
    run = Run.objects.create(
        workflow=old.workflow,
        version=wish.version,
        event=_new_event(wish) if wish.new_payload else old.event,
        trigger=old.trigger,
        mode=Run.Mode.SIMULATE if wish.simulate else Run.Mode.EXECUTE,
        priority=wish.plan.priority if old.workflow.priority is None else old.workflow.priority,
        subject_type=wish.subject[0],
        subject_key=wish.subject[1],
        created_at=now,
        replay_of=old,
        origin_id=old.origin,
        generation=wish.generation,
        started_by=wish.by,
        reason=wish.reason,
        **ended,
    )
    told = "Simulated replay" if wish.simulate else "Replay"
    write_log(run, now, f"{told} of run {old.pk} from {wish.start} by {who(wish.by)}{because(wish.reason)}.")
    write_log(old, now, f"{told} from {wish.start} by {who(wish.by)} is run {run.pk}{because(wish.reason)}.")
    return run


def _new_event(wish: _Wish) -> Event:
    old = wish.run.event
    return Event.objects.create(
        type=old.type,
        source="replay",
        subject_type=wish.subject[0],
        subject_key=wish.subject[1],
        simulated=wish.simulate,
        attributes=old.attributes,
        headers=old.headers,
        payload=wish.payload,
    )


def _copies(run: Run, steps: Iterable[Step]) -> Iterable[Step]:
    return (Step(run=run, **{name: getattr(step, name) for name in _COPIED}) for step in steps)


def _state(step: Step) -> StepState:
    return StepState(
        status=step.status,
        attempt=step.attempt,
        output=step.output,
        reason=step.reason,
        ready_at=step.ready_at,
        finished_at=step.finished_at,
        error=step.error,
    )


def _recorded_outputs(run: Run, plan: Plan, kept: Collection[str]) -> dict[str, Any]:
    """What the effects answered before is the best guess at what they would answer now."""
    steps = Step.objects.filter(run=run, index=-1, status=StepStatus.SUCCEEDED).exclude(action__in=kept)
    return {s.action: s.output for s in steps if s.action in plan.by_key and not plan.by_key[s.action].pure}


__all__ = ["replay"]
