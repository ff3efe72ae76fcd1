"""Macros: calls that are turned into nodes of their own when the source is read."""

from __future__ import annotations

from .ast import Bind, Call, Has, Ident, Loop, Node, Select
from .errors import Fault

# name -> kind and the number of arguments with one and with two variables
_LOOPS: dict[str, tuple[str, tuple[int, ...], tuple[int, ...]]] = {
    "all": ("all", (2,), (3,)),
    "exists": ("exists", (2,), (3,)),
    "exists_one": ("exists_one", (2,), (3,)),
    "existsOne": ("exists_one", (2,), (3,)),
    "filter": ("filter", (2,), ()),
    "map": ("map", (2, 3), ()),
    "sortBy": ("sortBy", (2,), ()),
    "transformList": ("transformList", (), (3, 4)),
    "transformMap": ("transformMap", (), (3, 4)),
    "transformMapEntry": ("transformMapEntry", (), (3, 4)),
}
_CONDITIONS = frozenset({"all", "exists", "exists_one", "filter"})


def expand(call: Call) -> Node:
    """The node a macro call stands for, or the call itself. Raises Fault for a macro that is used wrongly."""
    if call.target is None:
        return _has(call) if call.name == "has" and len(call.args) == 1 else call
    if call.name == "bind" and len(call.args) == 3 and _is_namespace(call.target, "cel"):
        return _bind("bind", call, call.args[0], call.args[1], call.args[2])
    if call.name in ("optMap", "optFlatMap") and len(call.args) == 2:
        return _bind(call.name, call, call.args[0], call.target, call.args[1])
    shape = _LOOPS.get(call.name)
    if shape is None:
        return call
    kind, one, two = shape
    count = len(call.args)
    if count in one:
        return _loop(kind, call, call.target, 1)
    if count in two:
        return _loop(kind, call, call.target, 2)
    return call


def _is_namespace(target: Node, name: str) -> bool:
    return isinstance(target, Ident) and target.name == name


def _has(call: Call) -> Node:
    selected = call.args[0]
    if not isinstance(selected, Select):
        raise Fault("has() takes a field, as in has(event.order)")
    return Has(selected.operand, selected.field, selected.optional, call.start, call.end, selected.at)


def _variable(node: Node) -> str:
    if not isinstance(node, Ident) or node.absolute:
        raise Fault("the variable of a macro must be a simple name")
    return node.name


def _bind(kind: str, call: Call, name: Node, value: Node, body: Node) -> Node:
    return Bind(kind, _variable(name), value, body, call.start, call.end, call.at)


def _loop(kind: str, call: Call, source: Node, count: int) -> Node:
    names = tuple(_variable(node) for node in call.args[:count])
    if len(set(names)) != len(names):
        raise Fault("the two variables of a macro need different names")
    parts = call.args[count:]
    condition: Node | None = None
    body: Node | None = None
    if kind in _CONDITIONS:
        condition = parts[0]
    else:
        condition, body = parts if len(parts) == 2 else (None, parts[0])
    return Loop(kind, source, names, condition, body, call.start, call.end, call.at)
