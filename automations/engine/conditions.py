"""Conditions: a tree of rules, or a CEL expression, judged as true, false or *unknown*.

An unknown (a missing field, a field of a type the operator cannot judge, a value a simulation does not know)
taints only a result it could have changed, and the reason names it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from automations.engine import cel
from automations.engine.cel import ExpressionError
from automations.engine.errors import DefinitionError, Problem
from automations.engine.judging import (
    COMBINE,
    Condition,
    Judge,
    Verdict,
    constant,
    negate,
    of_change,
    of_expression,
    of_field,
)
from automations.engine.operators import ALIASES, OPERATORS, Operator, shown, type_name
from automations.engine.paths import Path, read, show, suggestion
from automations.engine.templates import Template, has_template, read_template

GROUPS = ("all", "any", "none")
LEAVES = ("field", "expression", "condition", "always")
DEPTH_LIMIT = 32


def evaluate(tree: Any, variables: Mapping[str, Any], conditions: Mapping[str, Any] | None = None) -> Verdict:
    """Judge a condition tree. `conditions` are the named ones, as trees. Raises DefinitionError for a broken tree."""
    return compile_condition(tree, conditions=conditions or {}, names=None).evaluate(variables)


def compile_condition(
    tree: Any, *, conditions: Mapping[str, Any] | None = None, names: Collection[str] | None = None
) -> Condition:
    """Compile a tree, or a text that names a condition (`NAME` or `not NAME`).

    `conditions` maps names to trees or compiled Conditions; `names` are the roots an expression may read, None
    for any. Raises DefinitionError with every problem.
    """
    reader = ConditionReader(conditions or {}, names)
    condition = reader.read(tree, ())
    if reader.problems or condition is None:
        raise DefinitionError(Problem(show(path), message, fix) for path, message, fix in reader.problems)
    return condition


class ConditionReader:
    """Compiles trees and collects what is wrong as (path, message, fix)."""

    def __init__(
        self, conditions: Mapping[str, Any], names: Collection[str] | None, *, plain_text: str = "name"
    ) -> None:
        self.conditions = conditions
        self.names = names
        self.plain_text = plain_text
        self.problems: list[tuple[Path, str, str]] = []
        self.compiled: dict[str, Condition | None] = {}
        self.trail: list[str] = []
        self.references: set[Path] = set()

    def read(self, tree: Any, path: Path) -> Condition | None:
        """Return the condition, or None after noting what is wrong with it."""
        outer, self.references = self.references, set()
        before = len(self.problems)
        judge = self.text(tree, path) if isinstance(tree, str) else self.node(tree, path, 1)
        references, self.references = frozenset(self.references), outer
        self.references |= references
        return Condition(tree, references, judge) if judge and len(self.problems) == before else None

    def wrong(self, path: Path, message: str, fix: str = "") -> None:
        self.problems.append((path, message, fix))

    # Texts

    def text(self, text: str, path: Path) -> Judge | None:
        """Read `NAME`, `not NAME`, and, where a filter allows it, a CEL expression."""
        name = text.strip()
        if name in self.conditions:
            return self.named(name, path)
        denied = name[4:].strip() if name.startswith("not ") else ""
        if denied in self.conditions:
            judge = self.named(denied, path)
            return negate(judge) if judge else None
        if self.plain_text == "expression":
            return self.expression(text, path)
        fix = suggestion(denied or name, self.conditions) or "Define it under `conditions`."
        self.wrong(
            path,
            f"There is no condition named “{denied or name}”.",
            f"{fix} An expression is written {{expression: …}}.",
        )
        return None

    def named(self, name: str, path: Path) -> Judge | None:
        if name in self.trail:
            ring = " → ".join([*self.trail[self.trail.index(name) :], name])
            self.wrong(path, f"The condition uses itself: {ring}.", "Take one of them out of the ring.")
            return None
        if name not in self.compiled:
            self.compiled[name] = self.compile_named(name)
        condition = self.compiled[name]
        if condition is None:
            return None
        self.references |= condition.references
        return condition.evaluate

    def compile_named(self, name: str) -> Condition | None:
        tree = self.conditions[name]
        if isinstance(tree, Condition):
            return tree
        self.trail.append(name)
        try:
            return self.read(tree, ("conditions", name))
        finally:
            self.trail.pop()

    # Trees

    def node(self, tree: Any, path: Path, depth: int) -> Judge | None:
        if not isinstance(tree, Mapping):
            self.wrong(path, f"A condition is an object, this is {type_name(tree)}.", _FORMS)
        elif not tree:
            self.wrong(path, "The condition is empty.", _FORMS)
        elif depth > DEPTH_LIMIT:
            self.wrong(
                path, f"The condition is nested deeper than {DEPTH_LIMIT}.", "Give a part of it a name of its own."
            )
        else:
            form = next((key for key in (*GROUPS, *LEAVES) if key in tree), None)
            if form is not None:
                return self.form(form, tree, path, depth)
            first = next(iter(tree))
            self.wrong((*path, first), f"“{first}” is no form of a condition.", suggestion(first, (*GROUPS, *LEAVES)))
        return None

    def form(self, form: str, tree: Mapping[str, Any], path: Path, depth: int) -> Judge | None:
        allowed = ("field", "operator", "value") if form == "field" else (form,)
        extra = [key for key in tree if key not in allowed]
        for key in extra:
            self.wrong((*path, key), f"“{key}” does not belong beside “{form}”.", suggestion(key, allowed))
        if form in GROUPS:
            return self.group(form, tree[form], (*path, form), depth)
        if form == "field":
            return self.leaf(tree, path)
        if form == "expression":
            return self.expression(tree[form], (*path, form))
        if form == "condition":
            return self.reference(tree[form], (*path, form))
        if not isinstance(tree[form], bool):
            self.wrong((*path, form), "“always” is true or false.")
        return constant(tree[form] is True)

    def group(self, form: str, items: Any, path: Path, depth: int) -> Judge | None:
        if not isinstance(items, list):
            self.wrong(path, f"“{form}” takes a list of conditions, this is {type_name(items)}.")
            return None
        if not items:
            self.wrong(path, f"“{form}” is empty.", "Add a rule, or write {always: true}.")
        judges = [self.node(item, (*path, index), depth + 1) for index, item in enumerate(items)]
        return COMBINE[form]([judge for judge in judges if judge])

    def reference(self, name: Any, path: Path) -> Judge | None:
        if isinstance(name, str) and name in self.conditions:
            return self.named(name, path)
        fix = suggestion(str(name), self.conditions) or "Define it under `conditions`."
        self.wrong(path, f"There is no condition named “{name}”.", fix)
        return None

    def expression(self, source: Any, path: Path) -> Judge | None:
        if not isinstance(source, str) or not source.strip():
            self.wrong(path, "An expression is a text that is not empty.")
            return None
        try:
            program = cel.compile(source, self.names)
        except ExpressionError as error:
            self.wrong(path, f"{error.message} (line {error.line}, column {error.column})")
            return None
        self.references |= program.references
        return of_expression(program)

    def leaf(self, tree: Mapping[str, Any], path: Path) -> Judge | None:
        before = len(self.problems)
        operator = self.operator(tree, path)
        parts = self.field(tree["field"], (*path, "field"), operator)
        value = self.value(tree, path, operator) if operator else None
        if len(self.problems) > before or operator is None or parts is None:
            return None
        if operator.name in {"changed", "changed_to"}:
            return of_change(operator, parts, value)
        return of_field(operator, parts, value)

    def operator(self, tree: Mapping[str, Any], path: Path) -> Operator | None:
        name = tree.get("operator")
        if name is None:
            self.wrong((*path, "operator"), "The rule has no operator.", suggestion("", OPERATORS))
        elif not isinstance(name, str) or name not in OPERATORS:
            near = ALIASES.get(str(name).lower().replace(" ", "_"))
            fix = f"Did you mean “{near}”?" if near else suggestion(str(name), OPERATORS)
            self.wrong((*path, "operator"), f"{shown(name)} is not an operator.", fix)
        else:
            return OPERATORS[name]
        return None

    def field(self, text: Any, path: Path, operator: Operator | None) -> Path | None:
        parts = read(text) if isinstance(text, str) else None
        if parts is None or not isinstance(parts[0], str):
            self.wrong(
                path, f"{shown(text)} is not a path.", "Write a path like event.order.total, or use {expression: …}."
            )
            return None
        if operator and operator.name in {"changed", "changed_to"}:
            parts = parts[2:] if parts[:2] == ("event", "after") and len(parts) > 2 else parts
            self.references |= {("event", side, *parts) for side in ("before", "after")} | {("event", "changed")}
            return parts
        if self.names is not None and parts[0] not in self.names:
            known = f"event.{text}" if "event" in self.names else ""
            self.wrong(path, f"“{parts[0]}” is not known here.", f"Did you mean “{known}”?" if known else "")
        self.references.add(parts)
        return parts

    def value(self, tree: Mapping[str, Any], path: Path, operator: Operator) -> Template | None:
        value, path = tree.get("value"), (*path, "value")
        if not operator.has_value:
            if value is not None:
                self.wrong(path, f"“{operator.name}” takes no value.", "Leave it out.")
            return None
        if "value" not in tree:
            self.wrong(path, f"“{operator.name}” needs a value.", f"It takes {operator.takes}.")
            return None
        template = read_template(value, names=self.names)
        for problem in template.problems:
            self.wrong((*path, *(read(problem.path) or ())), problem.message)
        if (
            operator.fits
            and not (has_template(value) and not isinstance(value, (list, dict)))
            and not operator.fits(value)
        ):
            self.wrong(
                path,
                f"“{operator.name}” cannot use {type_name(value)} ({shown(value)}).",
                f"It takes {operator.takes}.",
            )
        self.references |= template.references
        return template


_FORMS = (
    "Write {all: […]}, {any: […]}, {none: […]}, {field, operator, value}, {expression}, {condition} or {always: true}."
)

__all__ = ["Condition", "ConditionReader", "Verdict", "compile_condition", "evaluate"]
