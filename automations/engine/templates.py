"""`{{ CEL }}` in config values.

A string that is exactly one `{{ … }}` keeps the value's type; text around it makes a string. What was inserted
is never evaluated again. A literal `{{` is written `{{ "{{" }}`. Keys of maps are not templates.
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from automations.engine import cel, times
from automations.engine.cel import ExpressionError, MissingValue, Open, OpenValue
from automations.engine.errors import Problem
from automations.engine.paths import Path, show

OPENING = "{{"


class TemplateError(ExpressionError):
    """A template that cannot be read; `line` and `column` count from 1 inside the string, `path` says which."""

    def __init__(self, message: str, line: int, column: int, path: str = "") -> None:
        super().__init__(message, line, column)
        self.path = path


@dataclass(frozen=True, slots=True)
class Rendered:
    """The value with its templates filled in; `opens` names what a simulation could not know."""

    value: Any
    opens: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Template:
    """A config value, compiled.

    `sites` lists each string with a template and the paths it reads, `references` all of them;
    `problems` is empty unless it was compiled leniently. What it renders is to be read, not changed.
    """

    source: Any
    sites: tuple[tuple[Path, frozenset[Path]], ...]
    problems: tuple[Problem, ...]
    _fill: Callable[[Mapping[str, Any], list[str]], Any]

    @property
    def references(self) -> frozenset[Path]:
        """Return every path the templates read."""
        return frozenset().union(*(paths for _place, paths in self.sites))

    def render(self, variables: Mapping[str, Any]) -> Rendered:
        """Return the value as JSON data.

        Raises MissingValue (`.path`) for a value that is not there, ExpressionError for any other failure.
        """
        opens: list[str] = []
        value = self._fill(variables, opens)
        return Rendered(value, tuple(dict.fromkeys(opens)))


_Fill = Callable[[Mapping[str, Any], list[str]], Any]


def is_template(value: object) -> bool:
    """Return whether this string holds a template."""
    return isinstance(value, str) and OPENING in value


def has_template(value: Any) -> bool:
    """Return whether a template stands anywhere in the value."""
    if isinstance(value, Mapping):
        return any(has_template(item) for item in value.values())
    if isinstance(value, list):
        return any(has_template(item) for item in value)
    return is_template(value)


def compile_template(value: Any, *, names: Collection[str] | None = None) -> Template:
    """Compile every template in a JSON value; raises TemplateError for the first that is broken."""
    template = read_template(value, names=names)
    if template.problems:
        raise _first_error(value, names)
    return template


def read_template(value: Any, *, names: Collection[str] | None = None) -> Template:
    """Compile like `compile_template`, but list what is broken in `problems` (paths relative to the value)."""
    build = _Build(names)
    fill = build.value(value, ())
    problems = tuple(
        Problem(show(path), f"{error.message} (line {error.line}, column {error.column})")
        for path, error in build.errors
    )
    return Template(value, tuple(build.sites), problems, fill)


def _first_error(value: Any, names: Collection[str] | None) -> TemplateError:
    build = _Build(names)
    build.value(value, ())
    path, error = build.errors[0]
    return TemplateError(error.message, error.line, error.column, show(path))


class _Build:
    """Compiles one value and collects what is broken."""

    def __init__(self, names: Collection[str] | None) -> None:
        self.names = names
        self.sites: list[tuple[Path, frozenset[Path]]] = []
        self.errors: list[tuple[Path, ExpressionError]] = []

    def value(self, value: Any, path: Path) -> _Fill:
        if isinstance(value, Mapping):
            if not has_template(value):
                return lambda _variables, _opens: value
            items = [(key, self.value(item, (*path, key))) for key, item in value.items()]
            return lambda variables, opens: {key: fill(variables, opens) for key, fill in items}
        if isinstance(value, list):
            if not has_template(value):
                return lambda _variables, _opens: value
            fills = [self.value(item, (*path, index)) for index, item in enumerate(value)]
            return lambda variables, opens: [fill(variables, opens) for fill in fills]
        if is_template(value):
            return self.text(value, path)
        return lambda _variables, _opens: value

    def text(self, text: str, path: Path) -> _Fill:
        try:
            parts = [part if isinstance(part, str) else self.expression(path, *part) for part in split(text)]
        except ExpressionError as error:
            self.errors.append((path, error))
            return lambda _variables, _opens: text
        if len(parts) == 1 and not isinstance(parts[0], str):
            return parts[0]
        return lambda variables, opens: "".join(
            part if isinstance(part, str) else as_text(part(variables, opens)) for part in parts
        )

    def expression(self, path: Path, source: str, line: int, column: int) -> _Fill:
        try:
            program = cel.compile(source, self.names)
        except ExpressionError as error:
            shifted = column - 1 + error.column if error.line == 1 else error.column
            raise ExpressionError(error.message, line - 1 + error.line, shifted) from None
        self.sites.append((path, program.references))

        def fill(variables: Mapping[str, Any], opens: list[str]) -> Any:
            try:
                return to_json(program.evaluate(variables), opens)
            except OpenValue as error:
                return marker(error.path, opens)

        return fill


_TOKEN = re.compile(r"""(?P<text>[rRbB]{0,2}(?:\"\"\"|'''|"|'))|(?P<open>\{)|(?P<close>\})|(?P<comment>//[^\n]*)""")


def split(text: str) -> list[str | tuple[str, int, int]]:
    """Return the plain texts, and (expression, line, column) for each `{{ … }}`.

    Quotes, comments and braces inside an expression are respected, so it may hold `}}` in a text or a map.
    """
    parts: list[str | tuple[str, int, int]] = []
    position = 0
    while (start := text.find(OPENING, position)) >= 0:
        if start > position:
            parts.append(text[position:start])
        end = _closing(text, start + 2)
        source = text[start + 2 : end]
        line, column = _place(text, start + 2)
        if not source.strip():
            raise ExpressionError("There is nothing between {{ and }}.", line, column)
        parts.append((source, line, column))
        position = end + 2
    if position < len(text):
        parts.append(text[position:])
    return parts


def _place(text: str, position: int) -> tuple[int, int]:
    return text.count("\n", 0, position) + 1, position - (text.rfind("\n", 0, position) + 1) + 1


def _closing(text: str, start: int) -> int:
    depth, position = 0, start
    while match := _TOKEN.search(text, position):
        position = match.end()
        if match["text"]:
            position = _end_of_text(text, position, match["text"])
        elif match["open"]:
            depth += 1
        elif match["close"] and depth:
            depth -= 1
        elif match["close"] and text.startswith("}", position):
            return match.start()
    raise ExpressionError("“{{” is not closed by “}}”.", *_place(text, max(start - 2, 0)))


def _end_of_text(text: str, position: int, opening: str) -> int:
    quote = opening.lstrip("rRbB")
    raw = "r" in opening[: -len(quote)].lower()
    while position < len(text):
        if text[position] == "\\" and not raw:
            position += 2
        elif text.startswith(quote, position):
            return position + len(quote)
        else:
            position += 1
    return position


# Values ----------------------------------------------------------------------------------------------------------


def marker(path: str, opens: list[str]) -> str:
    """Return `‹path›`, the stand-in for a value a simulation cannot know, and note the path in `opens`."""
    opens.append(path)
    return f"‹{path}›"


def as_text(value: Any) -> str:
    """Return a rendered value inside a text: a text as it is, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def to_json(value: Any, opens: list[str] | None = None) -> Any:
    """Return an expression's value as JSON data.

    Moments become RFC 3339 text, durations seconds like `90s`, bytes base64, numbers that are not finite
    `NaN` or `Infinity`; map keys become text. Open values become markers, listed in `opens`.
    """
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return value
    if kind is float or isinstance(value, Decimal):
        return _number(float(value))
    if isinstance(value, int):
        return int(value)
    if isinstance(value, Mapping):
        return {_key(key): to_json(item, opens) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(item, opens) for item in value]
    return _special(value, [] if opens is None else opens)


def _number(value: float) -> float | str:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _key(key: Any) -> str:
    return key if isinstance(key, str) else as_text(to_json(key))


def _special(value: Any, opens: list[str]) -> Any:
    if isinstance(value, Open):
        return marker(str(value.path), opens)
    if isinstance(value, datetime):
        return times.show(value)
    if isinstance(value, timedelta):
        return f"{value.total_seconds():.6f}".rstrip("0").rstrip(".") + "s"
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if hasattr(value, "has_value"):
        return to_json(value.value, opens) if value.has_value else None
    return str(value)


__all__ = ["MissingValue", "Rendered", "Template", "TemplateError", "compile_template", "has_template", "is_template",
           "read_template", "split", "to_json"]  # fmt: skip
