"""What is said about decision rows is true: examples are real, and what “never” happens never does."""

from __future__ import annotations

import copy
import re
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automations.engine.conditions import compile_condition
from automations.engine.remarks import remarks

MISSING = object()


def rule(field: str, operator: str, *value: Any) -> dict[str, Any]:
    return {"field": field, "operator": operator} | ({"value": value[0]} if value else {})


def total(operator: str, value: Any) -> dict[str, Any]:
    return rule("event.total", operator, value)


def said(*rows: Any, hit: str = "first", fallback: bool = True, named: Any = None) -> list[str]:
    return [remark.message for remark in remarks(rows, named or {}, hit, fallback=fallback)]


class TestWhatIsSaid:
    def test_rows_that_exclude_each_other_and_leave_nothing_out_are_fine(self) -> None:
        for hit in ("first", "unique", "collect"):
            assert said(total("gt", 100), total("lte", 100), hit=hit, fallback=False) == []

    def test_a_collision_has_an_example(self) -> None:
        (message,) = said(total("gt", 50), total("gt", 100), hit="unique")
        assert message.startswith("Rows 1 and 2 both match, for example where event.total = 101;")

    def test_a_gap_has_an_example(self) -> None:
        (message,) = said(total("gt", 100), total("lt", 50), fallback=False)
        assert message == "No row matches, for example where event.total = 50."

    def test_a_row_that_contradicts_itself_never_matches(self) -> None:
        assert said({"all": [total("gt", 100), total("lt", 50)]}, total("gt", 0)) == ["Row 1 can never match."]

    def test_a_row_behind_wider_ones_is_never_reached(self) -> None:
        rows = (total("gt", 100), total("lte", 100), total("eq", 7))
        assert said(*rows) == ["Row 3 is never reached: the rows before it take all that it matches."]

    def test_with_collect_overlaps_are_meant_and_gaps_are_an_empty_list(self) -> None:
        assert said(total("gt", 100), total("gt", 50), hit="collect", fallback=False) == []

    def test_named_conditions_and_their_denials_are_looked_into(self) -> None:
        named = {"large": total("gt", 100), "vip": {"any": [{"condition": "large"}, rule("event.vip", "is_true")]}}
        assert said("large", "not large", hit="unique", fallback=False, named=named) == []
        (message,) = said("large", {"condition": "vip"}, hit="unique", named=named)
        assert "event.total = 101" in message

    def test_choices_of_texts_leave_other_texts_out(self) -> None:
        rows = (rule("event.country", "eq", "DE"), rule("event.country", "in", ["FR", "IT"]))
        assert said(*rows, fallback=False) == ["No row matches, for example where event.country is another text."]
        assert said(*rows, rule("event.country", "not_in", ["DE", "FR", "IT"]), hit="unique", fallback=False) == []

    def test_what_cannot_be_sampled_is_not_guessed_at(self) -> None:
        unclear = (
            {"expression": "event.a > 1"},
            rule("event.b", "matches", "^x"),
            rule("event.c", "eq", "{{ event.d }}"),
        )
        assert said(*unclear, *copy.deepcopy(unclear), hit="unique", fallback=False) == []

    def test_a_field_and_a_part_of_it_are_not_taken_for_independent(self) -> None:
        rows = (rule("event.order", "missing"), rule("event.order.total", "gt", 10))
        assert said(*rows, hit="unique") == []

    def test_a_table_that_is_too_large_is_looked_at_as_far_as_it_goes(self) -> None:
        rows = [
            {"all": [rule(f"event.f{n}", "gt", n * 7 + k) for n in range(9)] + [rule("event.key", "eq", str(k))]}
            for k in range(40)
        ]
        assert said(*rows, rows[0], hit="first") == []

    def test_many_collisions_are_not_all_listed(self) -> None:
        assert len(said(*[total("gt", n) for n in range(30)], hit="unique")) == 10


# Against brute force ----------------------------------------------------------------------------------------------

FIELDS: dict[str, list[Any]] = {
    "n": [MISSING, None, True, "a", -1, 0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 9, [], [1], {}],
    "s": [MISSING, None, False, 1, "", "a", "ab", "b", "c", "zebra", [], ["a"], {"a": 1}],
    "f": [MISSING, None, True, False, "true", 0, 1, []],
}
_numbers = st.sampled_from([0, 1, 1.5, 2, 3])
_texts = st.sampled_from(["a", "ab", "b", ""])
_exact = st.one_of(
    st.builds(rule, st.just("event.n"), st.sampled_from(["eq", "ne", "gt", "gte", "lt", "lte"]), _numbers),
    st.builds(rule, st.just("event.n"), st.sampled_from(["in", "not_in"]), st.lists(_numbers, max_size=3)),
    st.builds(rule, st.just("event.s"), st.sampled_from(["eq", "ne"]), _texts | st.none()),
    st.builds(rule, st.just("event.s"), st.sampled_from(["in", "not_in"]), st.lists(_texts, max_size=3)),
    st.builds(rule, st.just("event.s"), st.sampled_from(["exists", "missing", "is_empty"])),
    st.builds(rule, st.just("event.f"), st.sampled_from(["is_true", "is_false", "exists"])),
    st.builds(rule, st.just("event.f"), st.just("eq"), st.booleans()),
    st.builds(lambda answer: {"always": answer}, st.booleans()),
)
_vague = st.one_of(
    st.builds(rule, st.just("event.s"), st.sampled_from(["starts_with", "ends_with", "contains"]), _texts),
    st.builds(lambda text: {"expression": f'event.s == "{text}"'}, _texts),
    st.builds(rule, st.just("event.n"), st.just("eq"), st.just("{{ 1 + 1 }}")),
)


def _trees(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaves,
        lambda inner: st.builds(
            lambda group, items: {group: items},
            st.sampled_from(["all", "any", "none"]),
            st.lists(inner, min_size=1, max_size=3),
        ),
        max_leaves=4,
    )


def _inputs() -> list[dict[str, Any]]:
    names = list(FIELDS)
    combined = product(*FIELDS.values())
    return [{"event": {n: v for n, v in zip(names, values, strict=True) if v is not MISSING}} for values in combined]


INPUTS = _inputs()


def _answers(rows: list[Any]) -> list[list[bool | None]]:
    compiled = [compile_condition(row) for row in rows]
    return [[condition.evaluate(variables).matched for condition in compiled] for variables in INPUTS]


def _example(message: str) -> dict[str, Any] | None:
    """The input that a remark gives as an example, None where it gives none or an unnamed text."""
    told = re.search(r"for example where (.*?)(?:;|\.$)", message)
    event: dict[str, Any] = {}
    for part in told[1].split(" and ") if told else ():
        name, _, value = part.removeprefix("event.").partition(" ")
        if value == "is another text":
            event[name] = "another text"
        elif value != "is missing":
            event[name] = __import__("json").loads(value.removeprefix("= "))
    return {"event": event}


@settings(max_examples=40, deadline=None)
@given(st.lists(_trees(_exact | _vague), min_size=1, max_size=4), st.sampled_from(["first", "unique"]))
def test_nothing_is_said_that_is_not_so(rows: list[Any], hit: str) -> None:
    found = remarks(rows, {}, hit, fallback=False)
    answers = _answers(rows) if found else []
    compiled = [compile_condition(row) for row in rows]
    for remark in found:
        if "can never match" in remark.message:
            assert not any(line[remark.row] for line in answers)
        elif "never reached" in remark.message:
            assert not any(
                line[remark.row] and not any(line[: remark.row]) and None not in line[: remark.row] for line in answers
            )
        else:
            event = _example(remark.message)
            verdicts = [condition.evaluate(event).matched for condition in compiled]
            pair = re.match(r"Rows (\d+) and (\d+)", remark.message)
            wanted = [verdicts[int(pair[1]) - 1], verdicts[int(pair[2]) - 1]] if pair else verdicts
            assert set(wanted) == {bool(pair)}


def _usual(variables: dict[str, Any]) -> bool:
    """Inputs whose fields are of the types that rules on them usually ask for."""
    event = variables["event"]
    kinds = {"n": (int, float), "s": str, "f": bool}
    return all(
        name in event and type(event[name]) in (kind if isinstance(kind, tuple) else (kind,))
        for name, kind in kinds.items()
    )


@settings(max_examples=40, deadline=None)
@given(st.lists(_trees(_exact), min_size=1, max_size=4))
def test_nothing_that_is_so_is_left_unsaid(rows: list[Any]) -> None:
    answers = [line for line, variables in zip(_answers(rows), INPUTS, strict=True) if _usual(variables)]
    told = [remark.message for remark in remarks(rows, {}, "unique", fallback=False)]
    for one, other in ((a, b) for b in range(len(rows)) for a in range(b)):
        if any(line[one] and line[other] for line in answers):
            assert any(message.startswith(f"Rows {one + 1} and {other + 1} ") for message in told)
    if any(set(line) == {False} for line in answers):
        assert any(message.startswith("No row matches") for message in told)


@pytest.mark.parametrize("operator", ["before", "after"])
def test_times_are_sampled_too(operator: str) -> None:
    moment = rule("event.at", operator, "2026-01-31T08:00:00Z")
    (message,) = said(moment, copy.deepcopy(moment), hit="unique")
    assert message.startswith("Rows 1 and 2 both match, for example where event.at = ")
