"""What differs between two definition documents, by path; triggers, actions and scenarios are matched by their keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from automations.engine.paths import Path, show

KEYED = {"triggers": "key", "actions": "key", "scenarios": "name"}


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[dict[str, Any]]:
    """`[{path, before?, after?}]`; what was added has no `before`, what was removed no `after`."""
    return between(_keyed(before), _keyed(after))


def between(before: Any, after: Any) -> list[dict[str, Any]]:
    """The same for any two JSON values; a list differs as a whole."""
    return [
        {"path": path} | ({} if old is _ABSENT else {"before": old}) | ({} if new is _ABSENT else {"after": new})
        for path, old, new in _between(before, after, ())
    ]


_ABSENT: Any = object()


def _keyed(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document with its lists as objects by key, so that a step that moved is the same step."""
    lists = {name: {part[key]: part for part in document.get(name) or ()} for name, key in KEYED.items()}
    return {**document, **{name: parts for name, parts in lists.items() if parts}}


def _between(old: Any, new: Any, path: Path) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in [*old, *(key for key in new if key not in old)]:
            yield from _between(old.get(key, _ABSENT), new.get(key, _ABSENT), (*path, key))
    elif type(old) is not type(new) or old != new:
        yield show(path), old, new
