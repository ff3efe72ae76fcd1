"""From the definition document to a frozen Plan, or to everything that is wrong with it.

`parse` raises DefinitionError for what is *wrong*; what is merely *incomplete* gets a default, so that a draft
can be looked at and simulated as far as it goes. `check` lists both.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, cast

from automations.engine import graph, limits
from automations.engine.action_reader import KEY, KEY_FORM, ActionReader
from automations.engine.conditions import Condition
from automations.engine.errors import DefinitionError, Problem
from automations.engine.findings import Fields, Findings
from automations.engine.named_conditions import Conditions
from automations.engine.operators import type_name
from automations.engine.parts import (
    RISKS,
    SAFETIES,
    ActionPlan,
    ApprovalPlan,
    CapPlan,
    ConcurrencyPlan,
    KindInfo,
    Plan,
    RepeatPlan,
    RetryPolicy,
    SubjectPlan,
    ThrottlePlan,
    TriggerPlan,
)
from automations.engine.paths import Path, suggestion
from automations.engine.references import References
from automations.engine.stewardship import STEWARDSHIP_KEYS, check_stewardship
from automations.engine.trigger_reader import TriggerReader

BEHAVIOUR_KEYS = ("triggers", "conditions", "actions", "run_as", "timeout", "concurrency")
"""What a Version's checksum and the gate cover; all other keys are stewardship."""

TOP_KEYS = ("workflow", *STEWARDSHIP_KEYS[1:], *BEHAVIOUR_KEYS)

Kinds = Mapping[str, KindInfo]
Lines = Mapping[Path, int]


def parse(
    document: Any,
    *,
    actions: Kinds,
    triggers: Kinds,
    shared: Mapping[str, Any] | None = None,
    lines: Lines | None = None,
) -> Plan:
    """Return the Plan of a definition document; raises DefinitionError if anything in it is wrong.

    `actions` and `triggers` are the kinds by name, `shared` the shared conditions by `team/name`, `lines` the
    line of each path as `yaml_core.loads` returns it.
    """
    reader = DocumentReader(document, actions, triggers, shared or {}, lines)
    plan = reader.read()
    wrong = [problem for problem in reader.findings.ordered() if problem.severity == "wrong"]
    if wrong or plan is None:
        raise DefinitionError(wrong)
    return plan


def check(
    document: Any,
    *,
    actions: Kinds,
    triggers: Kinds,
    shared: Mapping[str, Any] | None = None,
    lines: Lines | None = None,
) -> list[Problem]:
    """Return all problems at once, wrong and incomplete, in document order."""
    reader = DocumentReader(document, actions, triggers, shared or {}, lines)
    reader.read()
    return reader.findings.ordered()


def behaviour(document: Mapping[str, Any], shared: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the part that decides what a run does.

    All of `triggers`, `conditions` and `actions` belongs to it, also an action's owner, replaces and if_it_fails:
    a run shows them as they were released. A shared condition counts with its text, where `shared` has it.
    """
    part = {key: document[key] for key in BEHAVIOUR_KEYS if document.get(key) not in (None, [], {}, "")}
    named = part.get("conditions")
    if shared and isinstance(named, Mapping):
        part["conditions"] = {name: _with_text(tree, shared) for name, tree in named.items()}
    return part


def _with_text(tree: Any, shared: Mapping[str, Any]) -> Any:
    if isinstance(tree, Mapping) and tree.get("use") in shared:
        return {"use": tree["use"], "text": shared[tree["use"]]}
    return tree


def checksum(document: Mapping[str, Any], shared: Mapping[str, Any] | None = None) -> str:
    """Return the SHA-256 of the behaviour as canonical JSON: sorted keys, no blanks, 1.0 written as 1."""
    canonical = json.dumps(
        _canonical(behaviour(document, shared)), sort_keys=True, separators=(",", ":"), ensure_ascii=True
    )
    return hashlib.sha256(canonical.encode()).hexdigest()


def _canonical(value: Any) -> Any:
    # A database may give 1e3 back as 1000: the same number must have the same checksum.
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**63:
        return int(value)
    if isinstance(value, Mapping):
        return {key: _canonical(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_canonical(item) for item in value]
    return value


class DocumentReader:
    """Reads one document and collects every problem on the way."""

    def __init__(
        self, document: Any, actions: Kinds, triggers: Kinds, shared: Mapping[str, Any], lines: Lines | None
    ) -> None:
        self.document = document
        self.findings = Findings(document, lines)
        self.actions = actions
        self.triggers = triggers
        self.shared = shared

    def read(self) -> Plan | None:
        """Return the plan, with defaults where something is wrong; None if it cannot be read at all."""
        if not limits.check(self.document, self.findings):
            return None
        fields = Fields(self.findings, self.document, (), TOP_KEYS)
        if not isinstance(self.document, Mapping):
            return None
        actions, triggers = self._keyed(fields, "actions"), self._keyed(fields, "triggers")
        needs = self._needs(actions)
        references = References(self.findings, actions.keys(), graph.ancestors(needs))
        conditions = Conditions(self.findings, self._condition_trees(fields), self.shared)
        conditions.check(references)
        action_reader = ActionReader(self.findings, self.actions, conditions, references)
        trigger_reader = TriggerReader(self.findings, self.triggers, conditions, references)
        planned = {k: action_reader.read(k, data, path, i) for i, (k, (path, data)) in enumerate(actions.items())}
        started = [trigger_reader.read(k, data, path, i) for i, (k, (path, data)) in enumerate(triggers.items())]
        check_stewardship(fields, actions.keys(), triggers.keys())
        ordered = tuple(planned[key] for key in graph.topological(needs))
        return self._plan(fields, ordered, tuple(started), conditions.compiled, trigger_reader)

    def _plan(
        self,
        fields: Fields,
        actions: tuple[ActionPlan, ...],
        triggers: tuple[TriggerPlan, ...],
        conditions: Mapping[str, Condition],
        expressions: TriggerReader,
    ) -> Plan:
        slug = fields.text("workflow")
        undoing = {a.compensate.key: a.compensate for a in actions if a.compensate}
        return Plan(
            slug=slug,
            name=fields.text("name") or slug,
            actions=actions,
            triggers=triggers,
            conditions=conditions,
            run_as=fields.text("run_as"),
            timeout=fields.duration("timeout"),
            concurrency=_concurrency(fields, expressions),
            priority=fields.whole("priority", 5, low=0, high=9),
            checksum=checksum(self.document, self.shared),
            document=self.document,
            by_key={action.key: action for action in actions} | undoing,
            trigger_by_key={trigger.key: trigger for trigger in triggers},
        )

    def _keyed(self, fields: Fields, name: str) -> dict[str, tuple[Path, Any]]:
        """Return the items of `actions` or `triggers` by key, as (path, data)."""
        found: dict[str, tuple[Path, Any]] = {}
        items = fields.items(name)
        if not items:
            fields.incomplete(name, f"There are no {name}.", "Add one.")
        if name == "actions" and len(items) > limits.ACTIONS:
            fields.wrong(
                name, f"There are {len(items)} actions, at most {limits.ACTIONS} are allowed.", "Split the workflow."
            )
            items = items[: limits.ACTIONS]
        for path, data in items:
            key = data.get("key") if isinstance(data, Mapping) else None
            if not isinstance(data, Mapping):
                self.findings.wrong(path, f"This is {type_name(data)}, needed an object.", "Write {key: …, kind: …}.")
            elif not isinstance(key, str) or not KEY.fullmatch(key):
                message = "There is no key." if key is None else f"“{str(key)[:80]}” cannot be a key."
                self.findings.wrong((*path, "key"), message, KEY_FORM)
            elif key in found:
                self.findings.wrong((*path, "key"), f"The key “{key}” is used twice.", "Give each its own key.")
            else:
                found[key] = (path, data)
        return found

    def _needs(self, actions: Mapping[str, tuple[Path, Any]]) -> dict[str, list[str]]:
        """Return the needs that exist, by key; unknown ones and cycles are noted."""
        needs: dict[str, list[str]] = {}
        for key, (path, data) in actions.items():
            named = data.get("needs")
            needs[key] = []
            for index, need in enumerate(named if isinstance(named, list) else []):
                if not isinstance(need, str) or not need:
                    continue
                if need not in actions:
                    fix = suggestion(need, actions)
                    self.findings.wrong((*path, "needs", index), f"There is no action “{need}”.", fix)
                elif need in needs[key]:
                    self.findings.wrong((*path, "needs", index), f"“{need}” is named twice.", "Take one out.")
                else:
                    needs[key].append(need)
        ring = graph.cycle(needs)
        if ring:
            self.findings.wrong(
                (*actions[ring[0]][0], "needs"), f"The needs run in a circle: {' → '.join(ring)}.", "Take one need out."
            )
        return needs

    def _condition_trees(self, fields: Fields) -> Mapping[str, Any]:
        trees = fields.mapping("conditions")
        for name in trees:
            if not KEY.fullmatch(name):
                self.findings.wrong(("conditions", name), f"“{name[:80]}” cannot be a condition's name.", KEY_FORM)
        return trees


def _concurrency(fields: Fields, expressions: TriggerReader) -> ConcurrencyPlan | None:
    concurrency = fields.child("concurrency", ("limit", "key", "on_limit", "count"))
    if concurrency is None:
        return None
    limit = concurrency.whole("limit", None, low=1, high=1_000_000)
    if concurrency.get("limit") is None:
        concurrency.incomplete("limit", "The concurrency has no limit.", "Write limit: 20.")
    plan = ConcurrencyPlan(
        limit=limit or 1,
        key=expressions.expression(concurrency, "key"),
        on_limit=cast(Any, concurrency.choice("on_limit", ("queue", "skip", "cancel_oldest"), "queue")),
        count=cast(Any, concurrency.choice("count", ("open", "active"), "open")),
    )
    return plan if limit else None


__all__ = [
    "BEHAVIOUR_KEYS",
    "RISKS",
    "SAFETIES",
    "ActionPlan",
    "ApprovalPlan",
    "CapPlan",
    "ConcurrencyPlan",
    "KindInfo",
    "Plan",
    "RepeatPlan",
    "RetryPolicy",
    "SubjectPlan",
    "ThrottlePlan",
    "TriggerPlan",
    "behaviour",
    "check",
    "checksum",
    "parse",
]
