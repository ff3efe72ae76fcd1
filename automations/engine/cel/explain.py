"""Why an expression came out as it did: the tree of sub-expressions with their values, and one sentence."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from .ast import Ident, Index, Node, Select, children
from .budget import Budget, Frame
from .compiler import TOP, Closure, Compiler
from .errors import BudgetExceeded, ExpressionError, Fault
from .parser import parse
from .paths import static_path
from .results import finish, repeats
from .sentences import Sentences


@dataclass(frozen=True, slots=True)
class Part:
    """A sub-expression. ``evaluated`` is false where the result did not depend on it; inside a loop the
    value is that of the last step, which for ``all`` and ``exists`` is the deciding one."""

    text: str
    value: Any
    error: ExpressionError | None
    evaluated: bool
    children: tuple[Part, ...]
    position: tuple[int, int]  # line and column, from 1


@dataclass(frozen=True, slots=True)
class Explanation:
    """``value`` or ``error`` of the whole, the ``tree`` and the ``sentence``, e.g.
    ``event.order.total = 90, needed > 100``."""

    value: Any
    error: ExpressionError | None
    tree: Part
    sentence: str


class Trace:
    """What each node came to when it was last evaluated."""

    def __init__(self) -> None:
        self.clock = 0
        self.entries: dict[int, tuple[Any, ExpressionError | None, int, Any]] = {}
        self.known: dict[int, Node] = {}
        self.positions: dict[int, int] = {}

    def wrap(self, node: Node, closure: Closure) -> Closure:
        """The closure, recording what it yields."""
        key = id(node)
        self.known[key] = node

        def traced(frame: Frame) -> Any:
            self.clock += 1
            begun = self.clock
            slot = self.positions.get(key)
            try:
                value = closure(frame)
            except ExpressionError as error:
                self.entries[key] = None, error, begun, None if slot is None else frame.slots[slot]
                raise
            self.entries[key] = value, None, begun, None if slot is None else frame.slots[slot]
            return value

        return traced

    def entry(self, node: Node, since: int) -> tuple[Any, ExpressionError | None, int, Any] | None:
        """Value, error, time and loop position of a node, if it was evaluated after ``since``."""
        found = self.entries.get(id(node))
        return found if found is not None and found[2] > since else None


def explain(
    source: str, names: Collection[str] | None, present: frozenset[str], variables: Mapping[str, Any], budget: Budget
) -> Explanation:
    """Evaluate with a trace. Errors of the evaluation are part of the answer."""
    node, places = parse(source)
    trace = Trace()
    compiler = Compiler(source, places, names, present, trace.wrap)
    run = compiler.compile(node, TOP)
    trace.positions = compiler.positions
    value, error = _evaluate(run, Frame(variables, budget, compiler.slots), repeats(node))
    sentences = Sentences(compiler.text, trace.entry)
    sentence = sentences.failure(error) if error is not None else sentences.decision(node)
    return Explanation(value, error, _tree(compiler, trace, node, 0), sentence)


def _evaluate(run: Closure, frame: Frame, measured: bool) -> tuple[Any, ExpressionError | None]:
    try:
        return finish(frame, run(frame), measured), None
    except ExpressionError as raised:
        return None, raised
    except (RecursionError, MemoryError):
        return None, BudgetExceeded("the expression or its data is nested too deeply")
    except Fault as fault:
        return None, fault.at((1, 1))


def _tree(compiler: Compiler, trace: Trace, node: Node, since: int) -> Part:
    entry = trace.entry(node, since)
    value, error, begun, _ = entry if entry is not None else (None, None, since, None)
    parts: tuple[Node, ...] = () if _is_path(node) else children(node)
    below = tuple(_tree(compiler, trace, part, begun) for part in parts if id(part) in trace.known)
    return Part(compiler.text(node), value, error, entry is not None, below, compiler.place(node.start))


def _is_path(node: Node) -> bool:
    return isinstance(node, Ident | Select | Index) and static_path(node) is not None
