"""No input exceeds the budget, and hostile input comes away with an error or a literal.

``CEL_FUZZ_INPUTS`` sets the number of random inputs (default 3,000).
"""

from __future__ import annotations

import os
import random
import string
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automations.engine.cel import Budget, BudgetExceeded, CelType, ExpressionError, Open, Optional, compile, evaluate

INPUTS = int(os.environ.get("CEL_FUZZ_INPUTS", "3000"))
VALUES = (str, bytes, int, float, bool, type(None), list, dict, datetime, timedelta, CelType, Optional, Open)
DATA: dict[str, Any] = {
    "event": {"order": {"total": 90, "tags": ["a", "b"], "lines": [{"price": 1.5}], "note": None}, "text": "abc"},
    "steps": {"first": {"output": Open("steps.first.output")}},
    "item": {"__class__": "a key", "constructor": "a key", "": 1},
    "big": 2**80,
    "odd": "\ud800",
}
SEEDS = (
    'event.order.total > 100 && event.order.country == "DE"',
    "event.order.lines.filter(l, l.price > 1).map(l, l.price * 2.0)",
    "event.order.?note.orValue('x').size() + big - 1",
    '"%s %d %.3f %x %e".format([event.text, 1, 1.5, "a", big])',
    "timestamp('2026-01-31T12:00:00Z') + duration('1h30m') - timestamp(0)",
    "{'a': 1, true: 2, 3u: [1, ?optional.of(2)]}.transformMap(k, v, v)",
    "cel.bind(x, event.text + odd, x.replace('b', x).split('').join(','))",
    "[3, 1, 2].sortBy(i, -i).slice(0, 2).flatten().distinct().first().value()",
    "steps.first.output.a || math.greatest(1, 2.5, 3u) >= 3 ? b'\\x00\\xff' : r'raw' + '''x'''",
    "event.text.matches('(a|b)+$') && base64.decode('YWJj') == b'abc' || !has(item.constructor)",
    "timestamp('2024-02-29T00:00:00.123456789Z').getHours('Europe/Berlin') - int('12') % 7",
)
PIECES = (
    "(", ")", "[", "]", "{", "}", ".", ",", "?", ":", "&&", "||", "!", "-", "+", "*", "/", "%", "==", "<", "in", "'", '"',
    "'''", "\\", "`a b`", "1", "1.5e3", "9223372036854775807", "0xffu", "true", "null", "event", ".order", ".map(x, x)",
    ".all(i, v, true)", "has(event.order)", "size(", "string(", "\x00", "\ud800", "😀", "\n", "//", "dyn(", "type(",
    ".?a", "[?0]", "optional.of(1)", "r'", "b'", ".format([1])", "%s", "{{", "}}", "__class__", "\u0430", "×", "lists.range(9)",
)  # fmt: skip


def outcome(source: str) -> Any:
    """The value, or the typed error; anything else fails the test."""
    try:
        return evaluate(source, DATA)
    except ExpressionError as raised:
        error = raised
    assert error.line >= 1
    assert error.column >= 1
    assert str(error)
    return error


def mutated(draw: random.Random) -> str:
    source = draw.choice(SEEDS)
    for _ in range(draw.randint(1, 6)):
        at, end = sorted((draw.randint(0, len(source)), draw.randint(0, len(source))))
        kind = draw.randint(0, 4)
        if kind == 0:
            source = source[:at] + draw.choice(PIECES) + source[at:]
        elif kind == 1:
            source = source[:at] + source[min(end, at + 8) :]
        elif kind == 2:
            source = (
                source[:at] + chr(draw.choice((draw.randint(0, 127), draw.randint(0, 0x10FFFF)))) + source[at + 1 :]
            )
        elif kind == 3:
            source = source[:end] + source[at:end][:60] + source[end:]
        else:
            other = draw.choice(SEEDS)
            source = source[:at] + other[draw.randint(0, len(other)) :]
    return source[:4096]


def invented(draw: random.Random) -> str:
    if draw.random() < 0.5:
        return "".join(draw.choice(PIECES) for _ in range(draw.randint(1, 40)))
    return "".join(draw.choice(string.printable) for _ in range(draw.randint(1, 80)))


def test_random_and_mutated_inputs_give_values_or_typed_errors() -> None:
    draw = random.Random(20_260)
    for number in range(INPUTS):
        source = mutated(draw) if number % 3 else invented(draw)
        try:
            result = outcome(source)
        except Exception as error:
            pytest.fail(f"{source!r} raised {error!r}")
        assert isinstance(result, (ExpressionError, *VALUES))


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_an_expression_or_an_expression_error(source: str) -> None:
    outcome(source)


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(SEEDS),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["order", "total", "lines", "price"]), inner)
        ),
    ),
)
def test_any_json_gives_values_or_typed_errors(source: str, event: Any) -> None:
    program = compile(source)
    variables = {**DATA, "event": event}
    explanation = program.explain(variables)
    result: Any
    try:
        result = program.evaluate(variables)
    except ExpressionError as error:
        result = error
    assert str(explanation.error or explanation.value) == str(result)


def nested(times: int, first: str, again: str, last: str) -> str:
    """``cel.bind`` upon ``cel.bind``, each value made from the one before."""
    source = last.format(times - 1)
    for number in range(times - 1, 0, -1):
        source = f"cel.bind(a{number}, {again.format(number - 1)}, {source})"
    return f"cel.bind(a0, {first}, {source})"


@pytest.mark.parametrize(
    "source",
    [
        "(" * 2000 + "1" + ")" * 2000, "[" * 4000, "{1:" * 1300, "f(" * 2000, "true ? 1 : " * 370 + "1", "a" + ".b" * 2000,
        "a" + "[0]" * 1300, "a" + ".b()" * 1000, "9" * 4000, "1" * 20_000,
        "lists.range(1000).map(a, lists.range(1000).map(b, [a, b]))", "lists.range(100000000000)",
        nested(60, "'" + "x" * 40 + "'", "a{0} + a{0}", "a{}"), nested(60, "[1, 2]", "a{0} + a{0}", "a{}"),
        nested(80, "[1, 2]", "[a{0}, a{0}]", "a{}"), nested(80, "[1, 2]", "[a{0}, a{0}]", "[a{0}] == [a{0}]"),
        nested(80, "[1, 2]", "[a{0}, a{0}]", "'%s'.format([a{}])"), nested(80, "[1, 2]", "[a{0}, a{0}]", "[a{}].distinct()"),
        "'a'.replace('', '" + "b" * 1900 + "').replace('b', '" + "c" * 1900 + "')",
        "lists.range(20000).map(x, '%.100f'.format([1e300]))", "lists.range(90000).all(a, 1 / 0 == 1 || true)",
        "cel.bind(l, lists.range(1000), lists.range(1000).map(x, l)).flatten()",
        "cel.bind(l, lists.range(10000), lists.range(1000).map(x, l))",
        "cel.bind(s, 'x'.replace('', '" + "y" * 900 + "').replace('y', '" + "z" * 300 + "'), lists.range(9999).all(i, s + 'a' != s + 'b'))",
        "lists.range(3000).map(x, 'a'.matches('((a{30}){20})' + string(x)))",
        "lists.range(3000).map(x, 'a'.matches('[^b]{900}[^c]{900}' + string(x)) || true)",
        " || ".join(f"'a'.matches('((a{{30}}){{20}}){number}')" for number in range(100)),
    ],
    ids=lambda source: source[:40],
)  # fmt: skip
def test_a_blow_up_is_refused_by_the_budget(source: str) -> None:
    with pytest.raises((BudgetExceeded, ExpressionError)) as caught:
        evaluate(source, DATA)
    assert isinstance(caught.value, BudgetExceeded) or "number is too long" in caught.value.message


@pytest.mark.parametrize(
    "source",
    ["1" + " + 1" * 1000, "true" + " && true" * 500, "false" + " || false" * 400, "-" * 4000 + "1", "!" * 4000 + "true",
     "1" + " == 1" * 1, "(" * 90 + "1" + ")" * 90, "[" * 90 + "]" * 90],
    ids=lambda source: source[:20],
)  # fmt: skip
def test_long_chains_and_reasonable_nesting_are_fine(source: str) -> None:
    evaluate(source, {})


def test_going_through_a_hundred_thousand_elements_is_within_the_budget() -> None:
    items = [{"total": number, "country": "DE", "lines": [{"sku": "a"}]} for number in range(100_000)]
    assert len(evaluate("items.filter(i, i.total >= 500 && i.country == 'DE')", {"items": items})) == 99_500
    assert evaluate("items.exists(i, i.country.lowerAscii().startsWith('at'))", {"items": items}) is False
    assert evaluate("items.map(i, i.total).size()", {"items": items}) == 100_000


def test_the_cost_of_a_filter_grows_with_the_list_and_no_faster() -> None:
    program = compile("items.filter(i, i > 5)")
    program.evaluate({"items": list(range(1_000))}, budget=Budget(operations=1_000))
    program.evaluate({"items": list(range(100_000))}, budget=Budget(operations=100_000))
    with pytest.raises(BudgetExceeded):
        program.evaluate({"items": list(range(100_000))}, budget=Budget(operations=99_999))


@pytest.mark.parametrize(
    "pattern", ["(a+)+$", "(a|aa)+$", "(a*)*b", "((a?){30}a{30})$", "(.*)*x", "^(a|b)*a(a|b){200}$"]
)
def test_a_regular_expression_cannot_stall(pattern: str) -> None:
    assert evaluate("text.matches(pattern)", {"text": "a" * 50_000 + "!", "pattern": pattern}) is False


def test_a_regular_expression_is_bounded() -> None:
    for pattern in ("a" * 1_001, "(", "a(?=b)", r"(a)\1", "((a{100}){100}){100}", "\ud800"):
        with pytest.raises(ExpressionError):
            evaluate("'a'.matches(p)", {"p": pattern})


@pytest.mark.parametrize(
    "source",
    [
        "event.__class__", "event.order.__class__.__mro__", "''.__class__", "[].__class__", "(1).__class__", "event.constructor",
        "event.order.tags.append", "event.items", "event.keys()", "event.get('order')", "event.__getitem__('order')",
        "''.join.__globals__", "'a'.upper()", "'a'.encode()", "{{7*7}}", "{{ 7 * 7 }}", "${7*7}", "#{7*7}", "<%= 7 * 7 %>",
        "__import__('os')", "eval('1')", "exec('1')", "open('/etc/passwd')", "import os", "lambda: 1", "[x for x in y]",
        "`__class__`", "event.`__class__`", "type(1).__subclasses__()", "type('').mro", "optional.of(1).items",
        "optional.of(1).has_value()", "timestamp(0).tzinfo", "timestamp(0).now()", "duration('1s').days", "timestamp(0).year",
        "\uff45vent.order", "ev\u0435nt.order", "event\u200b.order", "event。order", "self", "cls", "globals()", "vars()",
        "getattr(event, '__class__')", "f'{event}'", "event.order.tags.__len__()", "b''.decode()", "1 .real", "1.0.hex()",
        "lists.__class__", "math.__dict__", "cel.__class__", "cel.bind.__globals__", "event->order", "event::order",
        "1 if true else 2", "not true", "a := 1", "event; event", "constructor.constructor('return this')()",
        "''.format.__globals__", "steps.first.output.__class__ == 1", "steps.__class__.__init__", "size.__globals__",
    ],
)  # fmt: skip
def test_an_escape_comes_away_empty_handed(source: str) -> None:
    assert isinstance(outcome(source), ExpressionError)


@pytest.mark.parametrize(
    ("source", "result"),
    [
        ("item.__class__", "a key"), ("item['constructor']", "a key"), ("'{0.__class__}'.format([1])", "{0.__class__}"),
        ("'{{7*7}}'", "{{7*7}}"), ("'%s'.format([{'__class__': 1}])", "{__class__: 1}"), ("'${7*7}' + '#{1}'", "${7*7}#{1}"),
        ("'{}{0}{a}'.format([1])", "{}{0}{a}"), ("'%s'.format(['%s'])", "%s"), ("'a'.replace('a', '\\\\1\\\\g<0>')", "\\1\\g<0>"),
        ("has(item.__class__) && !has(item.__dict__)", True),
    ],
)  # fmt: skip
def test_what_looks_like_an_escape_is_only_data(source: str, result: Any) -> None:
    assert evaluate(source, DATA) == result


class Secret:
    """Something that is no JSON value."""

    token = "s3cret"


def test_a_foreign_object_among_the_variables_cannot_be_looked_into() -> None:
    for source in (
        "x",
        "x.token",
        "x['token']",
        "string(x)",
        "x == x",
        "'%s'.format([x])",
        "[x]",
        "x.?token",
        "has(x.token)",
    ):
        with pytest.raises(ExpressionError) as caught:
            evaluate(source, {"x": Secret()})
        assert "s3cret" not in str(caught.value)
        assert "s3cret" not in compile(source).explain({"x": Secret()}).sentence


def test_deep_data_ends_with_an_error_and_not_with_a_crash() -> None:
    deep: Any = []
    for _ in range(50_000):
        deep = [deep]
    for source in ("x == x", "'%s'.format([x])", "[x]", "[x].distinct()", "x.flatten(99)[0] == x"):
        with pytest.raises(BudgetExceeded):
            evaluate(source, {"x": deep})
    assert "nested" in compile("x == x").explain({"x": deep}).sentence
