"""Strict and fast reading of JSON: what it returns can be stored, compared and sent on anywhere.

Refused: bytes that are not UTF-8, NaN and Infinity, numbers too large for 64 bits or a double, duplicate keys,
NUL characters, lone surrogates, nesting deeper than the limit.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

from automations.engine.errors import UnreadableError
from automations.engine.limits import UNFIT_CHARACTERS
from automations.engine.paths import Path, show

DEPTH = 64
LARGEST_WHOLE = 2**64 - 1
SMALLEST_WHOLE = -(2**63)

# Only these escapes can bring in a NUL or a surrogate: the decoder refuses raw control characters itself.
_SUSPICIOUS = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")


class _Refused(ValueError):
    """The fast pass met something; the slow pass says where."""


def loads_json(data: bytes | str, *, depth: int = DEPTH) -> Any:
    """Return the data of a JSON text; raises UnreadableError with line and column, or with the path."""
    text = _decode(data)
    try:
        value = _FAST.decode(text)
    except json.JSONDecodeError as error:
        raise UnreadableError(f"This is not JSON: {error.msg}.", line=error.lineno, column=error.colno) from None
    except RecursionError:
        raise UnreadableError(f"The data is nested deeper than {depth}.") from None
    except _Refused:
        _refuse(text, depth)
    # A text with few brackets cannot be deep, so most payloads are never walked.
    if text.count("[") + text.count("{") > depth:
        _check_depth(value, depth)
    if "\\u" in text and _SUSPICIOUS.search(text):
        _check_characters(value)
    return value


def _decode(data: bytes | str) -> str:
    if isinstance(data, str):
        unfit = UNFIT_CHARACTERS.search(data)
        if unfit:
            line, column = _place(data, unfit.start())
            raise UnreadableError("The text holds a NUL character or a lone surrogate.", line=line, column=column)
        return data
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8")
        line, column = _place(before, len(before))
        raise UnreadableError("The text is not UTF-8.", line=line, column=column) from None


def _place(text: str, position: int) -> tuple[int, int]:
    line_start = text.rfind("\n", 0, position) + 1
    return text.count("\n", 0, position) + 1, position - line_start + 1


# The fast pass ---------------------------------------------------------------------------------------------------


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Refused
    return found


def _whole(text: str) -> int:
    # 18 digits always fit; a longer one is looked at before it is converted, which takes quadratic time.
    if len(text) > 18 and (len(text) > 20 or not SMALLEST_WHOLE <= int(text) <= LARGEST_WHOLE):
        raise _Refused
    return int(text)


def _real(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise _Refused
    return number


def _constant(_text: str) -> NoReturn:
    raise _Refused


_FAST = json.JSONDecoder(object_pairs_hook=_object, parse_int=_whole, parse_float=_real, parse_constant=_constant)


# The slow pass: only to say where --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Flaw:
    """Stands in the tree where something is refused."""

    message: str


@dataclass(frozen=True, slots=True)
class _Object:
    pairs: list[tuple[str, Any]]


def _or_flaw(convert: Callable[[str], Any], message: str) -> Callable[[str], Any]:
    def converted(text: str) -> Any:
        try:
            return convert(text)
        except _Refused:
            return _Flaw(message)

    return converted


_SLOW = json.JSONDecoder(
    object_pairs_hook=_Object,
    parse_int=_or_flaw(_whole, "This number does not fit into 64 bits."),
    parse_float=_or_flaw(_real, "This number is too large."),
    parse_constant=_or_flaw(_constant, "NaN and Infinity are no JSON numbers."),
)


def _refuse(text: str, depth: int) -> NoReturn:
    """Raise for the first flaw, with its path; a text that is broken further on is broken first."""
    try:
        tree = _SLOW.decode(text)
    except json.JSONDecodeError as error:
        raise UnreadableError(f"This is not JSON: {error.msg}.", line=error.lineno, column=error.colno) from None
    except RecursionError:
        raise UnreadableError(f"The data is nested deeper than {depth}.") from None
    for path, node in _walk(tree):
        if isinstance(node, _Flaw):
            raise UnreadableError(node.message, path=show(path))
        if isinstance(node, _Object):
            seen: set[str] = set()
            for key, _value in node.pairs:
                if key in seen:
                    raise UnreadableError("This key stands here twice.", path=show((*path, key[:100])))
                seen.add(key)
    raise UnreadableError("This is not JSON.")


def _walk(tree: Any) -> Iterator[tuple[Path, Any]]:
    """Yield every node with its path, in document order, without recursion."""
    todo: list[tuple[Path, Any]] = [((), tree)]
    while todo:
        path, node = todo.pop()
        yield path, node
        pairs = list(node.items()) if isinstance(node, dict) else node.pairs if isinstance(node, _Object) else None
        if isinstance(node, list):
            pairs = list(enumerate(node))
        todo.extend(((*path, key), item) for key, item in reversed(pairs or ()))


def _check_depth(value: Any, depth: int) -> None:
    """Raise if containers are nested deeper than `depth`; level by level, so that only containers are kept."""
    level = [value] if isinstance(value, (dict, list)) else []
    for _ in range(depth):
        level = [
            item
            for node in level
            for item in (node.values() if type(node) is dict else node)
            if type(item) is dict or type(item) is list
        ]
        if not level:
            return
    raise UnreadableError(f"The data is nested deeper than {depth}.")


def _check_characters(value: Any) -> None:
    for path, node in _walk(value):
        texts = node if isinstance(node, dict) else (node,)
        for text in texts:
            if isinstance(text, str) and UNFIT_CHARACTERS.search(text):
                raise UnreadableError("A text holds a NUL character or a lone surrogate.", path=show(path))
