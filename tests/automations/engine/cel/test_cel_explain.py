"""Explanations: the tree of values and the deciding sentence."""

from __future__ import annotations

from typing import Any

import pytest

from automations.engine.cel import BudgetExceeded, MissingValue, Open, Part, compile

EVENT = {"order": {"total": 90, "country": "DE", "lines": [{"price": 5}, {"price": 20}], "paid": False, "note": None}}
VARIABLES = {"event": EVENT, "limit": 100, "open": Open("steps.first.output")}


def sentence(source: str) -> str:
    return compile(source).explain(VARIABLES).sentence


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("event.order.total > 100", "event.order.total = 90, needed > 100"),
        ("100 < event.order.total", "event.order.total = 90, needed > 100"),
        ("event.order.total > limit", "event.order.total = 90, needed > 100 (limit)"),
        ("event.order.total > 50", "event.order.total = 90, which is > 50"),
        ("event.order.total > 50 && event.order.country == 'AT'", 'event.order.country = "DE", needed == "AT"'),
        ("event.order.total > 100 || event.order.country == 'DE'", 'event.order.country = "DE", which is == "DE"'),
        (
            "event.order.total > 100 || event.order.country == 'AT'",
            'event.order.total = 90, needed > 100 and event.order.country = "DE", needed == "AT"',
        ),
        ("event.order.country in ['AT', 'CH']", "event.order.country = \"DE\", needed in ['AT', 'CH']"),
        ("event.order.country.startsWith('A')", 'event.order.country = "DE", needed startsWith("A")'),
        ("has(event.order.gift)", "event.order.gift is missing"),
        ("event.order.paid", "event.order.paid = false"),
        ("!(event.order.total > 50)", "event.order.total = 90, which is > 50"),
        ("event.order.lines.all(l, l.price < 10)", "event.order.lines[1]: l.price = 20, needed < 10"),
        ("event.order.lines.exists(l, l.price > 99)", "none of 2 in event.order.lines has l.price > 99"),
        ("event.order.total * 2", "event.order.total * 2 = 180"),
        ("event.order.paid ? 'a' : 'b'", "event.order.paid = false, so 'b' = \"b\""),
        ("event.order.gift > 1", "event.order.gift is missing (line 1, column 13)"),
        ("open.ok == true", "steps.first.output.ok is not known yet (line 1, column 9)"),
    ],
)
def test_one_sentence_names_what_decided(source: str, expected: str) -> None:
    assert sentence(source) == expected


def walk(part: Part) -> Any:
    yield part
    for child in part.children:
        yield from walk(child)


def test_the_tree_holds_every_sub_expression_with_its_value() -> None:
    tree = compile("event.order.total > 100 && event.order.country == 'DE'").explain(VARIABLES).tree
    values = {part.text: (part.value, part.evaluated) for part in walk(tree)}
    assert values["event.order.total > 100"] == (False, True)
    assert values["event.order.total"] == (90, True)
    assert values["event.order.country == 'DE'"] == (None, False)
    assert tree.value is False
    assert tree.children[1].position == (1, 28)


def test_a_loop_shows_the_deciding_step() -> None:
    tree = compile("event.order.lines.exists(l, l.price > 10 || l.nope)").explain(VARIABLES).tree
    values = {part.text: part for part in walk(tree)}
    assert values["l.price"].value == 20
    assert not values["l.nope"].evaluated


def test_an_explanation_never_raises() -> None:
    explanation = compile("event.order.gift.size() > 1 || 1 / 0 == 1").explain(VARIABLES)
    assert isinstance(explanation.error, MissingValue)
    assert {part.error.message for part in walk(explanation.tree) if part.error} == {
        "event.order.gift is missing",
        "division by zero",
    }
    spent = compile("lists.range(100000).map(x, lists.range(1000))").explain({})
    assert isinstance(spent.error, BudgetExceeded)
    assert "operations" in spent.sentence


def test_the_value_of_an_explanation_is_the_value_of_the_evaluation() -> None:
    for source in ("event.order.lines.map(l, l.price)", "{true: limit}", "open.x", "event.order.note == null"):
        program = compile(source)
        assert program.explain(VARIABLES).value == program.evaluate(VARIABLES)


def test_a_long_value_is_cut_to_a_line() -> None:
    variables = {"text": "x" * 10_000, "huge": 10**5_000, "list": [[[[[1]]]]] * 50}
    for name in variables:
        assert len(compile(f"{name} == 1").explain(variables).sentence) < 300
