"""The syntax tree. Nodes are immutable; ``start`` and ``end`` are offsets of the source, ``at`` is where
an error of the node is reported (its operator, field or function name)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple


class Literal(NamedTuple):
    value: Any
    start: int
    end: int
    at: int


class Ident(NamedTuple):
    name: str
    absolute: bool  # written with a leading dot: never a macro variable
    start: int
    end: int
    at: int


class Select(NamedTuple):
    operand: Node
    field: str
    optional: bool
    start: int
    end: int
    at: int


class Index(NamedTuple):
    operand: Node
    key: Node
    optional: bool
    start: int
    end: int
    at: int


class Call(NamedTuple):
    name: str
    target: Node | None
    args: tuple[Node, ...]
    start: int
    end: int
    at: int


class ListNode(NamedTuple):
    items: tuple[Node, ...]
    optional: tuple[bool, ...]
    start: int
    end: int
    at: int


class MapNode(NamedTuple):
    keys: tuple[Node, ...]
    values: tuple[Node, ...]
    optional: tuple[bool, ...]
    start: int
    end: int
    at: int


class Unary(NamedTuple):
    operator: str
    times: int  # 1 or 2: longer runs mean the same as one of these
    operand: Node
    start: int
    end: int
    at: int


class Operation(NamedTuple):
    """Operands joined from left to right by operators of one precedence: ``a + b - c``, ``a < b``."""

    operators: tuple[str, ...]
    operands: tuple[Node, ...]
    places: tuple[int, ...]
    start: int
    end: int
    at: int


class Logic(NamedTuple):
    operator: str  # && or ||
    operands: tuple[Node, ...]
    start: int
    end: int
    at: int


class Conditional(NamedTuple):
    test: Node
    then: Node
    otherwise: Node
    start: int
    end: int
    at: int


class Has(NamedTuple):
    operand: Node
    field: str
    optional: bool
    start: int
    end: int
    at: int


class Loop(NamedTuple):
    """A comprehension macro over a list or map, with one or two variables."""

    kind: str  # all, exists, exists_one, filter, map, transformList, transformMap, transformMapEntry, sortBy
    source: Node
    variables: tuple[str, ...]
    condition: Node | None
    body: Node | None
    start: int
    end: int
    at: int


class Bind(NamedTuple):
    """``cel.bind(name, value, body)``, ``value.optMap(name, body)`` and ``value.optFlatMap(name, body)``."""

    kind: str  # bind, optMap, optFlatMap
    name: str
    value: Node
    body: Node
    start: int
    end: int
    at: int


Node = (
    Literal | Ident | Select | Index | Call | ListNode | MapNode | Unary | Operation | Logic
    | Conditional | Has | Loop | Bind
)  # fmt: skip


def children(node: Node) -> tuple[Node, ...]:
    """The sub-expressions of a node, in source order."""
    kind = type(node)
    if kind is Literal or kind is Ident:
        return ()
    if kind is Operation or kind is Logic:
        return node.operands  # type: ignore[union-attr]
    return tuple(_children(node))


def _children(node: Node) -> Iterator[Node]:
    match node:
        case Select() | Unary() | Has():
            yield node.operand
        case Index():
            yield from (node.operand, node.key)
        case Call():
            if node.target is not None:
                yield node.target
            yield from node.args
        case ListNode():
            yield from node.items
        case MapNode():
            for key, value in zip(node.keys, node.values, strict=True):
                yield from (key, value)
        case Conditional():
            yield from (node.test, node.then, node.otherwise)
        case Loop():
            yield node.source
            yield from (part for part in (node.condition, node.body) if part is not None)
        case Bind():
            yield from (node.value, node.body)


def depth(root: Node) -> int:
    """Levels of the tree, counted without recursion because the tree is not yet known to be shallow."""
    deepest = 0
    pending = [(root, 1)]
    while pending:
        node, level = pending.pop()
        deepest = max(deepest, level)
        pending.extend((child, level + 1) for child in children(node))
    return deepest
