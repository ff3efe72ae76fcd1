"""Paths into data, as people read them: `actions[1].config.json["a b"]`."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Path = tuple[str | int, ...]

_PLAIN = re.compile(r"[^\W\d][\w-]*")
_PART = re.compile(r"""(?:^|\.)([\w$@:~-]+)|\[(-?\d+)\]|\[\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)')\s*\]""")


def show(path: Sequence[str | int]) -> str:
    """Return `("actions", 1, "when")` as `actions[1].when`; the whole document is ""."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif _PLAIN.fullmatch(part):
            text += f".{part}" if text else part
        else:
            text += '["' + part.replace("\\", "\\\\").replace('"', '\\"') + '"]'
    return text


def read(text: str) -> Path | None:
    """Return the parts of a path written as `show` writes it, or None if it is not one."""
    parts: list[str | int] = []
    position = 0
    while position < len(text):
        match = _PART.match(text, position)
        if match is None or match.end() == position:
            return None
        name, index, double, single = match.groups()
        quoted = double if double is not None else single
        if name is not None:
            parts.append(name)
        elif index is not None:
            parts.append(int(index))
        else:
            parts.append(re.sub(r"\\(.)", r"\1", quoted))
        position = match.end()
    return tuple(parts) or None


def order(document: Any, path: Sequence[str | int]) -> tuple[int, ...]:
    """Return a sort key that puts paths in document order; a missing key comes after its siblings."""
    key: list[int] = []
    node = document
    for part in path:
        if isinstance(node, Mapping):
            names = list(node)
            key.append(names.index(part) if part in node else len(names))
            node = node.get(part)
        elif isinstance(node, list) and isinstance(part, int):
            key.append(part)
            node = node[part] if 0 <= part < len(node) else None
        else:
            break
    return tuple(key)


def suggestion(word: str, known: Iterable[str], *, otherwise: str = "one of") -> str:
    """Return “Did you mean …?” for a near miss, else the list of what is known."""
    names = sorted(set(known))
    near = difflib.get_close_matches(str(word)[:100], names, n=1, cutoff=0.6)
    if near:
        return f"Did you mean “{near[0]}”?"
    if not names:
        return ""
    shown = ", ".join(names[:25]) + (", …" if len(names) > 25 else "")
    return f"Use {otherwise}: {shown}."
