"""Collects what is wrong with a document, and reads typed values out of it on the way."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from automations.engine import cel, durations
from automations.engine.cel import ExpressionError, Program
from automations.engine.durations import DurationError
from automations.engine.errors import Problem, Severity, shorten
from automations.engine.operators import is_number, shown, type_name
from automations.engine.paths import Path, order, show, suggestion


class Findings:
    """The problems of one document; `lines` maps paths to lines, as the YAML reader gives them."""

    def __init__(self, document: Any, lines: Mapping[Path, int] | None = None) -> None:
        self.document = document
        self.lines = lines or {}
        self._found: dict[tuple[Path, str], Problem] = {}

    def add(self, path: Path, message: str, fix: str = "", severity: Severity = "wrong") -> None:
        """Note a problem; the same one twice counts once."""
        problem = Problem(show(path), shorten(message), shorten(fix), self.line(path), severity)
        self._found.setdefault((path, message), problem)

    def wrong(self, path: Path, message: str, fix: str = "") -> None:
        self.add(path, message, fix)

    def incomplete(self, path: Path, message: str, fix: str = "") -> None:
        self.add(path, message, fix, "incomplete")

    def warning(self, path: Path, message: str, fix: str = "") -> None:
        self.add(path, message, fix, "warning")

    def line(self, path: Path) -> int | None:
        """Return the line of the path, or of the nearest thing around it."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.lines:
                return self.lines[path[:length]]
        return None

    def ordered(self) -> list[Problem]:
        """Return all problems in document order."""
        keyed = sorted(self._found.items(), key=lambda item: order(self.document, item[0][0]))
        return [problem for _key, problem in keyed]


class Fields:
    """Reads one object of the document key by key; unknown keys and wrong types become problems.

    A key whose value is null counts as absent.
    """

    def __init__(self, findings: Findings, data: Any, path: Path, known: Collection[str]) -> None:
        self.findings = findings
        self.path = path
        self.data: Mapping[str, Any] = {}
        if not isinstance(data, Mapping):
            findings.wrong(path, f"This is {type_name(data)}, needed an object.", _keys(known))
            return
        self.data = data
        for key in data:
            if key not in known:
                findings.wrong((*path, key), f"“{key}” is not known here.", suggestion(key, known))

    def at(self, key: str) -> Path:
        return (*self.path, key)

    def get(self, key: str) -> Any:
        return self.data.get(key)

    def wrong(self, key: str, message: str, fix: str = "") -> None:
        self.findings.wrong(self.at(key), message, fix)

    def incomplete(self, key: str, message: str, fix: str = "") -> None:
        self.findings.incomplete(self.at(key), message, fix)

    def _mistyped(self, key: str, wanted: str) -> None:
        value = self.get(key)
        self.wrong(key, f"This is {type_name(value)} ({shown(value)}), needed {wanted}.")

    def text(self, key: str, default: str = "", *, pattern: re.Pattern[str] | None = None, fix: str = "") -> str:
        value = self.get(key)
        if value is None:
            return default
        if not isinstance(value, str):
            self._mistyped(key, "text")
            return default
        if pattern and value and not pattern.fullmatch(value):
            self.wrong(key, f"“{shorten(value, 80)}” has the wrong form.", fix)
            return default
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        value = self.get(key)
        if value is None:
            return ()
        if not isinstance(value, list):
            self._mistyped(key, "a list of texts")
            return ()
        for index, item in enumerate(value):
            if not isinstance(item, str) or not item:
                message = f"This is {type_name(item)} ({shown(item)}), needed text that is not empty."
                self.findings.wrong((*self.at(key), index), message)
        return tuple(item for item in value if isinstance(item, str) and item)

    def choice(self, key: str, options: Collection[str], default: str) -> str:
        value = self.get(key)
        if value is None:
            return default
        if not isinstance(value, str) or value not in options:
            self.wrong(key, f"{shown(value)} is not possible here.", suggestion(str(value), options))
            return default
        return value

    def whole(self, key: str, default: Any, *, low: int, high: int) -> Any:
        value = self.get(key)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            self._mistyped(key, f"a whole number from {low} to {high}")
            return default
        return value

    def number(self, key: str, default: Any, *, low: float, high: float) -> Any:
        value = self.get(key)
        if value is None:
            return default
        if not is_number(value) or not low <= value <= high:
            self._mistyped(key, f"a number from {low:g} to {high:g}")
            return default
        return float(value)

    def flag(self, key: str, default: bool) -> bool:
        value = self.get(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            self._mistyped(key, "true or false")
            return default
        return value

    def duration(self, key: str, default: Any = None, *, zero: bool = False) -> Any:
        """Return seconds; 0 is refused unless `zero`."""
        value = self.get(key)
        if value is None:
            return default
        try:
            seconds = durations.parse(value)
        except DurationError as error:
            self.wrong(key, error.message)
            return default
        if not seconds and not zero:
            self.wrong(key, "A duration of zero makes no sense here.", durations.RIGHT)
            return default
        return seconds

    def expression(self, key: str, names: Collection[str]) -> Program | None:
        value = self.get(key)
        if value is None:
            return None
        if not isinstance(value, str) or not value.strip():
            self._mistyped(key, "an expression")
            return None
        try:
            return cel.compile(value, names)
        except ExpressionError as error:
            self.wrong(key, f"{error.message} (line {error.line}, column {error.column})")
            return None

    def mapping(self, key: str) -> Mapping[str, Any]:
        """Return the object at the key, {} if absent or of another type."""
        value = self.get(key)
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            self._mistyped(key, "an object")
            return {}
        return value

    def items(self, key: str) -> list[tuple[Path, Any]]:
        """Return the list at the key as (path, item)."""
        value = self.get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            self._mistyped(key, "a list")
            return []
        return [((*self.at(key), index), item) for index, item in enumerate(value)]

    def child(self, key: str, known: Collection[str]) -> Fields | None:
        """Return the reader of the object at the key, None if absent."""
        value = self.get(key)
        return None if value is None else Fields(self.findings, value, self.at(key), known)


def _keys(known: Collection[str]) -> str:
    return f"It may have the keys {', '.join(list(known)[:25])}." if known else ""
