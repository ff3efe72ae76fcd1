"""YAML by the 1.2 core rules, and JSON, to and from data.

Only true and false are booleans; `NO`, `yes`, `on`, `12:30`, `01234` and dates are text. Keys are always text.
Tags, duplicate keys, several documents and merge keys are refused; aliases are copied within a bound.
"""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import yaml

from automations.engine.errors import UnreadableError
from automations.engine.json_core import LARGEST_WHOLE, SMALLEST_WHOLE, loads_json
from automations.engine.limits import DEPTH, SIZE, UNFIT_CHARACTERS
from automations.engine.paths import Path, show

NODES = 200_000
"""Values a document may have once its aliases are filled in."""

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DUMPER: Any = yaml.SafeDumper

_NULL = re.compile(r"null|Null|NULL|~|")
_BOOLEAN = re.compile(r"true|True|TRUE|false|False|FALSE")
_WHOLE = re.compile(r"[-+]?(?:0|[1-9][0-9]*)", re.ASCII)
_OCTAL = re.compile(r"0o[0-7]+")
_HEX = re.compile(r"0x[0-9a-fA-F]+")
_REAL = re.compile(r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", re.ASCII)
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")


def loads(text: str | bytes) -> tuple[Any, Mapping[Path, int]]:
    """Return the data of a YAML text and the line (from 1) of each path.

    Raises UnreadableError with line and column.
    """
    source = _decode(text)
    if len(source.encode("utf-8", "surrogatepass")) > SIZE:
        raise UnreadableError(f"The text is larger than {SIZE:,} bytes.")
    builder = _Builder()
    try:
        for event in yaml.parse(source, Loader=_LOADER):
            builder.take(event)
    except yaml.YAMLError as error:
        raise _unreadable(error) from None
    if not builder.has_root:
        raise UnreadableError("The text is empty.", line=1, column=1)
    return builder.root, MappingProxyType(builder.lines)


def _decode(text: str | bytes) -> str:
    if isinstance(text, str):
        return text.removeprefix("\ufeff")
    try:
        return text.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        raise UnreadableError("The text is not UTF-8.", line=line, column=1) from None


def _unreadable(error: yaml.YAMLError) -> UnreadableError:
    mark = getattr(error, "problem_mark", None)
    message = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error).split("\n")[0]
    if mark is None:
        return UnreadableError(f"This is not YAML: {message}.")
    return UnreadableError(f"This is not YAML: {message}.", line=mark.line + 1, column=mark.column + 1)


@dataclass(slots=True)
class _Frame:
    """A list or object that is being read; `key` is the object's key whose value comes next."""

    value: Any
    path: Path
    anchor: str | None
    nodes_before: int
    key: str | None = None

    @property
    def wants_key(self) -> bool:
        return isinstance(self.value, dict) and self.key is None


@dataclass(slots=True)
class _Builder:
    """Builds data from the parser's events, without recursion."""

    root: Any = None
    has_root: bool = False
    lines: dict[Path, int] = field(default_factory=dict)
    _stack: list[_Frame] = field(default_factory=list)
    _anchors: dict[str, tuple[Any, int]] = field(default_factory=dict)
    _open_anchors: set[str] = field(default_factory=set)
    _nodes: int = 0

    def take(self, event: Any) -> None:
        """Add one event of the parser."""
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event)
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event)
        elif isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            self._begin(event)
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            self._end()
        elif isinstance(event, yaml.DocumentStartEvent) and self.has_root:
            raise self._error(event, "The text holds more than one document.")

    def _scalar(self, event: Any) -> None:
        self._refuse_tag(event)
        frame = self._stack[-1] if self._stack else None
        if UNFIT_CHARACTERS.search(event.value):
            raise self._error(event, "A text holds a NUL character or a lone surrogate.")
        if frame is not None and frame.wants_key:
            self._key(event, frame)
            return
        value = event.value if event.style else self._resolve(event)
        self._count(event, 1)
        self._put(event, value)
        if event.anchor:
            self._anchors[event.anchor] = (value, 1)

    def _key(self, event: Any, frame: _Frame) -> None:
        key = event.value
        if key == "<<" and not event.style:
            raise self._error(event, "Merge keys (<<) are not supported: write the keys out.")
        if key in frame.value:
            raise self._error(event, f"The key “{key[:80]}” stands here twice.")
        frame.key = key
        self.lines[(*frame.path, key)] = event.start_mark.line + 1
        if event.anchor:
            self._anchors[event.anchor] = (key, 1)

    def _begin(self, event: Any) -> None:
        self._refuse_tag(event)
        if self._stack and self._stack[-1].wants_key:
            raise self._error(event, "A key must be text, not a list or an object.")
        if len(self._stack) >= DEPTH:
            raise self._error(event, f"The text is nested deeper than {DEPTH}.")
        self._count(event, 1)
        value: Any = {} if isinstance(event, yaml.MappingStartEvent) else []
        path = self._put(event, value)
        if event.anchor:
            self._open_anchors.add(event.anchor)
        self._stack.append(_Frame(value, path, event.anchor, self._nodes))

    def _end(self) -> None:
        frame = self._stack.pop()
        if frame.anchor:
            self._open_anchors.discard(frame.anchor)
            self._anchors[frame.anchor] = (frame.value, self._nodes - frame.nodes_before + 1)

    def _alias(self, event: Any) -> None:
        if event.anchor in self._open_anchors:
            raise self._error(event, f"“*{event.anchor}” stands inside of what it names.")
        if event.anchor not in self._anchors:
            raise self._error(event, f"There is no anchor “&{event.anchor}” before this place.")
        value, nodes = self._anchors[event.anchor]
        if self._stack and self._stack[-1].wants_key:
            raise self._error(event, "A key cannot be an alias: write it out.")
        self._count(event, nodes)
        if len(self._stack) + _depth(value) > DEPTH:
            raise self._error(event, f"The text is nested deeper than {DEPTH}.")
        self._put(event, copy.deepcopy(value))

    def _put(self, event: Any, value: Any) -> Path:
        """Store the value where the innermost list or object wants it, and return its path."""
        if not self._stack:
            self.root, self.has_root = value, True
            self.lines[()] = event.start_mark.line + 1
            return ()
        frame = self._stack[-1]
        if isinstance(frame.value, list):
            path = (*frame.path, len(frame.value))
            self.lines[path] = event.start_mark.line + 1
            frame.value.append(value)
            return path
        key, frame.key = frame.key or "", None
        frame.value[key] = value
        return (*frame.path, key)

    def _count(self, event: Any, nodes: int) -> None:
        self._nodes += nodes
        if self._nodes > NODES:
            raise self._error(event, f"The text holds more than {NODES:,} values, aliases filled in.")

    def _refuse_tag(self, event: Any) -> None:
        if event.tag is not None:
            raise self._error(event, f"Tags like {event.tag[:60]} are not supported.")

    def _resolve(self, event: Any) -> Any:
        """Return what a plain scalar stands for by the core rules."""
        text = event.value
        if _NULL.fullmatch(text):
            return None
        if _BOOLEAN.fullmatch(text):
            return text[0] in "tT"
        if _WHOLE.fullmatch(text) or _OCTAL.fullmatch(text) or _HEX.fullmatch(text):
            return self._whole(event, text)
        if _REAL.fullmatch(text):
            number = float(text)
            if math.isfinite(number):
                return number
            raise self._error(event, "This number is too large.")
        if _NOT_FINITE.fullmatch(text):
            raise self._error(event, "NaN and Infinity are no numbers here.")
        return text

    def _whole(self, event: Any, text: str) -> int:
        base = {"0o": 8, "0x": 16}.get(text[:2], 10)
        # Looked at before it is converted, because converting thousands of digits takes quadratic time.
        number = int(text.removeprefix("+"), base) if len(text) <= 70 else None
        if number is None or not SMALLEST_WHOLE <= number <= LARGEST_WHOLE:
            raise self._error(event, "This number does not fit into 64 bits.")
        return number

    def _error(self, event: Any, message: str) -> UnreadableError:
        mark = event.start_mark
        path = show(self._stack[-1].path) if self._stack else ""
        return UnreadableError(message, line=mark.line + 1, column=mark.column + 1, path=path)


def _depth(value: Any) -> int:
    """Return how deep lists and objects are nested in a value that is within the limit itself."""
    depth, level = 0, [value]
    while level := [node for node in level if isinstance(node, (dict, list))]:
        depth += 1
        level = [item for node in level for item in (node.values() if isinstance(node, dict) else node)]
    return depth


# Writing ---------------------------------------------------------------------------------------------------------

# Whatever some YAML reader would not read as text is quoted: our own rules are added to those of YAML 1.1.
_ADDED = {
    "tag:yaml.org,2002:int": (_WHOLE, _OCTAL, _HEX),
    "tag:yaml.org,2002:float": (_REAL, _NOT_FINITE),
}
_BREAKS = re.compile("[\x85\u2028\u2029\ufeff\x00-\x08\x0b-\x1f\x7f-\x9f]")


class _Dumper(_DUMPER):
    """Writes data so that `loads` gives the same data back."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> Any:
        return super().increase_indent(flow, False)


def _text(dumper: Any, text: str) -> Any:
    style = None
    if _BREAKS.search(text):
        style = '"'
    elif "\n" in text and text.strip() and not text[0].isspace() and not re.search(r"[ \t]\n|[ \t]$", text):
        style = "|"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)
for _tag, _patterns in _ADDED.items():
    for _pattern in _patterns:
        _Dumper.add_implicit_resolver(_tag, re.compile(f"(?:{_pattern.pattern})\\Z"), list("-+.0123456789"))


def dumps(data: Any) -> str:
    """Return JSON data as YAML in block style, keys in the order given; `loads` reads it back unchanged."""
    return yaml.dump(
        data, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=1_000_000, default_flow_style=False, indent=2
    )


__all__ = ["dumps", "loads", "loads_json"]
