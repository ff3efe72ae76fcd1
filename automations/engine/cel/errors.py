"""Errors of the expression engine; every one carries the place in the source it belongs to."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class ExpressionError(Exception):
    """An expression that cannot be read or evaluated.

    ``line`` and ``column`` count from 1, in code points of the source; ``str()`` includes them.
    """

    def __init__(self, message: str, line: int = 1, column: int = 1) -> None:
        super().__init__(message, line, column)
        self.message = message
        self.line = line
        self.column = column

    def __str__(self) -> str:
        return f"{self.message} (line {self.line}, column {self.column})"


class MissingValue(ExpressionError):
    """A field, key or index the data does not have; ``path`` names it, e.g. ``event.order.total``."""

    def __init__(self, message: str, line: int = 1, column: int = 1, path: str = "") -> None:
        super().__init__(message, line, column)
        self.path = path

    def relocated(self, path: str) -> MissingValue:
        """The same error under another path (a macro variable replaced by the element it stood for)."""
        return MissingValue(missing_message(path), self.line, self.column, path)


class OpenValue(ExpressionError):
    """An operation on a value that is not known yet; ``path`` names the value."""

    def __init__(self, message: str, line: int = 1, column: int = 1, path: str = "") -> None:
        super().__init__(message, line, column)
        self.path = path


class BudgetExceeded(ExpressionError):
    """An evaluation that would need more operations, nesting or size than its budget allows."""


class Fault(Exception):
    """A failure inside an operation, before its place in the source is added. Never leaves the engine."""

    def at(self, place: tuple[int, int]) -> ExpressionError:
        """The error people see, at ``place`` (line, column)."""
        return ExpressionError(str(self), *place)


class OpenFault(Fault):
    """An operation met an open value; the argument is the value's path."""

    def at(self, place: tuple[int, int]) -> ExpressionError:
        path = str(self)
        return OpenValue(f"{path} is not known yet", *place, path)


class BudgetFault(Fault):
    """The budget ran out; the argument says of what."""

    def at(self, place: tuple[int, int]) -> ExpressionError:
        return BudgetExceeded(str(self), *place)


class AbsentFault(Fault):
    """A key or index that is not there."""

    def missing(self, place: tuple[int, int], path: str) -> ExpressionError:
        """A :class:`MissingValue` where the path is known, else the plain error."""
        return MissingValue(missing_message(path), *place, path) if path else self.at(place)


def missing_message(path: str) -> str:
    return f"{path} is missing"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A closing hint such as ``; did you mean 'event'?``, or nothing."""
    near = get_close_matches(name[:64], sorted(k for k in known if len(k) <= 64)[:500], n=1, cutoff=0.6)
    return f"; did you mean '{near[0]}'?" if near else ""


def known_names(known: Iterable[str]) -> str:
    """A closing list of the names there are, where they are few enough to be of use."""
    names = sorted(known)
    return f"; known here: {', '.join(names)}" if 0 < len(names) <= 12 else ""
