"""run-test: what would this payload do, and why (CONTRACT 6)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib.auth import get_user_model
from django.urls import NoReverseMatch, reverse

from automations.documents import references, snapshot
from automations.engine import times
from automations.engine.errors import Problem, StepError
from automations.engine.parts import Plan
from automations.engine.paths import read, show
from automations.models import Version, Workflow
from automations.permissions import may, require
from automations.plans import plan_of, problems
from automations.refusals import Invalid
from runs import database
from runs.asking import Arrival, Asked, ask
from runs.executor.perform import storable
from runs.executor.record import LogRow
from runs.models import Run
from runs.simulation import storing
from runs.simulation.gateway import Touched
from runs.simulation.loop import simulate
from runs.simulation.permits import Permits
from runs.simulation.results import Simulation
from runs.states import EvaluationResult

#: The built-in account that scenarios run as: no password, operator on the workflow under test only.
PROBE = "probe"


class ContractBreach(Invalid):
    """The payload breaks the trigger's contract."""


@dataclass(frozen=True, slots=True)
class Tested:
    """A test's answer (`as_dict`), and what it rests on. Without a match there is neither run nor simulation."""

    version: Version
    triggers: list[Asked]
    run: Run | None = None
    simulation: Simulation | None = None
    problems: tuple[Problem, ...] = ()

    @property
    def fired(self) -> Asked | None:
        return next((asked for asked in self.triggers if asked.result == EvaluationResult.FIRED), None)

    def as_dict(self) -> dict[str, Any]:
        """CONTRACT 6."""
        simulation, first = self.simulation, self.fired or next(iter(self.triggers), None)
        candidates = [candidate.as_dict() for candidate in simulation.candidates] if simulation else []
        skipped = simulation.skipped if simulation else []
        blocked = simulation.blocked if simulation else {}
        touched = simulation.gateway.touched if simulation else Touched()
        answer = {
            "run": _run(self.run) if self.run else None,
            "matched": self.fired is not None,
            "trigger": _trigger(first) if first else None,
            "triggers": [_trigger(asked) for asked in self.triggers],
            "candidates": candidates,
            "skipped": [{"action": skip.key, "reason": skip.reason, "values": skip.values} for skip in skipped],
            "blocked": [{"action": key, "reason": one.reason} for key, one in blocked.items()],
            "logs": [_entry(row) for row in simulation.log] if simulation else [],
            "effects": touched.as_dict(),
            "errors": [{"path": problem.path, "message": problem.message} for problem in self.problems],
        }
        return json.loads(json.dumps(answer, default=str))  # values of CEL that JSON does not know become text


def run_test(workflow: Workflow, *, by: Any, payload: Any, **options: Any) -> dict[str, Any]:
    """The answer of CONTRACT 6 to a payload. Options: those of `try_out`; raises as it does."""
    return try_out(workflow, by=by, payload=payload, **options).as_dict()


def try_out(
    workflow: Workflow,
    *,
    by: Any,
    payload: Any,
    headers: Mapping[str, Any] | None = None,
    trigger: str | None = None,
    version: str | int = "draft",
    outputs: Mapping[str, Any] | None = None,
    as_user: Any = None,
    reads: str | None = None,
) -> Tested:
    """Ask the triggers, simulate what fires, and store the simulated run. Nothing outside is touched.

    `version` is "draft", "current" or a number; `as_user` a name or user who takes the place of `by`. Needs the verb
    `test`. Raises PermissionDenied, Invalid, ContractBreach, DefinitionError (the draft is wrong).
    """
    require(by, "test", workflow)
    _check(payload, outputs, headers, reads)
    chosen, stand_in = _version(workflow, version, by), _user(as_user)
    plan = plan_of(chosen)
    arrival = _arrival(payload, headers)
    asked = _ask(plan, trigger, arrival, chosen)
    tested = Tested(chosen, asked, problems=tuple(_problems(chosen, plan, outputs)))
    fired = tested.fired
    if fired is None:
        return tested
    now = database.now()
    reason = f"Tested by {by.get_username()}" if by and stand_in not in (None, by) else ""
    run = storing.begin(chosen, fired, arrival, now, by=stand_in or by, outputs=outputs, reason=reason)
    simulation = simulate(
        plan,
        storing.state_of(run, plan),
        now=now,
        origin=run.pk,
        outputs=outputs,
        permits=Permits(plan.run_as, lacks=_lacks(stand_in, workflow)),
        incomplete=_incomplete(tested.problems, chosen),
        live_reads=reads == "live",
    )
    simulation.log.insert(0, _first_entry(fired, now))
    storing.finish(run, simulation, database.now())
    return Tested(chosen, asked, run, simulation, tested.problems)


# What was sent -----------------------------------------------------------------------------------------------------


def _check(payload: Any, outputs: Any, headers: Any, reads: Any) -> None:
    for path, value in (("payload", payload), ("outputs", outputs), ("headers", headers)):
        try:
            storable(value)
        except StepError as error:
            raise Invalid.at(path, error.message) from None
    if outputs is not None and not isinstance(outputs, Mapping):
        raise Invalid.at("outputs", "Write {step: sample} or {step: {error: …}}.")
    if headers is not None and not isinstance(headers, Mapping):
        raise Invalid.at("headers", "Write {name: value}.")
    if reads not in (None, "live"):
        raise Invalid.at("reads", "Only live is possible.")


def _version(workflow: Workflow, wanted: Any, by: Any) -> Version:
    if wanted in (None, "", "draft"):
        return snapshot(workflow, by)
    if wanted == "current":
        if workflow.current_version is None:
            raise Invalid.at("version", "No version was released yet.")
        return workflow.current_version
    number = int(wanted) if not isinstance(wanted, bool) and str(wanted).isdecimal() and len(str(wanted)) < 10 else None
    found = workflow.versions.filter(number=number).first() if number else None
    if found is None:
        raise Invalid.at("version", f"There is no version {wanted}: write draft, current, or a version's number.")
    return found


def _user(wanted: Any) -> Any:
    if not isinstance(wanted, str):
        return wanted
    user = get_user_model()._default_manager.filter(username=wanted, is_active=True).first() if wanted else None
    if wanted and user is None:
        raise Invalid.at("as_user", f"There is no active user {wanted}.")
    return user


def _lacks(stand_in: Any, workflow: Workflow) -> tuple[str, ...]:
    if stand_in is None or stand_in.get_username() == PROBE or may(stand_in, "test", workflow):
        return ()
    return (f"{stand_in.get_username()} may not test this workflow",)


def _arrival(payload: Any, headers: Mapping[str, Any] | None) -> Arrival:
    lower = {str(name).lower(): str(value) for name, value in (headers or {}).items()}
    kind = payload.get("type") if isinstance(payload, Mapping) else None
    return Arrival(
        route="",
        payload=payload,
        received_at=database.now(),
        type=kind if isinstance(kind, str) else "",
        source="test",
        headers=lower,
    )


# Triggers ----------------------------------------------------------------------------------------------------------


def _ask(plan: Plan, name: str | None, arrival: Arrival, version: Version) -> list[Asked]:
    """Ask the trigger named, or all. Raises ContractBreach when it, or the only ones left, refuse the payload."""
    if name and name not in plan.trigger_by_key:
        raise Invalid.at("trigger", f"There is no trigger {name}: {', '.join(plan.trigger_by_key) or 'there is none'}.")
    triggers = [plan.trigger_by_key[name]] if name else list(plan.triggers)
    asked = [ask(plan, trigger, arrival, version.workflow_id, version.pk, False) for trigger in triggers]
    refused = [one for one in asked if one.result == EvaluationResult.REFUSED]
    if refused and not any(one.result == EvaluationResult.FIRED for one in asked):
        raise ContractBreach(
            f"The payload breaks the contract of the trigger {refused[0].trigger.key}.",
            errors=[breach for one in refused for breach in _breaches(one, arrival.payload)],
        )
    return asked


def _breaches(asked: Asked, payload: Any) -> Iterable[tuple[str, str]]:
    for error in asked.trigger.contract.iter_errors(payload):
        missing = [error.kind.property] if error.kind.name == "required" else []
        yield show(["payload", *error.instance_path, *missing]), error.message[:500]


def _trigger(asked: Asked) -> dict[str, Any]:
    fired = asked.result == EvaluationResult.FIRED
    reason = asked.reason or ("no filter: every event fires it" if fired else asked.result.label)
    return {"key": asked.trigger.key, "matched": fired, "reason": reason, "values": asked.values or {}}


# What the definition lacks -----------------------------------------------------------------------------------------


def _problems(version: Version, plan: Plan, outputs: Mapping[str, Any] | None) -> Iterable[Problem]:
    document = version.document
    found = (*problems(document), *references.problems(document))
    yield from (problem for problem in found if problem.severity != "warning")  # those block nothing
    for key, value in (outputs or {}).items():
        if key not in plan.by_key:
            yield Problem(show(["outputs", key]), f"There is no step {key}.")
        elif plan.by_key[key].pure and not (isinstance(value, Mapping) and set(value) == {"error"}):
            yield Problem(show(["outputs", key]), f"{key} is computed: its sample is not used.")


def _incomplete(found: Iterable[Problem], version: Version) -> dict[str, str]:
    """Step → what its settings lack."""
    actions = version.document.get("actions") or []
    lacking: dict[str, str] = {}
    for problem in found:
        path = read(problem.path) or ()
        if path[:1] == ("actions",) and len(path) > 1 and isinstance(path[1], int):
            lacking.setdefault(actions[path[1]]["key"], problem.message)
    return lacking


# The answer --------------------------------------------------------------------------------------------------------


def _run(run: Run) -> dict[str, Any]:
    try:
        url = reverse("admin:automations_runs_run_change", args=[run.pk])
    except NoReverseMatch:  # an installation without the admin
        url = ""
    return {
        "id": run.pk,
        "url": url,
        "status": run.status,
        "mode": run.mode,
        "version": run.version.number,
        "checksum": run.version.checksum,
    }


def _first_entry(fired: Asked, now: Any) -> LogRow:
    message = f"The trigger {fired.trigger.key} fired: {_trigger(fired)['reason']}."
    return LogRow(now, "info", "", message, fired.values or None)


def _entry(row: LogRow) -> dict[str, Any]:
    """`{at, level, step, message, data}` and, from warning up, `cause, context, retry_policy`."""
    entry = {"at": times.show(row.at), "level": row.level, "step": row.step, "message": row.message}
    if row.level in ("warning", "error"):
        data = dict(row.data or {})
        said = {name: data.pop(name, None) for name in ("cause", "context", "retry_policy")}
        return {**entry, "data": data, **said}
    return {**entry, "data": row.data or {}}
