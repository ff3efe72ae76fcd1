"""Decision rows inside a kind's config: `[{when: condition, then: values}]`.

A kind that has them says so by `rules` (parts.RulesPlace). Their conditions are judged, never filled in as templates,
and of the values only those of a matching row are rendered: what another row would read may well be missing.

The rendered setting lists the rows that were looked at, `{row, matched, reason}` and, where it matched, `then`; the
settings named by `otherwise` are rendered only where no row matched. So the recorded input says which row decided
and why, and a kind that computes from it stays pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from automations.engine.cel import ExpressionError
from automations.engine.conditions import Condition, Verdict
from automations.engine.errors import shorten
from automations.engine.parts import RulesPlace
from automations.engine.paths import Path
from automations.engine.templates import Rendered, Template, read_template

HITS = ("first", "unique", "collect")
"""`first`: the first row that matches; `unique`: the only one; `collect`: all that match."""
ROWS = 500
"""Rows one setting may have: what was looked at must fit into the recorded input."""
REASON = 200


class Undecided(ExpressionError):
    """A row cannot be judged; `path` is what is missing, "" if that is not the reason; `open`: a sample would help."""

    def __init__(self, row: int, verdict: Verdict) -> None:
        super().__init__(f"row {row} cannot be decided: {verdict.reason}")
        self.path = verdict.missing or verdict.open
        self.open = bool(verdict.open)


@dataclass(frozen=True, slots=True)
class Rule:
    """One row, compiled."""

    when: Condition
    then: Template


def hit_of(config: Mapping[str, Any]) -> str:
    """The hit policy a config asks for; `first` where it says nothing (or nothing that is known)."""
    hit = config.get("hit")
    return hit if isinstance(hit, str) and hit in HITS else "first"


def rules_template(
    config: Mapping[str, Any], place: RulesPlace, rules: Sequence[Rule], *, names: frozenset[str]
) -> Template:
    """The config as a template whose rows are decided when it is rendered.

    Rendering raises Undecided for a row that cannot be judged and could have changed the answer, and whatever a
    template raises. Broken templates are listed in `problems`, as `read_template` does.
    """
    last = {name: value for name, value in config.items() if name in place.otherwise}
    rest = {name: value for name, value in config.items() if name not in last and name != place.setting}
    plain, otherwise = read_template(rest, names=names), read_template(last, names=names)
    hit, rules = hit_of(config), tuple(rules)

    def fill(variables: Mapping[str, Any], opens: list[str]) -> Any:
        looked_at = decide(rules, hit, variables, opens)
        value = {**_into(plain, variables, opens), **({place.setting: looked_at} if place.setting in config else {})}
        if not any(row["matched"] for row in looked_at):
            value |= _into(otherwise, variables, opens)
        return value

    sites = [*plain.sites, *otherwise.sites]
    for index, rule in enumerate(rules):
        sites += [((place.setting, index, "then", *path), paths) for path, paths in rule.then.sites]
    return Template(config, tuple(sites), (*plain.problems, *otherwise.problems), fill)


def decide(rules: Sequence[Rule], hit: str, variables: Mapping[str, Any], opens: list[str]) -> list[dict[str, Any]]:
    """The rows that were looked at, in order. Raises Undecided where an unknown could have changed the answer."""
    looked_at: list[dict[str, Any]] = []
    unknown: Undecided | None = None
    matched = 0
    for number, rule in enumerate(rules, start=1):
        verdict = rule.when.evaluate(variables)
        if verdict.matched is None:
            unknown = unknown or Undecided(number, verdict)
        matched += verdict.matched is True
        row = {"row": number, "matched": verdict.matched is True, "reason": shorten(verdict.reason, REASON)}
        if verdict.matched:
            row["then"] = _into(rule.then, variables, opens)
        looked_at.append(row)
        if hit == "first" and (verdict.matched or unknown):
            break
    if unknown and not (hit == "unique" and matched > 1):
        raise unknown
    return looked_at


def matching(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Of the rendered rows those that matched."""
    return [row for row in rows if row["matched"]]


def _into(template: Template, variables: Mapping[str, Any], opens: list[str]) -> Any:
    rendered: Rendered = template.render(variables)
    opens.extend(rendered.opens)
    return rendered.value


def rows_of(config: Mapping[str, Any], place: RulesPlace) -> list[tuple[Path, Mapping[str, Any]]]:
    """The rows as they are written, with their paths; what is no row is left out."""
    rows = config.get(place.setting)
    listed = enumerate(rows) if isinstance(rows, list) else ()
    return [((place.setting, index), row) for index, row in listed if isinstance(row, Mapping)]


__all__ = ["HITS", "ROWS", "Rule", "Undecided", "decide", "hit_of", "matching", "rows_of", "rules_template"]
