"""How a compiled condition answers: true, false or *unknown*, with the reason and the values it read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from automations.engine.cel import ExpressionError, MissingValue, Open, OpenValue, Program
from automations.engine.errors import shorten
from automations.engine.lookup import Absent, found, lookup
from automations.engine.operators import OPERATORS, Operator, Unfit, shown, type_name
from automations.engine.paths import Path, show
from automations.engine.templates import Template


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer: `matched` is None when unknown.

    `values` maps each path read to its value. When unknown, `open` is the path a simulation does not know,
    `missing` the path that is not there; both are "" otherwise.
    """

    matched: bool | None
    reason: str
    values: dict[str, Any] = field(default_factory=dict)
    open: str = ""
    missing: str = ""


Judge = Callable[[Mapping[str, Any]], Verdict]


@dataclass(frozen=True, slots=True)
class Condition:
    """A compiled condition. `references` are the paths it reads, those of named conditions included."""

    source: Any
    references: frozenset[Path]
    _judge: Judge

    def evaluate(self, variables: Mapping[str, Any]) -> Verdict:
        """Judge these variables; never raises for what the data holds."""
        return self._judge(variables)


def _unknown(reason: str, values: dict[str, Any] | None = None, *, open: str = "", missing: str = "") -> Verdict:
    return Verdict(None, shorten(reason, 500), values or {}, open, missing)


def _open(path: str, values: dict[str, Any] | None = None) -> Verdict:
    return _unknown(f"{path} is not known in simulation: give a sample", values, open=path)


def constant(answer: bool) -> Judge:
    verdict = Verdict(answer, "always" if answer else "never")
    return lambda _variables: verdict


def negate(judge: Judge) -> Judge:
    def negated(variables: Mapping[str, Any]) -> Verdict:
        found = judge(variables)
        if found.matched is None:
            return found
        return Verdict(not found.matched, found.reason, found.values)

    return negated


def _combine(judges: list[Judge], variables: Mapping[str, Any], decisive: bool) -> Verdict:
    """Judge all; one `decisive` answer settles it, else an unknown taints it, else it is the opposite."""
    verdicts = [judge(variables) for judge in judges]
    values = {path: value for verdict in verdicts for path, value in verdict.values.items()}
    settled = [verdict for verdict in verdicts if verdict.matched is decisive]
    unknown = [verdict for verdict in verdicts if verdict.matched is None]
    telling = settled or unknown or verdicts
    reason = "; ".join(dict.fromkeys(verdict.reason for verdict in telling[:3]))
    reason += f"; and {len(telling) - 3} more" if len(telling) > 3 else ""
    if not settled and unknown:
        # An open value comes first: a sample may settle what no other event could.
        first = next((verdict for verdict in unknown if verdict.open), unknown[0])
        return _unknown(reason, values, open=first.open, missing=first.missing)
    return Verdict(decisive if settled else not decisive, shorten(reason, 500), values)


COMBINE: dict[str, Callable[[list[Judge]], Judge]] = {
    "all": lambda judges: lambda variables: _combine(judges, variables, decisive=False),
    "any": lambda judges: lambda variables: _combine(judges, variables, decisive=True),
    "none": lambda judges: negate(lambda variables: _combine(judges, variables, decisive=True)),
}


def of_expression(program: Program) -> Judge:
    paths = [(show(path), path) for path in sorted(program.references, key=show)]

    def judge(variables: Mapping[str, Any]) -> Verdict:
        values = {text: value for text, path in paths if (value := found(variables, path)) is not Absent}
        try:
            answer = program.evaluate(variables)
        except OpenValue as error:
            return _open(error.path, values)
        except MissingValue as error:
            return _unknown(f"{error.path or error.message} is missing", values, missing=error.path)
        except ExpressionError as error:
            return _unknown(error.message, values)
        if isinstance(answer, Open):
            return _open(answer.path, values)
        if not isinstance(answer, bool):
            return _unknown(f"“{program.source}” gives {type_name(answer)}, needed true or false", values)
        # Explaining takes far longer than evaluating, and people ask why something did not match.
        reason = program.source if answer else program.explain(variables).sentence or program.source
        return Verdict(answer, shorten(reason, 500), values)

    return judge


def of_field(operator: Operator, parts: Path, template: Template | None) -> Judge:
    path = show(parts)

    def judge(variables: Mapping[str, Any]) -> Verdict:
        value = lookup(variables, parts)
        if isinstance(value, Open):
            return _open(value.path)
        if operator.name in {"exists", "missing"}:
            return _of_presence(operator, path, value)
        if value is Absent:
            return _unknown(f"{path} is missing", missing=path)
        return _compare(operator, path, value, template, variables)

    return judge


def _of_presence(operator: Operator, path: str, value: Any) -> Verdict:
    there = value is not Absent
    values = {path: value} if there else {}
    return Verdict(there is (operator.name == "exists"), f"{path} is {'present' if there else 'missing'}", values)


def _compare(
    operator: Operator, path: str, value: Any, template: Template | None, variables: Mapping[str, Any]
) -> Verdict:
    values = {path: value}
    wanted, needed = None, operator.words
    if template is not None:
        try:
            rendered = template.render(variables)
        except MissingValue as error:
            return _unknown(f"{error.path or error.message} is missing", values, missing=str(error.path))
        except ExpressionError as error:
            return _unknown(error.message, values)
        if rendered.opens:
            return _open(rendered.opens[0], values)
        wanted, needed = rendered.value, f"{operator.words} {shown(rendered.value)}"
        if operator.fits and not operator.fits(wanted):
            return _unknown(
                f"{path} is compared with {shown(wanted)}, but “{operator.name}” takes {operator.takes}", values
            )
    try:
        matched = operator.judge(value, wanted, variables)
    except Unfit as unfit:
        return _unknown(f"{path} {unfit}", values)
    return Verdict(matched, f"{path} = {shown(value)}, needed {needed}", values)


def of_change(operator: Operator, parts: Path, template: Template | None) -> Judge:
    """`changed` compares the field before and after; `changed_to` also asks what it is now."""
    path = show(parts)

    def judge(variables: Mapping[str, Any]) -> Verdict:
        event = variables.get("event")
        if not isinstance(event, Mapping) or "before" not in event or "after" not in event:
            return _unknown(f"{path} cannot be compared: only events of the trigger kind record know before and after")
        old, new = lookup(event["before"], parts), lookup(event["after"], parts)
        seen = {f"event.before.{path}": old, f"event.after.{path}": new}
        values = {key: value for key, value in seen.items() if value is not Absent}
        for value in (old, new):
            if isinstance(value, Open):
                return _open(value.path)
        if new is Absent and (old is Absent or operator.name == "changed_to"):
            return _unknown(f"event.after.{path} is missing", values, missing=f"event.after.{path}")
        if not _differs(event, parts, old, new):
            return Verdict(False, f"{path} did not change", values)
        if operator.name == "changed":
            return Verdict(True, f"{path} changed{_told(old, new)}", values)
        verdict = _compare(operator, f"event.after.{path}", new, template, variables)
        return Verdict(verdict.matched, verdict.reason, {**values, **verdict.values}, verdict.open, verdict.missing)

    return judge


def _differs(event: Mapping[str, Any], parts: Path, old: Any, new: Any) -> bool:
    named = event.get("changed")
    if isinstance(named, (list, tuple)) and parts[0] not in named:
        return False
    if old is Absent or new is Absent:
        return True
    return not OPERATORS["eq"].judge(old, new, {})


def _told(old: Any, new: Any) -> str:
    before = "" if old is Absent else f" from {shown(old)}"
    return before + ("" if new is Absent else f" to {shown(new)}")
