"""What a simulated step answers: the sample given, an injected failure, or what its kind or schema says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from automations.engine.cel import Open
from automations.engine.errors import StepError
from automations.engine.paths import Path, show
from automations.kinds import OPEN, ActionKind, Call


@dataclass(frozen=True, slots=True)
class Sample:
    value: Any


def given(outputs: Mapping[str, Any], key: str) -> Sample | StepError | None:
    """What a test says about this step: `sample`, or `{error: …}`, an injected failure."""
    if key not in outputs:
        return None
    value = outputs[key]
    if isinstance(value, Mapping) and set(value) == {"error"}:
        return injected(value["error"])
    return Sample(value)


def injected(error: Any) -> StepError:
    """The failure of `{error: {status: 500}}`, `{error: {type, message}}` or `{error: text}`; it is never retried."""
    said = dict(error) if isinstance(error, Mapping) else {"message": str(error)} if error else {}
    status, message = said.pop("status", None), said.pop("message", "")
    kind = str(said.pop("type", "http_status" if status is not None else "injected"))
    if status is not None:
        said["status"] = status
    text = message if isinstance(message, str) else repr(message)
    if not text:
        text = f"The receiver answered {status}." if status is not None else "A failure was injected."
    return StepError(kind, text, retryable=False, cause="injected", context=said)


def simulated(kind: ActionKind, call: Call) -> Any:
    """What the kind itself would answer, else what its schema says; unknown parts are `Open`."""
    answer = kind.simulate(call)
    return derive(kind.output_schema, ("steps", call.step, "output")) if answer is OPEN else answer


def derive(schema: Any, path: Path) -> Any:
    """The value a JSON Schema gives by const, default or example, part by part; what it leaves open is `Open`.

    A bare type says nothing about the value: inventing a 0 or "" would let a decision rest on it.
    """
    if not isinstance(schema, Mapping):
        return Open(show(path))
    for name in ("const", "default", "example"):
        if name in schema:
            return schema[name]
    for name in ("examples", "enum"):
        values = schema.get(name)
        if isinstance(values, list) and values and (name == "examples" or len(values) == 1):
            return values[0]
    properties = schema.get("properties") or {}
    parts = {name: derive(part, (*path, name)) for name, part in properties.items()}
    return parts if any(not isinstance(part, Open) for part in parts.values()) else Open(show(path))


def computed(output: Any, opens: tuple[str, ...], path: Path) -> Any:
    """A pure kind's output, computed over markers: what rests on an open value is open itself.

    Where no marker shows which part does, all of it is.
    """
    if not opens or output in (None, {}, []):
        return output
    marks = {f"‹{name}›": name for name in opens}
    opened, found = _reopen(output, marks, path)
    return opened if found else Open(show(path))


def _reopen(value: Any, marks: Mapping[str, str], path: Path) -> tuple[Any, bool]:
    if isinstance(value, str):
        if value in marks:
            return Open(marks[value]), True
        return (Open(show(path)), True) if any(mark in value for mark in marks) else (value, False)
    if isinstance(value, Mapping):
        parts = {key: _reopen(part, marks, (*path, str(key))) for key, part in value.items()}
        return {key: part for key, (part, _) in parts.items()}, any(found for _, found in parts.values())
    if isinstance(value, list):
        items = [_reopen(part, marks, (*path, index)) for index, part in enumerate(value)]
        return [part for part, _ in items], any(found for _, found in items)
    return value, False
