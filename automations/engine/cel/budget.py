"""The limits of one evaluation and the meter that holds them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .errors import BudgetFault

MAX_SOURCE = 16_384  # characters of an expression's source
MAX_DEPTH = 100  # levels an expression may nest; keeps parsing and evaluation far from Python's own limit
CHARACTERS_PER_OPERATION = 8
BYTES_SCANNED_PER_OPERATION = 128
COMPARED_PER_OPERATION = 160
SHORT_TEXT = 64  # characters a text may have without a charge of its own
LONG_PART = 100  # characters from which on searching may compare every position with the whole part
LINEAR_TEXT = 30_000  # characters from which on searching is linear whatever the part


@dataclass(frozen=True, slots=True)
class Budget:
    """Limits of one evaluation.

    ``operations``: steps (about one per visited sub-expression inside a loop, one per element or
    eight characters made); ``nesting``: levels of a value that is built, compared or formatted;
    ``size``: characters or elements of any value that is built, and of the whole result.
    """

    operations: int = 200_000
    nesting: int = 100
    size: int = 1_000_000


DEFAULT_BUDGET = Budget()


class Frame:
    """What one evaluation works on: the variables, the macro variables' slots and what is left of the budget."""

    __slots__ = ("budget", "left", "size", "slots", "trace", "variables")

    def __init__(self, variables: Mapping[str, Any], budget: Budget, slots: int, trace: Any = None) -> None:
        self.variables = variables
        self.budget = budget
        self.left = budget.operations
        self.size = budget.size
        self.slots: list[Any] = [None] * slots
        self.trace = trace

    def charge(self, operations: int) -> None:
        """Use up ``operations``; a spent budget stays spent."""
        self.left -= operations
        if self.left < 0:
            raise BudgetFault(f"the expression needs more than {self.budget.operations} operations")

    def charge_text(self, length: int) -> None:
        """Pay for ``length`` characters about to be made; refuse a text over the size limit before it exists."""
        self.charge_size(length)
        if length > SHORT_TEXT:
            self.charge((length - SHORT_TEXT) // CHARACTERS_PER_OPERATION)

    def charge_items(self, count: int) -> None:
        """Pay for a list or map of ``count`` elements about to be made."""
        self.charge_size(count)
        self.charge(count)

    def charge_size(self, size: int) -> None:
        if size > self.size:
            raise BudgetFault(f"a value larger than {self.size} characters or elements")

    def charge_scan(self, length: int) -> None:
        """Pay for reading ``length`` characters or bytes once."""
        self.charge(length // BYTES_SCANNED_PER_OPERATION)

    def charge_search(self, text: int, part: int) -> None:
        """Pay for looking for ``part`` characters in a text of ``text`` characters."""
        if part >= LONG_PART and text < LINEAR_TEXT:
            self.charge(max(0, text - part) * part // COMPARED_PER_OPERATION)
        self.charge_scan(text + part)

    def deeper(self, depth: int) -> int:
        """One level further into a value."""
        if depth >= self.budget.nesting:
            raise BudgetFault(f"a value nested deeper than {self.budget.nesting} levels")
        return depth + 1
