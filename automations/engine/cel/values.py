"""The values expressions work on: plain JSON values of Python plus the few CEL has beyond them.

int is ``int``, uint :class:`Uint`, double ``float``, timestamp an aware ``datetime``, duration ``timedelta``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from .errors import Fault, OpenFault


class Uint(int):
    """A CEL uint; equal to the int of the same value."""

    __slots__ = ()


class Flag(int):
    """A bool as a map key: Python holds ``True`` and ``1`` for the same key, CEL does not."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return type(other) is Flag and int(self) == int(other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return 7_919 + int(self)

    def __repr__(self) -> str:
        return repr(bool(self))


@dataclass(frozen=True, slots=True)
class CelType:
    """A type as a value; ``str()`` is its CEL name, e.g. ``int`` or ``google.protobuf.Timestamp``."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Optional:
    """A CEL optional: ``items`` holds the value, or nothing."""

    items: tuple[Any, ...] = ()

    @property
    def has_value(self) -> bool:
        return bool(self.items)

    @property
    def value(self) -> Any:
        """The value; raises ``IndexError`` for none."""
        return self.items[0]


NONE = Optional()


@dataclass(frozen=True, slots=True)
class Open:
    """A value that is not known yet. Fields and indexes of it are open too; any other use raises OpenValue."""

    path: str


class NanoTime(datetime):
    """A timestamp with nanoseconds finer than ``datetime`` holds, in ``rest`` (1..999)."""

    rest: int = 0


class NanoSpan(timedelta):
    """A duration with nanoseconds finer than ``timedelta`` holds, in ``rest`` (1..999)."""

    rest: int = 0


TYPES = {
    name: CelType(name)
    for name in (
        "bool", "int", "uint", "double", "string", "bytes", "list", "map", "null_type", "type", "optional_type",
        "google.protobuf.Timestamp", "google.protobuf.Duration",
    )
}  # fmt: skip
_TYPE_OF: dict[type, CelType] = {
    bool: TYPES["bool"],
    int: TYPES["int"],
    Uint: TYPES["uint"],
    float: TYPES["double"],
    Decimal: TYPES["double"],
    str: TYPES["string"],
    bytes: TYPES["bytes"],
    list: TYPES["list"],
    tuple: TYPES["list"],
    dict: TYPES["map"],
    type(None): TYPES["null_type"],
    datetime: TYPES["google.protobuf.Timestamp"],
    NanoTime: TYPES["google.protobuf.Timestamp"],
    timedelta: TYPES["google.protobuf.Duration"],
    NanoSpan: TYPES["google.protobuf.Duration"],
    CelType: TYPES["type"],
    Optional: TYPES["optional_type"],
}
PLAIN = frozenset(_TYPE_OF) - {Decimal, tuple, datetime}


def plain(value: Any) -> Any:
    """``value`` as one of the engine's own types.

    Decimal becomes a double, a naive datetime is read as UTC, subclasses of the JSON types become
    those types. Open values and anything else are refused, so that operations never meet them.
    """
    kind = type(value)
    if kind in PLAIN:
        return value
    if kind is datetime:
        return value if value.tzinfo is not None else value.replace(tzinfo=UTC)
    if kind is Open:
        raise OpenFault(value.path)
    if isinstance(value, Decimal):
        return float(value) if not value.is_snan() else float("nan")
    return _converted(value)


def _converted(value: Any) -> Any:
    bases: tuple[Callable[[Any], Any], ...] = (Uint, int, float, str, bytes, list)
    for base in bases:
        if isinstance(value, base):  # type: ignore[arg-type]
            return base(value)
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    if isinstance(value, datetime):
        return plain(datetime.fromisoformat(value.isoformat()))
    if isinstance(value, timedelta):
        return timedelta(value.days, value.seconds, value.microseconds)
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise Fault(f"a value of type {type(value).__name__[:40]} cannot be used in an expression")


def type_of(value: Any) -> CelType:
    """The CEL type of a value."""
    found = _TYPE_OF.get(type(value))
    return found if found is not None else _TYPE_OF[type(plain(value))]


def type_name(value: Any) -> str:
    """The CEL name of a value's type, for messages; never fails."""
    try:
        return type_of(value).name
    except Fault:
        return "an unknown type"
