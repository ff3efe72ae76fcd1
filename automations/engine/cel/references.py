"""The data an expression reads."""

from __future__ import annotations

from collections.abc import Iterator

from .ast import Bind, Call, Has, Ident, Index, Literal, Loop, Node, Select, children
from .functions import names
from .values import TYPES

Reference = tuple[str | int, ...]


def references(root: Node) -> frozenset[Reference]:
    """The paths of variables the expression reads, each as far as it is written out,
    e.g. ``("event", "items", 0, "price")``. Macro variables are not included."""
    return frozenset(_references(root, frozenset()))


def _references(node: Node, bound: frozenset[str]) -> Iterator[Reference]:
    path, rest = _path(node)
    if path is not None:
        root, steps = path
        if (root.absolute or root.name not in bound) and ".".join(map(str, (root.name, *steps))) not in TYPES:
            yield root.name, *steps
        for part in rest:
            yield from _references(part, bound)
        return
    match node:
        case Loop():
            yield from _references(node.source, bound)
            inner = bound | set(node.variables)
            for part in children(node)[1:]:
                yield from _references(part, inner)
        case Bind():
            yield from _references(node.value, bound)
            yield from _references(node.body, bound | {node.name})
        case Call(target=Ident() as target) if f"{target.name}.{node.name}" in names(method=False):
            for part in node.args:
                yield from _references(part, bound)
        case _:
            for part in children(node):
                yield from _references(part, bound)


def _path(node: Node) -> tuple[tuple[Ident, Reference] | None, list[Node]]:
    """The longest written-out path a chain of fields and indexes starts with, and the computed keys after it."""
    steps: list[str | int] = []
    rest: list[Node] = []
    while not isinstance(node, Ident):
        if isinstance(node, Select | Has):
            steps.append(node.field)
        elif isinstance(node, Index):
            if isinstance(node.key, Literal) and type(node.key.value) in (str, int):
                steps.append(node.key.value)
            else:
                rest.append(node.key)
                steps.clear()
        else:
            return None, []
        node = node.operand
    return (node, tuple(reversed(steps))), rest
