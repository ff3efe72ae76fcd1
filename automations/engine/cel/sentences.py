"""One sentence for the sub-expression that decided, e.g. ``event.order.total = 90, needed > 100``."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from .ast import Call, Conditional, Has, Literal, Logic, Loop, Node, Operation, Unary
from .errors import ExpressionError
from .functions.conversions import format_double
from .times import format_duration, format_timestamp
from .values import Open, Optional, Uint

_LONGEST = 80
_FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
_ELEMENTS_SHOWN = 8

Entry = tuple[Any, ExpressionError | None, int, Any]


def shown(value: Any, depth: int = 0) -> str:
    """A value as people read it, cut to a line."""
    if isinstance(value, str):
        text = f'"{value[: _LONGEST + 1]}"'
    elif value is None or isinstance(value, bool):
        text = {None: "null", True: "true", False: "false"}[value]
    elif isinstance(value, float):
        text = format_double(value)
    elif isinstance(value, int):
        text = f"{int(value)}{'u' if isinstance(value, Uint) else ''}" if abs(value) < 2**64 else "a huge number"
    elif isinstance(value, list | dict):
        text = _collection(value, depth)
    else:
        text = _special(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _collection(value: list[Any] | dict[Any, Any], depth: int) -> str:
    if depth > 2:
        return "…"
    more = ", …" if len(value) > _ELEMENTS_SHOWN else ""
    if isinstance(value, dict):
        pairs = [(key, value[key]) for key, _ in zip(value, range(_ELEMENTS_SHOWN), strict=False)]
        return "{" + ", ".join(f"{shown(k, depth + 1)}: {shown(v, depth + 1)}" for k, v in pairs) + more + "}"
    return "[" + ", ".join(shown(item, depth + 1) for item in value[:_ELEMENTS_SHOWN]) + more + "]"


def _special(value: Any) -> str:
    if isinstance(value, datetime) and value.tzinfo is not None:
        return format_timestamp(value)
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    if isinstance(value, Optional):
        return f"optional {shown(value.items[0])}" if value.items else "nothing"
    if isinstance(value, Open):
        return "not known yet"
    return str(value)[:_LONGEST]


class Sentences:
    """Finds the deciding sub-expression of a traced evaluation and puts it into words."""

    def __init__(self, text: Callable[[Node], str], entry: Callable[[Node, int], Entry | None]) -> None:
        self.text = text
        self.entry = entry

    def failure(self, error: ExpressionError) -> str:
        return f"{error.message[:200]} (line {error.line}, column {error.column})"

    def decision(self, node: Node, since: int = 0) -> str:
        """The sentence for a node that came to a value."""
        entry = self.entry(node, since)
        if entry is None:
            return f"{self.brief(node)} was not needed"
        value, error, begun, position = entry
        if error is not None:
            return self.failure(error)
        if isinstance(node, Conditional):
            return self._branch(node, begun)
        if isinstance(value, bool):
            match node:
                case Logic():
                    return self._logic(node, value, begun)
                case Unary(operator="!", operand=operand, times=1):
                    return self.decision(operand, begun)
                case Operation() if len(node.operands) == 2:
                    return self._comparison(node, value, begun)
                case Has():
                    return f"{self.text(node)[4:-1].strip()} is {'there' if value else 'missing'}"
                case Loop(condition=condition) if condition is not None:
                    return self._loop(node, condition, value, begun, position)
                case Call(target=target) if target is not None:
                    return self._method(node, target, value, begun)
        return f"{self.brief(node)} = {shown(value)}"

    def brief(self, node: Node) -> str:
        text = self.text(node)
        return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"

    def _value(self, node: Node, since: int) -> Any:
        if isinstance(node, Literal):
            return node.value
        entry = self.entry(node, since)
        return entry[0] if entry is not None else None

    def _branch(self, node: Conditional, begun: int) -> str:
        taken = node.then if self._value(node.test, begun) is True else node.otherwise
        if isinstance(self._value(taken, begun), bool) and not isinstance(taken, Literal):
            return self.decision(taken, begun)
        return f"{self.decision(node.test, begun)}, so {self.brief(taken)} = {shown(self._value(taken, begun))}"

    def _logic(self, node: Logic, value: bool, begun: int) -> str:
        decisive = node.operator == "||"
        if value is decisive:
            for operand in node.operands:
                if self._value(operand, begun) is decisive:
                    return self.decision(operand, begun)
        parts = [self.decision(operand, begun) for operand in node.operands[:4]]
        return " and ".join(parts) + (" and more" if len(node.operands) > 4 else "")

    def _comparison(self, node: Operation, value: bool, begun: int) -> str:
        left, right = node.operands
        mark = node.operators[0]
        if isinstance(left, Literal) and not isinstance(right, Literal) and mark in _FLIPPED:
            left, right, mark = right, left, _FLIPPED[mark]
        other = shown(self._value(right, begun))
        if not isinstance(right, Literal) and self.text(right) != other:
            other = other if len(self.text(right)) > _LONGEST else f"{other} ({self.text(right)})"
            if mark == "in" and self._value(right, begun) is None:
                other = self.brief(right)
        actual = f"{self.brief(left)} = {shown(self._value(left, begun))}"
        return f"{actual}, which is {mark} {other}" if value else f"{actual}, needed {mark} {other}"

    def _method(self, node: Call, target: Node, value: bool, begun: int) -> str:
        arguments = ", ".join(shown(self._value(part, begun)) for part in node.args)
        actual = f"{self.brief(target)} = {shown(self._value(target, begun))}"
        return f"{actual}, {'which fits' if value else 'needed'} {node.name}({arguments})"

    def _loop(self, node: Loop, condition: Node, value: bool, begun: int, position: Any) -> str:
        source = self.brief(node.source)
        items = self._value(node.source, begun)
        size = len(items) if isinstance(items, list | dict) else 0
        decided = (node.kind == "exists" and value) or (node.kind == "all" and not value)
        if decided and position is not None:
            return f"{source}[{shown(position)}]: {self.decision(condition, begun)}"
        if node.kind == "exists_one":
            return f"{'exactly one' if value else 'not exactly one'} of {size} in {source} has {self.brief(condition)}"
        word = "all" if value else "none"
        return f"{word} of {size} in {source} {'have' if value else 'has'} {self.brief(condition)}"
