"""A compiled expression."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any

from .ast import Node
from .budget import DEFAULT_BUDGET, Budget, Frame
from .compiler import TOP, Closure, Compiler
from .errors import BudgetExceeded, Fault
from .explain import Explanation, explain
from .lexer import Places
from .parser import parse
from .references import Reference, references
from .results import finish, repeats
from .values import Open

_SIMPLE = frozenset({bool, int, float, str, type(None), Open})
_CACHED_SOURCE = 1_000  # characters up to which a compiled expression is kept
_TOO_DEEP = "the expression or its data is nested too deeply"


class Program:
    """An expression that was read once and can be evaluated any number of times, also in parallel."""

    __slots__ = ("_dotted", "_names", "_repeats", "_run", "_slots", "_variant", "references", "source")

    def __init__(self, source: str, names: frozenset[str] | None = None) -> None:
        self.source = source
        self._names = names
        node, places = parse(source)
        self.references: frozenset[Reference] = references(node)
        compiler = self._compile(node, places, frozenset())
        self._dotted = frozenset(compiler.dotted)
        self._variant: tuple[frozenset[str], Closure] | None = None

    def _compile(self, node: Node, places: Places, present: frozenset[str]) -> Compiler:
        compiler = Compiler(self.source, places, self._names, present)
        self._run = compiler.compile(node, TOP)
        self._slots, self._repeats = compiler.slots, repeats(node)
        return compiler

    def evaluate(self, variables: Mapping[str, Any], *, budget: Budget = DEFAULT_BUDGET) -> Any:
        """The value of the expression for these variables. Raises :class:`ExpressionError`."""
        run = self._run
        if not self._dotted.isdisjoint(variables):
            run = self._with_dots(variables)
        frame = Frame(variables, budget or DEFAULT_BUDGET, self._slots)
        try:
            result = run(frame)
            return result if type(result) in _SIMPLE else finish(frame, result, self._repeats)
        except (RecursionError, MemoryError):
            raise BudgetExceeded(_TOO_DEEP) from None
        except Fault as fault:
            raise fault.at((1, 1)) from None

    def _with_dots(self, variables: Mapping[str, Any]) -> Closure:
        """The expression compiled anew, because variables with dots in their names go before fields."""
        present = self._dotted.intersection(variables)
        known = self._variant
        if known is None or known[0] != present:
            node, places = parse(self.source)
            compiler = Compiler(self.source, places, self._names, present)
            known = self._variant = present, compiler.compile(node, TOP)
        return known[1]

    def explain(self, variables: Mapping[str, Any], *, budget: Budget = DEFAULT_BUDGET) -> Explanation:
        """How the value comes about: every sub-expression with its value, and one sentence. Never raises."""
        present = self._dotted.intersection(variables)
        return explain(self.source, self._names, present, variables, budget)

    def __repr__(self) -> str:
        return f"Program({self.source!r})"


@lru_cache(maxsize=512)
def _cached(source: str, names: frozenset[str] | None) -> Program:
    return _program(source, names)


def _program(source: str, names: frozenset[str] | None) -> Program:
    try:
        return Program(source, names)
    except (RecursionError, MemoryError):
        raise BudgetExceeded(_TOO_DEEP) from None


def compile(source: str, names: Collection[str] | None = None) -> Program:
    """Read an expression. Raises :class:`ExpressionError`.

    ``names`` are the variables there are; others are then refused at once, as are unknown functions.
    A name may hold dots (``steps.fetch``). Without ``names`` both show when the expression is evaluated.
    """
    known = None if names is None else frozenset(names)
    return _cached(source, known) if len(source) <= _CACHED_SOURCE else _program(source, known)


def evaluate(source: str, variables: Mapping[str, Any]) -> Any:
    """The value of an expression for these variables. Raises :class:`ExpressionError`."""
    program = _cached(source, None) if len(source) <= _CACHED_SOURCE else _program(source, None)
    return program.evaluate(variables)
