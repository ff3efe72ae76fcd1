"""Reading a path out of data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from automations.engine.cel import Open


class _Absent:
    """The path leads nowhere."""

    def __repr__(self) -> str:
        return "Absent"

    def __bool__(self) -> bool:
        return False


Absent: Final = _Absent()


def lookup(data: Any, path: Sequence[str | int]) -> Any:
    """Return the value at `path`, `Absent` where there is none, an `Open` where a simulation does not know it.

    A text of digits also indexes a list: `event.items.0.sku`.
    """
    node = data
    for part in path:
        if isinstance(node, Open):
            node = Open(f"{node.path}[{part}]" if isinstance(part, int) else f"{node.path}.{part}")
        elif isinstance(node, Mapping):
            if part not in node:
                return Absent
            node = node[part]
        elif isinstance(node, (list, tuple)):
            index = int(part) if isinstance(part, int) or (part.isdecimal() and len(part) < 10) else None
            if index is None or not -len(node) <= index < len(node):
                return Absent
            node = node[index]
        else:
            return Absent
    return node


def found(data: Any, path: Sequence[str | int]) -> Any:
    """Return the value at `path` for showing it; an open value counts as absent."""
    value = lookup(data, path)
    return Absent if isinstance(value, Open) else value
