"""Functions of the CEL standard: sizes, texts and regular expressions."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import re2  # type: ignore[import-untyped]

from ..budget import Frame
from ..errors import BudgetFault, Fault
from ..values import CelType, type_of
from .registry import function

MAX_PATTERN = 1_000  # characters of a regular expression
MAX_STEPS = 10_000  # RE2 steps of all patterns written out in one expression
_PATTERN_MEMORY = 1 << 20  # bytes RE2 may use for one pattern
_STEPS_PER_OPERATION = 64  # characters times pattern size matched for one operation


@function("size", "string|bytes|list|map")
@function("size", "string|bytes|list|map", method=True)
def size(frame: Frame, value: Any) -> int:
    return len(value)


@function("type", "any")
def type_(frame: Frame, value: Any) -> CelType:
    return type_of(value)


@function("dyn", "any")
def dyn(frame: Frame, value: Any) -> Any:
    return value


@function("contains", "string", "string", method=True)
def contains(frame: Frame, text: str, part: str) -> bool:
    frame.charge_search(len(text), len(part))
    return part in text


@function("startsWith", "string", "string", method=True)
def starts_with(frame: Frame, text: str, part: str) -> bool:
    return text.startswith(part)


@function("endsWith", "string", "string", method=True)
def ends_with(frame: Frame, text: str, part: str) -> bool:
    return text.endswith(part)


@lru_cache(maxsize=64)
def read_pattern(pattern: str) -> tuple[Any, int]:
    """An RE2 pattern ready for use, and its size in RE2's own steps. Raises Fault for an invalid one."""
    if len(pattern) > MAX_PATTERN:
        raise Fault(f"a regular expression longer than {MAX_PATTERN} characters")
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _PATTERN_MEMORY
    options.never_capture = True
    try:
        compiled = re2.compile(pattern.encode(), options)
        return compiled, int(compiled.programsize)
    except UnicodeEncodeError:
        raise Fault("the regular expression holds half a surrogate pair") from None
    except re2.error as error:
        reason = error.args[0] if error.args else "invalid"
        text = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        if "too large" in text:
            raise BudgetFault(f"a regular expression is too large: {text[:120]}") from None
        raise Fault(f"invalid regular expression: {text[:120]}") from None


@function("matches", "string", "string", cost=20)
@function("matches", "string", "string", method=True, cost=20)
def matches(frame: Frame, text: str, pattern: str) -> bool:
    """Whether the RE2 pattern is found anywhere in the text; time is linear in the text."""
    compiled, steps = read_pattern(pattern)
    frame.charge(2 * steps)  # what reading it cost
    return _search(frame, text, compiled, steps)


def matcher(pattern: str) -> tuple[Callable[[Frame, str, str], bool], int]:
    """``matches`` for a pattern that is written out, so read only once, and the pattern's size in RE2's steps.
    Raises Fault for an invalid one."""
    compiled, steps = read_pattern(pattern)

    def search(frame: Frame, text: str, pattern: str) -> bool:
        return _search(frame, text, compiled, steps)

    return search, steps


def _search(frame: Frame, text: str, compiled: Any, steps: int) -> bool:
    try:
        subject = text.encode()
    except UnicodeEncodeError:
        raise Fault("the text holds half a surrogate pair") from None
    frame.charge(len(subject) * steps // _STEPS_PER_OPERATION)
    return compiled.search(subject) is not None
