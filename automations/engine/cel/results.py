"""From the value of the last sub-expression to the result callers get."""

from __future__ import annotations

from typing import Any

from .ast import Conditional, Has, Ident, Index, Literal, Logic, Loop, Node, Operation, Select
from .budget import Frame
from .errors import OpenFault
from .paths import static_path
from .values import Flag, Open, Optional, plain

_SHORT = 64  # characters up to which a text is counted where it stands
_ARITHMETIC = frozenset("+")


def repeats(node: Node) -> bool:
    """Whether the result may hold the same data several times, so that written out it could be far larger
    than what is in memory. Data as it came and selections from it cannot."""
    match node:
        case Ident() | Literal() | Logic() | Has():
            return False
        case Select() | Index():
            return repeats(node.operand)
        case Operation():
            return not _ARITHMETIC.isdisjoint(node.operators)
        case Conditional():
            return repeats(node.then) or repeats(node.otherwise)
        case Loop(kind="all" | "exists" | "exists_one"):
            return False
        case Loop(kind="filter" | "sortBy"):
            return repeats(node.source)
        case Loop(kind="map", body=body) if body is not None:
            path = static_path(body)
            return path is None or path[0].name not in node.variables or repeats(node.source)
    return True


def finish(frame: Frame, result: Any, measured: bool) -> Any:
    """The result within the size limit, bool keys of maps as bool. Raises Fault."""
    if type(result) is Open:
        return result
    result = plain(result)
    if measured and isinstance(result, list | dict | Optional | str | bytes):
        _Measure(frame).size(result, 0)
    return result


class _Measure:
    """Adds up a result as if written out. What is there only once is paid for already; repetitions are
    held to the size limit."""

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        self.sizes: dict[int, int] = {}
        self.repeated = 0

    def size(self, value: Any, depth: int) -> int:
        kind = type(value)
        if kind is str or kind is bytes:
            return len(value) if len(value) <= _SHORT else self._once(value, len(value))
        if kind is Open:
            raise OpenFault(value.path)
        if kind is not list and kind is not dict and kind is not Optional:
            return 1
        known = self.sizes.get(id(value))
        if known is not None:
            return self._again(known)
        depth = self.frame.deeper(depth)
        total = 1
        if kind is dict:
            if any(type(key) is Flag for key in value):
                _plain_keys(value)
            total += sum(len(key) for key in value if type(key) is str)
        for part in value.values() if kind is dict else value.items if kind is Optional else value:
            total += self.size(part, depth)
        return self._once(value, total)

    def _once(self, value: Any, size: int) -> int:
        if id(value) in self.sizes:
            return self._again(size)
        self.sizes[id(value)] = size
        return size

    def _again(self, size: int) -> int:
        self.repeated += size
        self.frame.charge_size(self.repeated)
        return size


def _plain_keys(values: dict[Any, Any]) -> None:
    """Bool keys back to bool, in a map the expression made, unless 0 or 1 is a key beside them."""
    entries = [(bool(key) if type(key) is Flag and int(key) not in values else key, values[key]) for key in values]
    values.clear()
    values.update(entries)
