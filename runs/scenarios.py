"""Scenarios: saved payloads, run in simulate mode and compared with what was expected; the results are evidence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser

from automations.documents import snapshot
from automations.engine.operators import equal
from automations.engine.parts import RISKS
from automations.models import Scenario, Workflow
from automations.permissions import require
from automations.ports import Evidence
from automations.refusals import Invalid
from runs.models import ScenarioResult
from runs.simulation import PROBE, ContractBreach, Tested, try_out

EFFECTS = frozenset(RISKS[RISKS.index("reversible") :])
Difference = dict[str, Any]


def run(scenario: Scenario, *, by: Any) -> dict[str, Any]:
    """Run it against the draft and store the result. Needs the verb `test`.

    Returns `{scenario, name, kind, passed, run, differences: [{path, expected, got}]}`. A scenario that cannot be run
    has not passed. Raises PermissionDenied, DefinitionError (the draft is wrong).
    """
    workflow = scenario.workflow
    require(by, "test", workflow)
    tested, breach, differences = _try(scenario, by)
    differences += _compare(scenario.expect or {}, tested, refused=breach is not None)
    result = ScenarioResult.objects.create(
        scenario=scenario,
        checksum=tested.version.checksum if tested else _checksum(workflow, by),
        kind=_kind(tested),
        passed=not differences,
        as_user=scenario.as_user or PROBE,
        run=tested.run if tested else None,
        differences=differences,
    )
    return {
        "scenario": scenario.pk,
        "name": scenario.name,
        "kind": result.kind,
        "passed": result.passed,
        "run": result.run_id,
        "differences": differences,
    }


def run_all(workflow: Workflow, *, by: Any) -> list[dict[str, Any]]:
    """Run every scenario of the workflow, in document order. Needs the verb `test`. Raises as `run` does."""
    require(by, "test", workflow)
    return [run(scenario, by=by) for scenario in workflow.scenarios.select_related("workflow")]


def probe() -> AbstractBaseUser:
    """The built-in account of scenarios: nobody can sign in as it, and it holds no role anywhere."""
    users = get_user_model()
    account, created = users._default_manager.get_or_create(username=PROBE)
    if created:
        account.set_unusable_password()
        account.save(update_fields=["password"])
    return account


def evidence(workflow: Workflow, checksum: str) -> list[Evidence]:
    """The port's answer: the newest result of each scenario for this behaviour, if the scenario is still the same."""
    results: dict[int, ScenarioResult] = {}
    rows = ScenarioResult.objects.filter(scenario__workflow=workflow, checksum=checksum).select_related("scenario")
    for result in rows.order_by("id"):
        results[result.scenario_id] = result
    authors = set(workflow.history.values_list("history_user__username", flat=True))
    return [
        Evidence(
            scenario_id=result.scenario_id,
            name=result.scenario.name,
            kind=_literal(result.kind),
            passed=result.passed,
            as_user=result.as_user,
            run_id=result.run_id,
            at=result.at,
            by_author=result.as_user in authors,
        )
        for result in results.values()
        if not _changed_since(result)
    ]


def _changed_since(result: ScenarioResult) -> bool:
    return result.scenario.history.filter(history_date__gt=result.at).exists()


def _literal(kind: str) -> Literal["positive", "negative"]:
    return "positive" if kind == ScenarioResult.Kind.POSITIVE else "negative"


def _checksum(workflow: Workflow, by: Any) -> str:
    return snapshot(workflow, by).checksum


# Running -----------------------------------------------------------------------------------------------------------


def _try(scenario: Scenario, by: Any) -> tuple[Tested | None, ContractBreach | None, list[Difference]]:
    """(what came of it, the breach of its contract, why it could not be run)."""
    try:
        tested = try_out(
            scenario.workflow,
            by=by,
            payload=scenario.payload,
            headers=scenario.headers,
            trigger=scenario.trigger or None,
            outputs=scenario.outputs,
            as_user=scenario.as_user or probe(),
        )
    except ContractBreach as breach:
        return None, breach, []
    except Invalid as error:
        found = error.errors or [{"path": "", "message": error.message}]
        return None, None, [{"path": one["path"], "expected": None, "got": one["message"]} for one in found]
    return tested, None, []


def _kind(tested: Tested | None) -> str:
    """Positive: an action with an effect is a candidate. Negative: none is, or an injected failure took its path."""
    simulation = tested.simulation if tested else None
    if simulation is None or simulation.injected:
        return ScenarioResult.Kind.NEGATIVE
    effect = any(candidate.action.risk in EFFECTS for candidate in simulation.candidates)
    return ScenarioResult.Kind.POSITIVE if effect else ScenarioResult.Kind.NEGATIVE


# Comparing ---------------------------------------------------------------------------------------------------------


def _compare(expect: Mapping[str, Any], tested: Tested | None, *, refused: bool) -> list[Difference]:
    """What is not named is not checked; lists of keys compare as sets."""
    got = _got(tested, refused)
    differences: list[Difference] = []
    for name, wanted in expect.items():
        if wanted is None:
            continue
        if name == "outputs":
            differences += _partial(wanted, got["outputs"], "outputs")
        elif name in ("candidates", "skipped", "blocked"):
            if set(wanted) != set(got[name]):
                differences.append({"path": name, "expected": wanted, "got": got[name]})
        elif wanted != got.get(name):
            differences.append({"path": name, "expected": wanted, "got": got.get(name)})
    return differences


def _got(tested: Tested | None, refused: bool) -> dict[str, Any]:
    simulation = tested.simulation if tested else None
    return {
        "matched": simulation is not None,
        "refused": refused,
        "candidates": [one.action.key for one in simulation.candidates] if simulation else [],
        "skipped": [skip.key for skip in simulation.skipped] if simulation else [],
        "blocked": list(simulation.blocked) if simulation else [],
        "status": simulation.finish.status if simulation else None,
        "outputs": simulation.outputs if simulation else {},
    }


def _partial(wanted: Any, got: Any, path: str) -> Iterator[Difference]:
    """Objects compare by the keys that are named, everything else as a whole."""
    if isinstance(wanted, Mapping) and isinstance(got, Mapping):
        for key, part in wanted.items():
            yield from _partial(part, got.get(key), f"{path}.{key}")
    elif not equal(wanted, got):
        yield {"path": path, "expected": wanted, "got": got}


__all__ = ["evidence", "probe", "run", "run_all"]
