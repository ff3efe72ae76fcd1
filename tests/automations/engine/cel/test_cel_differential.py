"""Generated expressions mean here what they mean in cel-expr-python, except where the documentation says otherwise.

``CEL_DIFFERENTIAL_EXAMPLES`` sets the number of cases (default 300). The generator leaves out what is documented
as different: mixed int and double arithmetic and texts of very large or small doubles; and ``substring`` up
to the very end of a text, which the other side refuses against the specification. Expressions the other side
refuses for their static types are skipped: here types show when an expression is evaluated.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from automations.engine.cel import ExpressionError, Optional, evaluate

cel = pytest.importorskip("cel_expr_python.cel")
ext = pytest.importorskip("cel_expr_python.ext")

EXAMPLES = int(os.environ.get("CEL_DIFFERENTIAL_EXAMPLES", "300"))
OUTCOMES: Counter[str] = Counter()

NAMES = ("n", "m", "f", "s", "t", "b", "u", "l", "w", "d")
DATA = st.fixed_dictionaries({
    "n": st.integers(-5, 5),
    "m": st.sampled_from([0, 1, -1, 7, 2**31, 2**62, -(2**63), 2**63 - 1]),
    "f": st.sampled_from([0.0, 1.0, -1.5, 2.5, 1e10, 0.1]),
    "s": st.text("abAB ,é😀", max_size=6),
    "t": st.sampled_from(["", "a", "ab", "2", "1.5", "true", "2024-02-29T12:30:45Z", "90m"]),
    "b": st.booleans(),
    "u": st.none(),
    "l": st.lists(st.integers(-3, 9), max_size=4),
    "w": st.lists(st.one_of(st.none(), st.booleans(), st.integers(-2, 2), st.sampled_from(["a", ""])), max_size=4),
    "d": st.dictionaries(st.sampled_from(["a", "b", "n", "key"]), st.integers(-3, 3), max_size=3),
})  # fmt: skip


def environment() -> Any:
    extensions = []
    from cel_expr_python.ext import ext_bindings, ext_encoders, ext_math, ext_optional, ext_strings

    for module in (ext_encoders, ext_strings, ext_bindings, ext_optional, ext_math):
        extensions += [getattr(module, name)() for name in dir(module) if name.startswith("Ext")]
    return cel.NewEnv(variables={"event": cel.Type.DYN}, extensions=extensions)


ENVIRONMENT = environment()


class Writer:
    """Writes random expressions of a wanted type; ``depth`` bounds their nesting."""

    def __init__(self, draw: Any) -> None:
        self.draw = draw
        self.variables: list[tuple[str, str]] = []

    def pick(self, *options: str) -> str:
        return self.draw(st.sampled_from(options))

    def write(self, kind: str, depth: int) -> str:
        if depth <= 0 or self.draw(st.integers(0, 5)) == 0:
            return self.atom(kind)
        return getattr(self, kind)(depth - 1)

    def atom(self, kind: str) -> str:
        known = [name for name, of in self.variables if of == kind]
        if known and self.draw(st.booleans()):
            return self.draw(st.sampled_from(known))
        match kind:
            case "int":
                return self.pick("event.n", "event.m", "0", "1", "-2", "7", "9223372036854775807", "event.d.a", "0x1f")
            case "double":
                return self.pick("event.f", "0.0", "1.5", "-2.0", "1e3", "event.f")
            case "string":
                return self.pick("event.s", "event.t", "'a'", "''", '"b,a"', "'é😀'", "r'\\d'", "'Abc def'", "event.s")
            case "bool":
                return self.pick("event.b", "true", "false", "event.d.a == 1", "has(event.d.a)", "has(event.zz)")
            case "list":
                return self.pick("event.l", "event.l", "[]", "[1, 2, 3]", "[event.n, 1]")
            case "map":
                return self.pick("event.d", "event.d", "{}", "{'a': 1, 'b': event.n}")
            case "duration":
                return self.pick("duration('1h')", "duration('-90s')", "duration('1.5s')", "duration(event.t)")
            case "timestamp":
                return self.pick("timestamp('2024-02-29T12:30:45Z')", "timestamp(event.t)", "timestamp(0)")
            case "optional":
                return self.pick(
                    "event.?n", "event.d.?a", "event.l[?0]", "optional.of(1)", "event.?d.?b", "event.d[?'key']"
                )
        return self.wild(depth=0)

    def wild(self, depth: int) -> str:
        """A value of any type, hidden from static types."""
        if depth <= 0:
            return self.pick(
                "event.u", "event.w", "event.n", "event.s", "event.b", "dyn(1u)", "dyn('a')", "dyn(1.5)", "dyn(null)",
                "event.f", "event.nope", "event.d.a", "event.w[0]", "dyn(b'a')", "event.d", "event.l", "dyn([1])",
            )  # fmt: skip
        kind = self.pick("int", "double", "string", "bool", "list", "map", "duration", "timestamp")
        return f"dyn({self.write(kind, depth)})"

    def any(self, depth: int) -> str:
        return self.wild(depth)

    def conditional(self, kind: str, depth: int) -> str:
        return f"({self.write('bool', depth)} ? {self.write(kind, depth)} : {self.write(kind, depth)})"

    def int(self, depth: int) -> str:
        match self.draw(st.integers(0, 9)):
            case 0 | 1 | 2:
                return f"({self.write('int', depth)} {self.pick(*'+-*/%')} {self.write('int', depth)})"
            case 3:
                return f"-({self.write('int', depth)})"
            case 4:
                return f"size({self.write(self.pick('string', 'list', 'map'), depth)})"
            case 5:
                return f"{self.write('list', depth)}[{self.write('int', depth)}]"
            case 6:
                return f"int({self.write(self.pick('double', 'timestamp', 'int'), depth)})"
            case 7:
                return f"{self.write('timestamp', depth)}.{self.pick('getHours', 'getDayOfWeek', 'getMonth', 'getDate')}({self.pick('', '', chr(39) + 'Europe/Berlin' + chr(39), chr(39) + '-03:30' + chr(39))})"
            case 8:
                return self.pick(
                    f"{self.write('optional', depth)}.orValue({self.write('int', depth)})",
                    f"math.greatest({self.write('int', depth)}, {self.write('int', depth)})",
                    f"math.bitXor({self.write('int', depth)}, {self.write('int', depth)})",
                    f"math.bitShiftLeft({self.write('int', depth)}, {self.write('int', depth)})",
                    f"{self.write('string', depth)}.indexOf({self.write('string', depth)})",
                    f"{self.write('string', depth)}.lastIndexOf({self.write('string', depth)})",
                    f"{self.write('duration', depth)}.{self.pick('getHours', 'getMinutes', 'getSeconds', 'getMilliseconds')}()",
                )
        return self.conditional("int", depth)

    def double(self, depth: int) -> str:
        match self.draw(st.integers(0, 4)):
            case 0 | 1:
                return f"({self.write('double', depth)} {self.pick(*'+-*/')} {self.write('double', depth)})"
            case 2:
                return f"double({self.write('int', depth)})"
            case 3:
                return f"math.{self.pick('ceil', 'floor', 'round', 'trunc', 'abs', 'sign', 'sqrt')}({self.write('double', depth)})"
        return self.conditional("double", depth)

    def string(self, depth: int) -> str:
        text = self.write("string", depth)
        match self.draw(st.integers(0, 9)):
            case 0 | 1:
                return f"({text} + {self.write('string', depth)})"
            case 2:
                return f"string({self.write(self.pick('int', 'bool', 'string'), depth)})"
            case 3:
                return f"{text}.{self.pick('lowerAscii', 'upperAscii', 'trim', 'reverse')}()"
            case 4:
                return f"{text}.replace({self.write('string', depth)}, {self.write('string', depth)}{self.pick('', ', 1', ', -1', ', 0')})"
            case 5:
                return f"{text}.substring({self.write('int', 0)})"
            case 6:
                return f"{text}.split({self.write('string', depth)}{self.pick('', ', 2', ', 0', ', -1')}).join({self.pick('', chr(39) + '-' + chr(39))})"
            case 7:
                return f"'%s|%d|%x'.format([{self.write(self.pick('string', 'list', 'map', 'bool'), depth)}, {self.write('int', depth)}, {self.write(self.pick('int', 'string'), 0)}])"
            case 8:
                return f"strings.quote({text})"
        return self.conditional("string", depth)

    def bool(self, depth: int) -> str:
        match self.draw(st.integers(0, 11)):
            case 0 | 1 | 2:
                return f"({self.write('bool', depth)} {self.pick('&&', '||')} {self.write('bool', depth)})"
            case 3:
                return f"!({self.write('bool', depth)})"
            case 4 | 5:
                kind = self.pick("int", "double", "string", "bool", "list", "map", "duration", "timestamp")
                mark = (
                    self.pick("==", "!=", "<", "<=", ">", ">=")
                    if kind not in ("list", "map")
                    else self.pick("==", "!=")
                )
                return f"({self.write(kind, depth)} {mark} {self.write(kind, depth)})"
            case 6:
                return f"({self.wild(depth)} {self.pick('==', '!=', '<', '>=')} {self.wild(depth)})"
            case 7:
                return f"({self.wild(depth)} in {self.pick(self.write('list', depth), self.write('map', depth), 'event.w', self.wild(0))})"
            case 8:
                return self.quantifier(depth)
            case 9:
                return f"{self.write('string', depth)}.{self.pick('contains', 'startsWith', 'endsWith')}({self.write('string', depth)})"
            case 10:
                return f"{self.write('string', depth)}.matches({self.pick(chr(39) + '[ab]+' + chr(39), chr(39) + '^a' + chr(39), chr(39) + '(' + chr(39), 'event.s')})"
        return self.pick(
            f"{self.write('optional', depth)}.hasValue()",
            f"type({self.wild(depth)}) == {self.pick('int', 'string', 'null_type', 'list')}",
            f"({self.write('optional', depth)} == {self.write('optional', depth)})",
            f"has({self.write('map', depth)}.{self.pick('a', 'b')})",
            f"bool({self.write('string', 0)})",
        )

    def quantifier(self, depth: int) -> str:
        source, kind = self.draw(st.sampled_from([("list", "int"), ("map", "string")]))
        values = self.write(source, depth)
        name = self.pick("x", "y", "event2")
        self.variables.append((name, kind))
        body = self.write("bool", min(depth, 2))
        self.variables.pop()
        return f"{values}.{self.pick('all', 'exists', 'exists_one')}({name}, {body})"

    def list(self, depth: int) -> str:
        match self.draw(st.integers(0, 5)):
            case 0:
                return f"({self.write('list', depth)} + {self.write('list', depth)})"
            case 1:
                return f"[{self.write('int', depth)}, {self.write('int', depth)}]"
            case 2:
                return f"[{self.write('int', depth)}, ?{self.write('optional', depth)}]"
            case 3 | 4:
                values = self.write("list", depth)
                self.variables.append(("z", "int"))
                macro = self.pick("filter", "map")
                body = self.write("bool" if macro == "filter" else "int", min(depth, 2))
                self.variables.pop()
                return f"{values}.{macro}(z, {body})"
        return self.conditional("list", depth)

    def map(self, depth: int) -> str:
        key = self.write("string", min(depth, 1))
        if self.draw(st.booleans()):
            return f"{{{key}: {self.write('int', depth)}, ?'o': {self.write('optional', depth)}}}"
        return f"{{{key}: {self.write('int', depth)}}}"

    def duration(self, depth: int) -> str:
        return f"({self.write('duration', depth)} {self.pick(*'+-')} {self.write('duration', depth)})"

    def timestamp(self, depth: int) -> str:
        return f"({self.write('timestamp', depth)} {self.pick(*'+-')} {self.write('duration', depth)})"

    def optional(self, depth: int) -> str:
        match self.draw(st.integers(0, 3)):
            case 0:
                return f"optional.ofNonZeroValue({self.write('int', depth)})"
            case 1:
                return f"{self.write('optional', depth)}.or({self.write('optional', depth)})"
        self.variables.append(("o", "int"))
        body = self.write("int", min(depth, 1))
        self.variables.pop()
        return f"{self.write('optional', depth)}.optMap(o, {body})"


@st.composite
def expressions(draw: Any) -> str:
    kind = draw(st.sampled_from(["int", "double", "string", "bool", "bool", "list", "map", "duration", "timestamp"]))
    return Writer(draw).write(kind, draw(st.integers(1, 4)))


def oracle(source: str, data: dict[str, Any]) -> tuple[str, Any]:
    """("value", v), ("error", text) or ("skipped", reason); its errors come as values or as exceptions."""
    try:
        program = ENVIRONMENT.compile(source)
    except Exception as error:
        text = str(error)
        reasons = (
            "no matching overload",
            "must be numeric",
            "expression of type",
            "no such overload",
            "list element",
            "expected type",
        )
        return ("skipped" if any(reason in text for reason in reasons) else "error"), text
    try:
        value = program.eval(data=data)
        if value.type() == cel.Type.ERROR:
            return "error", str(value.value())
        return "value", normal(value.plain_value())
    except Exception as error:
        return "error", str(error)


def normal(value: Any) -> Any:
    """Values in a form both sides share: doubles marked, NaN equal to itself."""
    if isinstance(value, bytes | bytearray):
        return "bytes", bytes(value)
    if isinstance(value, bool) or value is None or isinstance(value, str | timedelta):
        return type(value).__name__, value
    if isinstance(value, float):
        return "double", "nan" if math.isnan(value) else value
    if isinstance(value, int):
        return "int", int(value)
    if isinstance(value, list):
        return "list", [normal(item) for item in value]
    if isinstance(value, dict):
        return "map", {key: normal(item) for key, item in value.items()}
    if isinstance(value, Optional):
        return "optional", [normal(item) for item in value.items]
    return type(value).__name__.removeprefix("Nano"), str(value)


def ours(source: str, data: dict[str, Any]) -> tuple[str, Any]:
    try:
        return "value", normal(evaluate(source, data))
    except ExpressionError as error:
        return "error", str(error)


@settings(
    max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), derandomize=EXAMPLES <= 300,
    database=None,
)  # fmt: skip
@given(source=expressions(), data=DATA)
def test_an_expression_means_what_it_means_in_the_reference_implementation(source: str, data: dict[str, Any]) -> None:
    variables = {"event": data}
    kind, value = oracle(source, variables)
    OUTCOMES[kind] += 1
    if kind == "skipped":
        return
    found, mine = ours(source, variables)
    if kind == "error":
        assert found == "error", f"{source}\n{data}\nhere {mine}, reference error {value}"
    else:
        assert (found, mine) == (kind, value), f"{source}\n{data}\nhere {mine}, reference {value}"
