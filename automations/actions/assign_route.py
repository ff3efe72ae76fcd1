"""`assign.route {method, among | group, weights?, rules?}` → `{assignee}`: who takes care of it.

The choice, its counters and the subject's assignee are written in one transaction with the step's record: nobody's
turn is used twice, none is lost. `rules` are rows `{when, then: {among | group, weights?, method?}}` that choose
another pool; the step's own counts where no row matches. A simulation says who would be next and moves nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import Count

from automations.actions.decision_table import LOOKED_AT
from automations.engine.errors import Problem, StepError
from automations.engine.fairness import METHODS, Choice, Counters, choose
from automations.engine.parts import RulesPlace
from automations.engine.paths import show, suggestion
from automations.engine.rules import matching
from automations.engine.templates import is_template
from automations.kinds import OPEN, ActionKind, Call
from automations.models import RouteCounter, Subject, Workflow

NAME = {"type": "string", "minLength": 1, "maxLength": 150}
POOL: dict[str, Any] = {
    "method": {
        "type": "string",
        "enum": list(METHODS),
        "title": "Method",
        "description": "round_robin: in turns; least_loaded: who has the fewest open subjects; weighted: in turns by "
        "weight; first: the first of the list.",
    },
    "among": {"type": "array", "items": NAME, "minItems": 1, "title": "Among", "description": "Names, in their order."},
    "group": {**NAME, "title": "Group", "description": "Its active members, by name."},
    "weights": {
        "type": "object",
        "additionalProperties": {"type": "number", "minimum": 0, "maximum": 1_000_000},
        "title": "Weights",
        "description": "Name → share; 1 where nothing is said.",
    },
}


def _pool(required: list[str]) -> dict[str, Any]:
    return {"type": "object", "properties": POOL, "required": required, "additionalProperties": False}


def _with_rules(row: Mapping[str, Any]) -> dict[str, Any]:
    rules = {"type": "array", "items": row, "title": "Rules", "description": "The first that matches names the pool."}
    return {**_pool(["method"]), "properties": {**POOL, "rules": rules}}


ROW = {
    "type": "object",
    "properties": {
        "when": {"type": ["object", "string"], "title": "When", "description": "A condition: a name, or a tree."},
        "then": {**_pool([]), "title": "Then"},
    },
    "required": ["when", "then"],
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True)
class Route:
    """What a rendered config asks for; `place` names the pool among those of the step."""

    method: str
    pool: list[str]
    weights: Mapping[str, float]
    place: str


class AssignRoute(ActionKind):
    name = "assign.route"
    label = "Assign to somebody"
    group = "Work"
    icon = "alt_route"
    transactional = True
    rules = RulesPlace("rules", ("among", "group"))
    schema = _with_rules(ROW)
    input_schema = _with_rules({**LOOKED_AT, "properties": {**LOOKED_AT["properties"], "then": _pool([])}})  # type: ignore[dict-item]
    output_schema = {"type": "object", "properties": {"assignee": {"type": "string"}}, "required": ["assignee"]}

    def check(self, config: Mapping[str, Any]) -> list[Problem]:
        problems = list(_problems(config, own=True))
        rows = config.get("rules")
        for index, row in enumerate(rows if isinstance(rows, list) else ()):
            if isinstance(row, Mapping) and isinstance(row.get("then"), Mapping):
                weights = {"weights": config.get("weights")} if "weights" in config else {}
                for problem in _problems({**weights, **row["then"]}, own="weights" in row["then"]):
                    path = show(("rules", index, "then", problem.path))
                    problems.append(Problem(path, problem.message, problem.fix, severity=problem.severity))
        return problems

    def transact(self, call: Call) -> Any:
        route = _route(call.input)
        workflow = Workflow.objects.only("pk").get(slug=call.workflow)
        row, _ = RouteCounter.objects.select_for_update().get_or_create(
            workflow=workflow, step=call.step, pool=route.place
        )
        counters = Counters.of(row.state)
        choice = _choose(route, counters, call.subject)
        row.state = counters.as_dict()
        row.save(update_fields=["state"])
        if call.subject[1]:
            kind, key = call.subject
            Subject.objects.update_or_create(type=kind, key=key, defaults={"assignee": choice.name})
        call.log("info", f"Assigned to {choice.name}: {choice.reason}.")
        return {"assignee": choice.name}

    def simulate(self, call: Call) -> Any:
        if not _is_known(call.input):
            return OPEN
        route = _route(call.input)
        row = RouteCounter.objects.filter(workflow__slug=call.workflow, step=call.step, pool=route.place).first()
        choice = _choose(route, Counters.of(row.state if row else None), call.subject)
        call.log("info", f"Next is {choice.name}: {choice.reason}.")
        return {"assignee": choice.name}

    def sentence(self, config: Mapping[str, Any]) -> str:
        among = config.get("among")
        pool = ", ".join(map(str, among[:4])) if isinstance(among, list) else config.get("group") or among or "…"
        return f"Assign to one of {pool} ({str(config.get('method', 'round_robin')).replace('_', ' ')})"


# The pool ----------------------------------------------------------------------------------------------------------


def _route(given: Mapping[str, Any]) -> Route:
    """Raises StepError (nobody)."""
    found = matching(given.get("rules") or [])
    asked = {**given, **found[0]["then"]} if found else dict(given)
    if found and ("among" in found[0]["then"]) != ("group" in found[0]["then"]):
        asked.pop("group" if "among" in found[0]["then"] else "among", None)
    pool = list(dict.fromkeys(asked["among"])) if "among" in asked else _members(asked.get("group", ""))
    place = f"rule {found[0]['row']}" if found else ""
    if not pool:
        group = f"The group {asked['group']} has no active members." if asked.get("group") else "No pool is named."
        raise StepError("nobody", f"There is nobody to assign to. {group}", retryable=False)
    return Route(asked.get("method", "round_robin"), pool, asked.get("weights") or {}, place)


def _members(group: str) -> list[str]:
    users = get_user_model()._default_manager.filter(groups__name=group, is_active=True) if group else ()
    return sorted(user.get_username() for user in users)


def _choose(route: Route, counters: Counters, subject: tuple[str, str]) -> Choice:
    loads = _loads(route.pool, subject) if route.method == "least_loaded" else None
    try:
        return choose(route.method, route.pool, counters, weights=route.weights, loads=loads)
    except ValueError as error:
        raise StepError("nobody", f"There is nobody to assign to. {error}", retryable=False) from None


def _loads(pool: list[str], subject: tuple[str, str]) -> dict[str, int]:
    """Open subjects of each, the one in question left out."""
    others = Subject.objects.open().filter(assignee__in=pool).exclude(type=subject[0], key=subject[1])
    return dict(others.values_list("assignee").annotate(count=Count("pk")).order_by())


def _is_known(given: Mapping[str, Any]) -> bool:
    """Whether a simulation knows the pool, or has only a marker in its place."""
    found = matching(given.get("rules") or [])
    pool = (found[0]["then"] if found else given).get("among", [])
    return isinstance(pool, list) and not any(str(name).startswith("‹") for name in pool)


# What the schema cannot say ----------------------------------------------------------------------------------------


def _problems(pool: Mapping[str, Any], *, own: bool) -> Iterator[Problem]:
    """`own`: the weights stand here."""
    among, weights = pool.get("among"), pool.get("weights")
    if "among" in pool and "group" in pool:
        yield Problem("group", "A list and a group exclude each other.", fix="Keep one of them.")
    if "among" not in pool and not pool.get("group") and "rules" not in pool:
        yield Problem("among", "It is not said among whom.", fix="Name them, or a group.", severity="incomplete")
    if pool.get("method") == "weighted" and not weights and "rules" not in pool:
        yield Problem("weights", "There are no weights.", fix="Write {ana: 2, ben: 1}.", severity="incomplete")
    if not own or not isinstance(weights, Mapping) or not weights:
        return
    if not any(is_template(weight) or weight for weight in weights.values()):
        yield Problem("weights", "All weights are 0.", fix="Give somebody a share.")
    if isinstance(among, list) and not any(map(is_template, among)) and "rules" not in pool:
        for name in weights:
            if name not in among:
                yield Problem(show(("weights", name)), f"“{name}” is not among them.", fix=suggestion(name, among))
