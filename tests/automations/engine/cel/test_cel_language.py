"""Reading, evaluating, errors and references of expressions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from automations.engine.cel import (
    Budget,
    BudgetExceeded,
    ExpressionError,
    MissingValue,
    Open,
    OpenValue,
    Optional,
    Uint,
    compile,
    evaluate,
)

EVENT = {"order": {"total": 90, "country": "DE", "items": [{"sku": "a", "price": 5}, {"sku": "b"}], "note": None}}
NAMES = ("event", "trigger", "steps", "now")


def failure(source: str, variables: dict[str, Any] | None = None, **options: Any) -> ExpressionError:
    with pytest.raises(ExpressionError) as caught:
        compile(source, **options).evaluate(variables or {})
    return caught.value


@pytest.mark.parametrize(
    ("source", "line", "column"),
    [
        ("event.order.total +", 1, 20),
        ("1 +\n  * 2", 2, 3),
        ("1 +\n  1 / 0", 2, 5),
        ("event.order.total > 'a'", 1, 19),
        ("[1, 2].map(x, x / 0)", 1, 17),
        ("'a'.charAt(9)", 1, 5),
        ("event.order.nope", 1, 13),
        ("'not closed", 1, 1),
        ("1 # 2", 1, 3),
        ("99999999999999999999", 1, 1),
        ("{1: 2, 1: 3}", 1, 8),
    ],
)
def test_an_error_says_where_it_is(source: str, line: int, column: int) -> None:
    error = failure(source, {"event": EVENT})
    assert (error.line, error.column) == (line, column)
    assert f"line {line}, column {column}" in str(error)


def test_an_undeclared_name_is_refused_when_compiled_with_a_suggestion() -> None:
    with pytest.raises(ExpressionError, match="did you mean 'event'"):
        compile("evnt.order.total > 1 || true", NAMES)


def test_an_undeclared_step_is_refused_when_steps_are_declared_one_by_one() -> None:
    compile("steps.fetch.output", ["steps.fetch"])
    with pytest.raises(ExpressionError, match=r"did you mean 'steps\.fetch'"):
        compile("steps.fecth.output", ["steps.fetch"])


def test_an_unknown_function_is_refused_when_names_are_declared() -> None:
    with pytest.raises(ExpressionError, match="did you mean 'startsWith'"):
        compile("'a'.startWith('b')", NAMES)
    with pytest.raises(ExpressionError, match=r"did you mean 'math\.floor'"):
        compile("math.flor(1.5)", NAMES)
    with pytest.raises(ExpressionError, match="number of arguments"):
        compile("'a'.startsWith()", NAMES)
    assert evaluate("nope(1) || true", {}) is True


def test_an_invalid_pattern_is_refused_when_names_are_declared() -> None:
    with pytest.raises(ExpressionError, match="regular expression"):
        compile("'a'.matches('(')", NAMES)


def test_a_name_that_is_no_variable_is_an_error_with_a_suggestion() -> None:
    with pytest.raises(ExpressionError, match="undeclared name 'evnt'; did you mean 'event'"):
        evaluate("evnt.order", {"event": EVENT})
    assert not isinstance(failure("evnt"), MissingValue)


def test_a_declared_name_without_a_value_is_missing() -> None:
    error = failure("steps.first.output", {}, names=NAMES)
    assert isinstance(error, MissingValue)
    assert error.path == "steps.first.output"


@pytest.mark.parametrize(
    ("source", "path"),
    [
        ("event.order.nope > 1", "event.order.nope"),
        ("event.nope.deeper.still", "event.nope.deeper.still"),
        ("event['order']['nope']", "event.order.nope"),
        ("event.order.items[7].sku", "event.order.items[7].sku"),
        ("event.order.items[1 + 6].sku", "event.order.items[7]"),
        ("event.order.note.text", "event.order.note.text"),
        ("event.order.items.map(i, i.price)", "event.order.items[1].price"),
        ("event.order.items.all(i, i.price > 1)", "event.order.items[1].price"),
        ("has(event.nope.x)", "event.nope"),
        ("event.?order.note.text", "event.order.note.text"),
        ("event['some key']", 'event["some key"]'),
    ],
)
def test_a_missing_value_names_its_path(source: str, path: str) -> None:
    error = failure(source, {"event": EVENT})
    assert isinstance(error, MissingValue)
    assert error.path == path


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("event.?order.?note.?text.orValue(1)", 1),
        ("event.?order.?note.?text.?deeper.hasValue()", False),
        ("event.order.?note[?0].orValue(1)", 1),
        ("event.order.note.?text.or(optional.of(2)).value()", 2),
        ("event.?order.?note.hasValue()", True),
        ("event.?order.?note.orValue(1)", None),
    ],
)
def test_what_lies_beneath_null_is_empty_where_it_may_be_missing(source: str, value: Any) -> None:
    assert evaluate(source, {"event": EVENT}) == value


def test_a_field_of_a_number_is_an_error_but_nothing_missing() -> None:
    assert not isinstance(failure("event.order.total.x", {"event": EVENT}), MissingValue)


@pytest.mark.parametrize(
    ("source", "references"),
    [
        ("event.order.total > 100 && event.order.country == 'DE'", {("event", "order", "total"), ("event", "order", "country")}),
        ("event.items[0]['a b'].c", {("event", "items", 0, "a b", "c")}),
        ("event.?a.b.orValue(trigger.kind)", {("event", "a", "b"), ("trigger", "kind")}),
        ("event.items.exists(i, i.price > event.limit)", {("event", "items"), ("event", "limit")}),
        ("event.items[event.index].sku", {("event", "items"), ("event", "index")}),
        ("cel.bind(o, event.order, o.total + now)", {("event", "order"), ("now",)}),
        ("has(event.a.b) && math.abs(event.n) > int(1.0)", {("event", "a", "b"), ("event", "n")}),
        ("type(event.x) == google.protobuf.Timestamp || event.x == int", {("event", "x")}),
        ("1 + 1", set()),
    ],
)  # fmt: skip
def test_references_are_the_paths_an_expression_reads(source: str, references: set[tuple[str | int, ...]]) -> None:
    assert compile(source).references == references


OPEN = {"steps": {"first": {"output": Open("steps.first.output")}}, "event": EVENT}


@pytest.mark.parametrize(
    ("source", "path"),
    [
        ("steps.first.output", "steps.first.output"),
        ("steps.first.output.json.ok", "steps.first.output.json.ok"),
        ("steps.first.output.list[2]", "steps.first.output.list[2]"),
        ("steps.first.output[event.order.country]", "steps.first.output.DE"),
        ("true ? steps.first.output.a : 1", "steps.first.output.a"),
        ("cel.bind(x, steps.first.output, x.y)", "steps.first.output.y"),
    ],
)
def test_fields_of_an_open_value_are_open(source: str, path: str) -> None:
    assert evaluate(source, OPEN) == Open(path)


@pytest.mark.parametrize(
    "source",
    [
        "steps.first.output == 1", "steps.first.output.a > 1", "steps.first.output + 1", "size(steps.first.output)",
        "has(steps.first.output.a)", "1 in steps.first.output", "steps.first.output.exists(x, true)",
        "string(steps.first.output)", "[steps.first.output]", "{'a': steps.first.output}", "-steps.first.output",
        "!steps.first.output", "steps.first.output ? 1 : 2", "steps.first.output && true", "type(steps.first.output)",
        "steps.first.output.?a.orValue(1)", "[1].map(x, steps.first.output)", "steps.first == {'output': 1}",
        "1 / 0 > 1 && steps.first.output", "optional.of(steps.first.output)", "'%s'.format([steps.first.output])",
        "dyn(steps.first.output)", "steps.first.output.startsWith('a')", "1 in [steps.first.output]",
    ],
)  # fmt: skip
def test_any_other_use_of_an_open_value_raises(source: str) -> None:
    with pytest.raises(OpenValue) as caught:
        evaluate(source, OPEN)
    assert caught.value.path.startswith("steps.first.output")


@pytest.mark.parametrize(
    ("source", "result"),
    [
        ("event.nope > 1 || true", True), ("true || event.nope > 1", True), ("event.nope > 1 && false", False),
        ("steps.first.output > 1 || event.order.total == 90", True), ("false && steps.first.output", False),
        ("event.order.items.exists(i, i.price == 5)", True), ("event.order.items.all(i, i.price == 6)", False),
    ],
)  # fmt: skip
def test_what_decides_makes_the_rest_irrelevant(source: str, result: bool) -> None:
    assert evaluate(source, OPEN) is result


def test_numbers_of_json_mix() -> None:
    variables = {"total": 90, "rate": Decimal("1.19"), "half": 0.5}
    assert evaluate("total * rate", variables) == pytest.approx(107.1)
    assert evaluate("total - half", variables) == 89.5
    assert evaluate("rate", variables) == 1.19
    assert type(evaluate("rate", variables)) is float
    assert isinstance(failure("total * 1u", variables), ExpressionError)


def test_integers_beyond_64_bits_compare_but_do_not_calculate() -> None:
    variables = {"big": 2**70, "huge": 10**400}
    assert evaluate("big > 1 && big < 1e300 && huge > big && huge != 1.5", variables) is True
    assert evaluate("big == big && big in [big] && {'a': big} == {'a': big}", variables) is True
    for source in ("big + 1", "-big", "big * 1", "string(big)", "int(big)"):
        assert "64 bits" in failure(source, variables).message


def test_a_bool_is_not_a_number() -> None:
    variables = {"yes": True, "one": 1, "map": {True: "b"}, "numbers": {1: "i"}}
    assert evaluate("yes == one || one in [true] || yes in [1] || one in map || yes in numbers", variables) is False
    assert evaluate("map[true] + numbers[1] + numbers[1.0]", variables) == "bii"
    assert evaluate("{true: 1}", {}) == {True: 1}
    assert evaluate("{true: 'a', 1: 'b'}[1] + {true: 'a', 1: 'b'}[true]", {}) == "ba"


def test_results_are_plain_python_values() -> None:
    results = evaluate("[1, 1u, 1.5, 'a', b'a', null, true, {'a': [1]}]", {})
    assert results == [1, 1, 1.5, "a", b"a", None, True, {"a": [1]}]
    assert isinstance(evaluate("1u", {}), Uint)
    assert evaluate("timestamp('2026-01-02T03:04:05+01:00')", {}) == datetime(2026, 1, 2, 2, 4, 5, tzinfo=UTC)
    assert evaluate("duration('90m')", {}) == timedelta(minutes=90)
    assert str(evaluate("type(timestamp(0))", {})) == "google.protobuf.Timestamp"
    assert evaluate("optional.of(1)", {}) == Optional((1,))


def test_a_naive_datetime_is_read_as_utc() -> None:
    variables = {"now": datetime(2026, 1, 1), "then": datetime(2026, 1, 1, 1, tzinfo=UTC)}
    assert evaluate("then - now == duration('1h') && now < then && now.getHours() == 0", variables) is True


def test_a_variable_with_dots_in_its_name_goes_before_fields() -> None:
    program = compile("a.b.c")
    assert program.evaluate({"a": {"b": {"c": 1}}}) == 1
    assert program.evaluate({"a": {"b": {"c": 1}}, "a.b": {"c": 2}}) == 2
    assert program.evaluate({"a": {"b": {"c": 1}}, "a.b.c": 3}) == 3
    assert program.evaluate({"a": {"b": {"c": 1}}}) == 1


def test_a_budget_can_be_given() -> None:
    program = compile("lists.range(100).map(x, x)")
    assert len(program.evaluate({})) == 100
    with pytest.raises(BudgetExceeded):
        program.evaluate({}, budget=Budget(operations=50))
    with pytest.raises(BudgetExceeded):
        program.evaluate({}, budget=Budget(size=50))
    with pytest.raises(BudgetExceeded):
        compile("[[1]] == [[1]]").evaluate({}, budget=Budget(nesting=1))


def test_a_spent_budget_is_not_absorbed() -> None:
    with pytest.raises(BudgetExceeded):
        evaluate("lists.range(100000).all(x, lists.range(100000).size() > 0) || true", {})


def test_what_an_expression_returns_is_never_shared_with_the_next_evaluation() -> None:
    program = compile("[1, {'a': 2}]")
    program.evaluate({})[1]["a"] = 99
    assert program.evaluate({}) == [1, {"a": 2}]


def test_short_expressions_are_compiled_once() -> None:
    assert compile("1 + 2") is compile("1 + 2")
    assert compile("1 + 2", ["a"]) is compile("1 + 2", {"a"})


@pytest.mark.parametrize(
    ("source", "result"),
    [
        ("[1, 2, 3].slice(1, 3)", [2, 3]), ("[[1, [2]], 3].flatten()", [1, [2], 3]), ("[[1, [2]]].flatten(2)", [1, 2]),
        ("[3, 1, 2].sort()", [1, 2, 3]), ("['b', 'a'].sort()", ["a", "b"]), ("[1, 1.0, 1u, '1'].distinct()", [1, "1"]),
        ("[1, 2].reverse()", [2, 1]), ("lists.range(3)", [0, 1, 2]), ("[].first().hasValue()", False),
        ("[1, 2].last().value()", 2), ("['aa', 'b'].sortBy(s, s.size())", ["b", "aa"]),
        ("{'a': 1}.transformMap(k, v, v + 1)", {"a": 2}), ("{'a': 'b'}.transformMapEntry(k, v, {v: k})", {"b": "a"}),
        ("['x'].transformMap(i, v, v)", {0: "x"}), ("[1, 2].transformList(i, v, i > 0, v)", [2]),
        ("[optional.of(1), optional.none()].unwrapOpt()", [1]), ("'abc'.substring(1)", "bc"),
        ("{'b': 1, 'a': 2}.map(k, k)", ["b", "a"]), ("[1].existsOne(x, x == 1)", True),
        ("'ab'.lastIndexOf('a')", 0), (f"('y' + '{'x' * 30}' + 'y').lastIndexOf('{'x' * 20}')", 11),
        ("!!true", True), ("--3", 3), ("- -3", 3), ("1 - -1", 2),
        ("1 // a comment", 1), ("true ? 1 : false ? 2 : 3", 1),
    ],
)  # fmt: skip
def test_the_libraries_do_what_they_say(source: str, result: Any) -> None:
    assert evaluate(source, {}) == result
