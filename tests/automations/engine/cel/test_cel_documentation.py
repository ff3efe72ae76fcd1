"""What docs/expressions.md says is so."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from automations.engine.cel import Budget, ExpressionError, compile, evaluate
from automations.engine.cel.budget import MAX_DEPTH, MAX_SOURCE
from automations.engine.cel.deviations import DEVIATIONS, VECTORS_NOT_PASSED, Deviation, table
from automations.engine.cel.functions.standard import MAX_PATTERN

PAGE = (Path(__file__).resolve().parents[4] / "docs" / "expressions.md").read_text()
EVENT = json.loads(re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)[0])
EXAMPLES = [
    tuple(part.strip() for part in line.rsplit(" // ", 1))
    for block in re.findall(r"```cel\n(.*?)```", PAGE, re.DOTALL)
    for line in block.splitlines()
    if line.strip()
]


def between(marker: str) -> str:
    return re.findall(rf"<!-- {marker} -->\n(.*?)\n<!-- /{marker} -->", PAGE, re.DOTALL)[0]


@pytest.mark.parametrize(("source", "expected"), EXAMPLES)
def test_every_example_yields_what_stands_beside_it(source: str, expected: str) -> None:
    if expected == "error":
        with pytest.raises(ExpressionError):
            evaluate(source, {"event": EVENT})
    else:
        result, wanted = evaluate(source, {"event": EVENT}), evaluate(expected, {})
        assert result == (pytest.approx(wanted) if isinstance(wanted, float) else wanted)


@pytest.mark.parametrize("deviation", DEVIATIONS, ids=lambda deviation: deviation.example)
def test_every_documented_difference_is_as_documented(deviation: Deviation) -> None:
    if deviation.here == "error":
        with pytest.raises(ExpressionError):
            evaluate(deviation.example, {})
    else:
        assert evaluate(f"{deviation.example} == {deviation.here}", {}) is True


def test_the_table_of_differences_is_the_list_of_differences() -> None:
    assert between("deviations") == table()


def test_the_vectors_that_do_not_pass_are_listed_by_name() -> None:
    listed = "\n".join(f"- `{name}`: {reason}" for name, reason in VECTORS_NOT_PASSED.items())
    assert between("vectors") == listed


def test_the_limits_are_the_limits_in_the_table() -> None:
    budget = Budget()
    assert budget.nesting == MAX_DEPTH
    for value in (MAX_SOURCE, MAX_DEPTH, budget.operations, budget.size, MAX_PATTERN):
        assert f"| {value:,} |" in PAGE


def test_the_sentence_of_the_explanation_is_the_sentence_shown() -> None:
    assert f"> {compile('event.order.total > 100').explain({'event': EVENT}).sentence}\n" in PAGE
