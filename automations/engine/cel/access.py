"""Reading fields, keys and indexes of values."""

from __future__ import annotations

from typing import Any

from .budget import Frame
from .comparison import KEYS, find
from .errors import AbsentFault, Fault, OpenFault
from .values import NONE, Open, Optional, Uint, plain, type_name

_TEXT_IN_PATH = 64


def step_text(key: Any) -> str:
    """A key as it is written in a path: ``.name``, ``[0]`` or ``["some key"]``."""
    if isinstance(key, str):
        key = key[:_TEXT_IN_PATH]
        return f".{key}" if key.isidentifier() and key.isascii() else f'["{key}"]'
    if isinstance(key, bool):
        return f"[{str(key).lower()}]"
    return f"[{key}]" if isinstance(key, int | float) and abs(key) < 2**64 else "[…]"


def path_text(root: str, steps: tuple[str | int, ...]) -> str:
    """A path as people write it, e.g. ``event.items[0].price``."""
    return root + "".join(map(step_text, steps))


def take(frame: Frame, value: Any, key: Any) -> Any:
    """``value.key`` or ``value[key]``; an optional yields an optional, an open value a longer open value."""
    kind = type(value)
    if kind is Open:
        return Open(value.path + step_text(plain(key)))
    if kind is Optional:
        if value.items and value.items[0] is None:
            raise AbsentFault("null has no fields")
        return take_optional(frame, value, key)
    found, result = _look_up(frame, value, key)
    if not found:
        raise AbsentFault(f"no such key: {step_text(plain(key))}")
    return result


def take_optional(frame: Frame, value: Any, key: Any) -> Any:
    """``value.?key`` or ``value[?key]``: an optional, empty where the key is missing."""
    kind = type(value)
    if kind is Open:
        return Open(value.path + step_text(plain(key)))
    if kind is Optional:
        if not value.items:
            return NONE
        value = value.items[0]
    found, result = _look_up(frame, value, key)  # a field of null is a missing one, so the optional is empty
    return Optional((plain(result),)) if found else NONE


def has(frame: Frame, value: Any, field: str) -> bool:
    """``has(value.field)``."""
    kind = type(value)
    if kind is Open:
        raise OpenFault(value.path + step_text(field))
    if kind is Optional:
        return bool(value.items) and has(frame, value.items[0], field)
    if kind is not dict and type(value := plain(value)) is not dict:
        if value is None:
            raise AbsentFault("null has no fields")
        raise Fault(f"{type_name(value)} has no fields")
    return field in value


def _look_up(frame: Frame, value: Any, key: Any) -> tuple[bool, Any]:
    value, key = plain(value), plain(key)
    if type(value) is dict:
        if type(key) not in KEYS:
            raise Fault(f"a {type_name(key)} cannot be a key")
        return find(frame, value, key)
    if type(value) is list:
        at = _position(key)
        return (True, value[at]) if 0 <= at < len(value) else (False, None)
    if value is None:
        return False, None
    raise Fault(f"{type_name(value)} has no fields or elements")


def _position(key: Any) -> int:
    if type(key) is int or type(key) is Uint:
        return int(key)
    if type(key) is float and key.is_integer():
        return int(key)
    raise Fault(f"the index of a list must be a whole number, not {type_name(key)}")
