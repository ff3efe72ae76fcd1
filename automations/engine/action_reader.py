"""Reads the actions of a definition document."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast

from automations.engine.errors import Problem
from automations.engine.findings import Fields, Findings
from automations.engine.named_conditions import Conditions
from automations.engine.operators import shown, type_name
from automations.engine.parts import (
    RISKS,
    SAFETIES,
    ActionPlan,
    ApprovalPlan,
    CapPlan,
    KindInfo,
    RepeatPlan,
    RetryPolicy,
    RulesPlace,
)
from automations.engine.paths import Path, read, suggestion
from automations.engine.references import References
from automations.engine.rules_reader import RulesReader
from automations.engine.schema import check_config
from automations.engine.scope import IN_A_RUN, IN_AN_ITEM
from automations.engine.templates import Template, read_template

KEY = re.compile(r"[a-z][a-z0-9_]{0,62}")
KEY_FORM = "Write small letters, digits and _, beginning with a letter, like send_note."

COMMON_KEYS = (
    "needs", "join", "after_skip", "when", "on_unknown", "for_each", "parallel", "repeat", "retry", "timeout",
    "valid_for", "patience", "approval", "risk", "safety", "cap", "owner", "replaces", "if_it_fails", "on_failure",
    "compensate",
)  # fmt: skip
ACTION_KEYS = ("key", "kind", "config", *COMMON_KEYS)
COMPENSATION_KEYS = ("kind", "config", "retry", "timeout", "patience", "risk", "safety", "owner", "if_it_fails")


class ActionReader:
    """Reads one action at a time; what it finds wrong goes to the findings."""

    def __init__(
        self, findings: Findings, kinds: Mapping[str, KindInfo], conditions: Conditions, references: References
    ) -> None:
        self.findings = findings
        self.kinds = kinds
        self.conditions = conditions
        self.references = references
        self.rules = RulesReader(findings, conditions, references)

    def read(self, key: str, data: Any, path: Path, position: int) -> ActionPlan:
        """Return the plan of one action; what is wrong has its default there."""
        fields = Fields(self.findings, data, path, ACTION_KEYS)
        names = IN_AN_ITEM if fields.get("for_each") is not None else IN_A_RUN
        needs = tuple(dict.fromkeys(fields.texts("needs")))
        kind, config = self._config(fields, names, key)
        when = self.conditions.use(fields.get("when"), fields.at("when"), IN_A_RUN)
        for_each = self._expression(fields, "for_each", IN_A_RUN, key)
        self._check_condition(fields.at("when"), when, key)
        return ActionPlan(
            key=key,
            config=config,
            needs=needs,
            join=_join(fields, needs),
            after_skip=cast(Any, fields.choice("after_skip", ("skip", "run"), "skip")),
            when=when,
            on_unknown=cast(Any, fields.choice("on_unknown", ("fail", "skip"), "fail")),
            for_each=for_each,
            parallel=fields.whole("parallel", 1, low=1, high=1_000),
            repeat=self._repeat(fields, names, key),
            valid_for=fields.duration("valid_for"),
            approval=self._approval(fields, names, key),
            cap=self._cap(fields, names, key),
            replaces=_replaces(fields),
            on_failure=cast(Any, fields.choice("on_failure", ("stop", "continue", "compensate"), "stop")),
            compensate=self._compensation(fields, key, names, position),
            position=position,
            ancestors=self.references.ancestors.get(key, frozenset()),
            reads=self.references.read_by(key),
            **self._common(fields, kind, config),
        )

    def _common(self, fields: Fields, kind: KindInfo | None, config: Template) -> dict[str, Any]:
        """Return what an action and a compensation share."""
        raw = config.source
        return {
            "kind": fields.text("kind"),
            "raw_config": raw,
            "retry": _retry(fields),
            "timeout": fields.duration("timeout"),
            "patience": fields.duration("patience", 86_400.0),
            "risk": fields.choice("risk", RISKS, kind.risk(raw) if kind else "none"),
            "safety": fields.choice("safety", SAFETIES, kind.safety(raw) if kind else "safe"),
            "pure": bool(kind and kind.pure),
            "owner": fields.text("owner"),
            "if_it_fails": fields.text("if_it_fails"),
        }

    def _kind(self, fields: Fields) -> KindInfo | None:
        name = fields.get("kind")
        if isinstance(name, str) and name in self.kinds:
            return self.kinds[name]
        if name is None:
            fields.wrong("kind", "The action has no kind.", suggestion("", self.kinds))
        else:
            fields.wrong("kind", f"{shown(name)} is not a kind of action.", suggestion(str(name), self.kinds))
        return None

    def _config(self, fields: Fields, names: frozenset[str], key: str) -> tuple[KindInfo | None, Template]:
        """Return the kind, None if it is unknown or the config does not fit it, and the compiled config."""
        raw, path = fields.mapping("config"), fields.at("config")
        kind = self._kind(fields)
        rules: RulesPlace | None = getattr(kind, "rules", None)
        template = self.rules.read(raw, rules, path, names, key) if rules else read_template(raw, names=names)
        for problem in template.problems:
            self.findings.wrong((*path, *(read(problem.path) or ())), problem.message)
        for place, paths in template.sites:
            self.references.check((*path, *place), paths, key)
        if kind is None or not check_config(raw, kind.schema, path, self.findings, templates=True):
            return None, template
        add_relative(self.findings, path, kind.check(raw))
        # Some kinds hold conditions or expressions of their own in their config.
        if hasattr(kind, "references"):
            self.references.check(path, kind.references(raw), key)
        return kind, template

    def _expression(self, fields: Fields, name: str, names: frozenset[str], key: str) -> Any:
        program = fields.expression(name, names)
        if program is not None:
            self.references.check(fields.at(name), program.references, key)
        return program

    def _check_condition(self, path: Path, condition: Any, key: str) -> None:
        if condition is not None:
            self.references.check(path, condition.references, key)

    def _repeat(self, fields: Fields, names: frozenset[str], key: str) -> RepeatPlan | None:
        repeat = fields.child("repeat", ("until", "every", "max"))
        if repeat is None:
            return None
        until = self._expression(repeat, "until", names | {"output"}, key)
        every = repeat.duration("every", 30.0)
        most = repeat.whole("max", 20, low=1, high=10_000)
        if repeat.get("until") is None:
            repeat.incomplete("until", "It is not said when to stop repeating.", "Write an expression over `output`.")
        return RepeatPlan(until, every, most) if until is not None else None

    def _approval(self, fields: Fields, names: frozenset[str], key: str) -> ApprovalPlan | None:
        known = ("approvers", "quorum", "when", "expires", "on_expiry", "remind", "escalate_to")
        approval = fields.child("approval", known)
        if approval is None:
            return None
        approvers, escalate_to = approval.texts("approvers"), approval.texts("escalate_to")
        when = self.conditions.use(approval.get("when"), approval.at("when"), names)
        self._check_condition(approval.at("when"), when, key)
        on_expiry = approval.choice("on_expiry", ("reject", "escalate"), "reject")
        if not approvers:
            approval.incomplete("approvers", "Nobody is named to approve.", "Name users or groups.")
        if on_expiry == "escalate" and not escalate_to:
            approval.incomplete("escalate_to", "Nobody is named to escalate to.", "Name users or groups.")
        return ApprovalPlan(
            approvers=approvers,
            quorum=approval.whole("quorum", 1, low=1, high=100),
            when=when,
            expires=approval.duration("expires"),
            on_expiry=cast(Any, on_expiry),
            remind=approval.duration("remind"),
            escalate_to=escalate_to,
        )

    def _cap(self, fields: Fields, names: frozenset[str], key: str) -> CapPlan | None:
        cap = fields.child("cap", ("count", "per", "sum", "max_sum"))
        if cap is None:
            return None
        total = self._expression(cap, "sum", names, key)
        count = cap.whole("count", None, low=1, high=1_000_000_000)
        most = cap.number("max_sum", None, low=0, high=1e15)
        per = cap.duration("per")
        if cap.get("per") is None:
            cap.incomplete("per", "The cap has no window.", "Write per: 1h.")
        if (cap.get("sum") is None) != (cap.get("max_sum") is None):
            absent = "max_sum" if cap.get("max_sum") is None else "sum"
            cap.incomplete(absent, "“sum” and “max_sum” belong together.", f"Add {absent}.")
        elif cap.get("count") is None and cap.get("sum") is None:
            cap.incomplete("count", "The cap has no limit.", "Write count, or sum and max_sum.")
        return CapPlan(per, count, total, most) if per else None

    def _compensation(self, fields: Fields, key: str, names: frozenset[str], position: int) -> ActionPlan | None:
        undo = fields.child("compensate", COMPENSATION_KEYS)
        if undo is None:
            return None
        own = f"{key}.compensate"
        self.references.add_compensation(own, key)
        kind, config = self._config(undo, names, own)
        return ActionPlan(
            key=own,
            config=config,
            needs=(key,),
            position=position,
            ancestors=self.references.ancestors[own],
            reads=self.references.read_by(own),
            **self._common(undo, kind, config),
        )


def add_relative(findings: Findings, path: Path, problems: list[Problem]) -> None:
    """Note what a kind found in its config, whose paths begin at the config."""
    for problem in problems:
        findings.add((*path, *(read(problem.path) or ())), problem.message, problem.fix, problem.severity)


def _join(fields: Fields, needs: tuple[str, ...]) -> Any:
    value = fields.get("join")
    if value is None or value in ("all", "any"):
        return value or "all"
    if isinstance(value, bool) or not isinstance(value, int):
        fields.wrong("join", f"{shown(value)} is no way to join.", "Write all, any, or how many needs must succeed.")
        return "all"
    if value < 1 or value > len(needs):
        message = f"{value} of {len(needs)} needs can never succeed." if value > 0 else f"{value} is too few."
        fields.wrong("join", message, f"Write a number from 1 to {len(needs)}." if needs else "Name the needs first.")
        return "all"
    return value


def _retry(fields: Fields) -> RetryPolicy:
    retry = fields.child("retry", ("attempts", "delay", "factor", "max_delay", "jitter"))
    if retry is None:
        return RetryPolicy()
    policy = RetryPolicy(
        attempts=retry.whole("attempts", 1, low=1, high=100),
        delay=retry.duration("delay", 2.0, zero=True),
        factor=retry.number("factor", 2.0, low=1, high=100),
        max_delay=retry.duration("max_delay", 600.0, zero=True),
        jitter=retry.flag("jitter", True),
    )
    if retry.get("attempts") is None:
        retry.incomplete("attempts", "It is not said how often to call.", "Write attempts: 3 for three calls in all.")
    if retry.get("max_delay") is not None and policy.max_delay < policy.delay:
        retry.wrong("max_delay", "max_delay is shorter than delay.", "Make it at least as long.")
    return policy


def _replaces(fields: Fields) -> Mapping[str, Any] | None:
    replaces = fields.child("replaces", ("step", "minutes"))
    if replaces is None:
        return None
    step = replaces.text("step")
    minutes = replaces.number("minutes", 0.0, low=0, high=100_000)
    if not step and isinstance(fields.get("replaces"), Mapping):
        replaces.incomplete(
            "step", "The manual work is not named.", f"This is {type_name(None)}, write what people did."
        )
    return {"step": step, "minutes": minutes}
