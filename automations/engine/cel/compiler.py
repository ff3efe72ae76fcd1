"""Syntax tree to Python closures. A closure takes the frame of one evaluation and returns a value."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, NamedTuple

from .ast import (
    Bind,
    Call,
    Conditional,
    Has,
    Ident,
    Index,
    ListNode,
    Literal,
    Logic,
    Loop,
    MapNode,
    Node,
    Operation,
    Select,
    Unary,
)
from .budget import Frame
from .calls import compile_call
from .errors import Fault
from .lexer import Places
from .logic import compile_conditional, compile_logic, compile_unary
from .loops import compile_bind, compile_loop
from .operators import compile_operation
from .paths import compile_has, compile_path
from .values import PLAIN, Flag, Optional, Uint, plain, type_name

Closure = Callable[[Frame], Any]


class Context(NamedTuple):
    """Where in the expression something is compiled."""

    local: dict[str, int]  # macro variables and their slots
    used: int  # slots taken by the macros around
    metered: bool  # inside a loop whose every step is charged in full
    element: str | None  # the variable of the loop over plain data directly around


TOP = Context({}, 0, False, None)


class Compiler:
    """Compiles one expression; afterwards holds what was learned on the way."""

    def __init__(
        self,
        source: str,
        places: Places,
        names: Collection[str] | None,
        present: frozenset[str] = frozenset(),
        tracer: Callable[[Node, Closure], Closure] | None = None,
    ) -> None:
        self.source = source
        self.place = places
        self.names = names
        self.present = present  # variables with dots in their names that the evaluation has
        self.tracer = tracer
        self.dotted: set[str] = set()  # names with dots that would be meant, were they variables
        self.slots = 0
        self.steps = 0  # size of the patterns written out so far
        self.positions: dict[int, int] = {}  # loops, by identity of their nodes: slot of the position

    def compile(self, node: Node, context: Context) -> Closure:
        closure = _COMPILERS[type(node)](self, node, context)
        return closure if self.tracer is None else self.tracer(node, closure)

    def reserve(self, context: Context, count: int) -> int:
        """Slots for the variables of a macro; macros beside each other share theirs."""
        self.slots = max(self.slots, context.used + count)
        return context.used

    def text(self, node: Node) -> str:
        """A sub-expression as written, on one line."""
        return " ".join(self.source[node.start : node.end].split())


def _literal(compiler: Compiler, node: Literal, context: Context) -> Closure:
    value = node.value
    return lambda frame: value


def _list(compiler: Compiler, node: ListNode, context: Context) -> Closure:
    items = tuple(
        (compiler.compile(item, context), optional) for item, optional in zip(node.items, node.optional, strict=True)
    )
    place = compiler.place(node.at)

    def build(frame: Frame) -> list[Any]:
        result = []
        try:
            for item, optional in items:
                value = item(frame)
                if type(value) not in PLAIN:
                    value = plain(value)
                if not optional:
                    result.append(value)
                elif _unwrapped(value):
                    result.append(value.items[0])
        except Fault as fault:
            raise fault.at(place) from None
        return result

    return build


def _unwrapped(value: Any) -> bool:
    if type(value) is not Optional:
        raise Fault(f"an entry marked with ? needs an optional, not {type_name(value)}")
    return bool(value.items)


def _map(compiler: Compiler, node: MapNode, context: Context) -> Closure:
    entries = tuple(
        (compiler.compile(key, context), compiler.compile(value, context), optional, compiler.place(key.start))
        for key, value, optional in zip(node.keys, node.values, node.optional, strict=True)
    )

    def build(frame: Frame) -> dict[Any, Any]:
        result: dict[Any, Any] = {}
        for read_key, read_value, optional, place in entries:
            key, value = read_key(frame), read_value(frame)
            try:
                key = _key(key, result)
                if type(value) not in PLAIN:
                    value = plain(value)
                if not optional:
                    result[key] = value
                elif _unwrapped(value):
                    result[key] = value.items[0]
            except Fault as fault:
                raise fault.at(place) from None
        return result

    return build


def _key(key: Any, known: dict[Any, Any]) -> Any:
    key = plain(key)
    if type(key) is bool:
        key = Flag(key)
    elif type(key) not in (str, int, Uint):
        raise Fault(f"unsupported key type: {type_name(key)}")
    if key in known:
        raise Fault("the map has the same key twice")
    return key


_COMPILERS: dict[type, Callable[[Compiler, Any, Context], Closure]] = {
    Literal: _literal,
    Ident: compile_path,
    Select: compile_path,
    Index: compile_path,
    Call: compile_call,
    ListNode: _list,
    MapNode: _map,
    Unary: compile_unary,
    Operation: compile_operation,
    Logic: compile_logic,
    Conditional: compile_conditional,
    Has: compile_has,
    Loop: compile_loop,
    Bind: compile_bind,
}
