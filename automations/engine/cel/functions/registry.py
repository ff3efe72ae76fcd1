"""Where functions are declared: name, style, parameter types and price."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

from ..values import CelType, NanoSpan, NanoTime, Optional, Uint

Implementation = Callable[..., Any]

KINDS: dict[str, frozenset[type]] = {
    "bool": frozenset({bool}),
    "int": frozenset({int}),
    "uint": frozenset({Uint}),
    "double": frozenset({float}),
    "string": frozenset({str}),
    "bytes": frozenset({bytes}),
    "list": frozenset({list}),
    "map": frozenset({dict}),
    "null": frozenset({type(None)}),
    "type": frozenset({CelType}),
    "timestamp": frozenset({datetime, NanoTime}),
    "duration": frozenset({timedelta, NanoSpan}),
    "optional": frozenset({Optional}),
}
KINDS["number"] = KINDS["int"] | KINDS["uint"] | KINDS["double"]
KINDS["integer"] = KINDS["int"] | KINDS["uint"]
KINDS["any"] = frozenset().union(*KINDS.values())


class Function(NamedTuple):
    """One implementation: called with the frame and the arguments, which already have the right types."""

    name: str
    parameters: tuple[frozenset[type], ...]
    run: Implementation
    cost: int  # operations of one call, besides what depends on sizes
    variadic: bool


FUNCTIONS: dict[tuple[str, bool, int], Function] = {}  # by name, called as a method?, number of arguments
VARIADIC: dict[str, Function] = {}


def function(
    name: str, *parameters: str, method: bool = False, cost: int = 8
) -> Callable[[Implementation], Implementation]:
    """Declare a function; ``parameters`` name kinds, alternatives joined by ``|``, the target first."""

    def declare(run: Implementation) -> Implementation:
        kinds = tuple(_union(parameter) for parameter in parameters)
        FUNCTIONS[name, method, len(kinds)] = Function(name, kinds, run, cost, False)
        return run

    return declare


def variadic(name: str, parameter: str, *, cost: int = 8) -> Callable[[Implementation], Implementation]:
    """Declare a function of any number of arguments of one kind."""

    def declare(run: Implementation) -> Implementation:
        VARIADIC[name] = Function(name, (_union(parameter),), run, cost, True)
        return run

    return declare


def _union(parameter: str) -> frozenset[type]:
    return frozenset().union(*(KINDS[part] for part in parameter.split("|")))


def find_function(name: str, method: bool, count: int) -> Function | None:
    """The function of a name, style and number of arguments (the target of a method counts as one)."""
    found = FUNCTIONS.get((name, method, count))
    if found is None and not method and count:
        found = VARIADIC.get(name)
    return found


@cache
def names(method: bool) -> frozenset[str]:
    """All names callable in a style."""
    known = frozenset(name for name, style, _ in FUNCTIONS if style is method)
    return known if method else known | frozenset(VARIADIC)
