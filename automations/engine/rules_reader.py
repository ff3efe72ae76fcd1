"""Reads the decision rows of a kind's config."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from automations.engine.conditions import Condition
from automations.engine.errors import Problem
from automations.engine.findings import Findings
from automations.engine.judging import constant
from automations.engine.named_conditions import Conditions
from automations.engine.parts import RulesPlace
from automations.engine.paths import Path, read
from automations.engine.references import References
from automations.engine.remarks import remarks
from automations.engine.rules import ROWS, Rule, hit_of, rules_template
from automations.engine.templates import Template, is_template, read_template

NEVER = Condition({"always": False}, frozenset(), constant(False))


class RulesReader:
    """Compiles rows; what is wrong, missing or odd about them goes to the findings."""

    def __init__(self, findings: Findings, conditions: Conditions, references: References) -> None:
        self.findings = findings
        self.conditions = conditions
        self.references = references

    def read(
        self, config: Mapping[str, Any], place: RulesPlace, path: Path, names: frozenset[str], key: str
    ) -> Template:
        """The config as a template with its rows compiled; `key` is the action it belongs to."""
        for name in (place.setting, "hit"):
            if is_template(config.get(name)):
                self.findings.wrong((*path, name), f"“{name}” cannot be computed.", "Write it out.")
        written = config.get(place.setting)
        rows = written if isinstance(written, list) else []
        here = (*path, place.setting)
        if isinstance(written, list) and not written:
            self.findings.wrong(here, "There are no rows.", "Write {when: …, then: …}.")
        elif len(rows) > ROWS:
            self.findings.wrong(here, f"There are {len(rows)} rows, at most {ROWS} are possible.", "Split the table.")
            rows = rows[:ROWS]
        rules = [self._rule(row, (*here, index), names, key) for index, row in enumerate(rows)]
        if all(rules):
            self._remark(rows, config, place, here)
        return rules_template(config, place, [rule or Rule(NEVER, read_template({})) for rule in rules], names=names)

    def _rule(self, row: Any, path: Path, names: frozenset[str], key: str) -> Rule | None:
        """One row, None where it is incomplete or wrong."""
        if not isinstance(row, Mapping):
            return None  # the kind's schema says so
        when = self.conditions.use(row.get("when"), (*path, "when"), names)
        if when is not None:
            self.references.check((*path, "when"), when.references, key)
        then = read_template(row.get("then"), names=names)
        self._broken(then.problems, (*path, "then"))
        return Rule(when, then) if when is not None and "then" in row else None

    def _broken(self, problems: tuple[Problem, ...], path: Path) -> None:
        for problem in problems:
            self.findings.wrong((*path, *(read(problem.path) or ())), problem.message)

    def _remark(self, rows: list[Any], config: Mapping[str, Any], place: RulesPlace, path: Path) -> None:
        named = {name: condition.source for name, condition in self.conditions.compiled.items()}
        fallback = any(config.get(name) not in (None, "", []) for name in place.otherwise)
        for remark in remarks([row["when"] for row in rows], named, hit_of(config), fallback=fallback):
            where = path if remark.row is None else (*path, remark.row)
            self.findings.warning(where, remark.message, remark.fix)


__all__ = ["RulesReader"]
