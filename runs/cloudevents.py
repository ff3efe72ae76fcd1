"""Events that a client sends: CloudEvents 1.0 (structured, binary, batch), or `{type, payload, dedupe_key}`."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from django.core.exceptions import PermissionDenied

from automations.engine import times
from automations.engine.json_core import loads_json
from automations.refusals import Invalid, Refusal
from runs.dispatch import Dispatched, publish

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
PLAIN = ("type", "payload", "dedupe_key")


class NotUnderstood(Refusal):
    """Send application/json, application/cloudevents+json or application/cloudevents-batch+json."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """One event, checked. `dedupe` is (scope, key)."""

    type: str
    payload: Any
    source: str = "api"
    attributes: Mapping[str, Any] = field(default_factory=dict)
    dedupe: tuple[str, str] | None = None


def accept(content_type: str, headers: Mapping[str, str], body: bytes, *, by: Any) -> list[Dispatched]:
    """Store what was sent and start what listens to it; one answer per event.

    Needs the Django permission `automations_runs.add_event`. Raises PermissionDenied, Invalid, UnreadableError,
    NotUnderstood. Nothing is stored unless all of it is right.
    """
    if by is not None and not by.has_perm("automations_runs.add_event"):
        raise PermissionDenied("You may not send events.")
    return [
        publish(
            route=f"event:{event.type}",
            payload=event.payload,
            type=event.type,
            source=event.source,
            attributes=event.attributes,
            dedupe=event.dedupe,
            started_by=getattr(by, "pk", None),
        )
        for event in read(content_type, headers, body)
    ]


def is_batch(content_type: str) -> bool:
    return _media_type(content_type) == BATCH


def read(content_type: str, headers: Mapping[str, str], body: bytes) -> list[Incoming]:
    """The events in a request. `headers` are found in any case. Raises Invalid, UnreadableError, NotUnderstood."""
    media_type, names = _media_type(content_type), {name.lower(): value for name, value in headers.items()}
    if media_type == BATCH:
        items = loads_json(body)
        if not isinstance(items, list) or not items:
            raise Invalid.at("", "A batch is a list of events that is not empty.")
        return [_structured(item, f"[{index}]") for index, item in enumerate(items)]
    if media_type == STRUCTURED:
        return [_structured(loads_json(body), "")]
    is_json = media_type in ("", "application/json") or media_type.endswith("+json")
    if "ce-specversion" in names:
        return [_binary(names, body, media_type, is_json)]
    if not is_json:
        raise NotUnderstood
    return [_plain(loads_json(body) if body else None)]


def _media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _plain(data: Any) -> Incoming:
    if isinstance(data, dict) and "specversion" in data:
        return _structured(data, "")  # a CloudEvent, sent with the usual content type
    if not isinstance(data, dict):
        raise Invalid.at("", "An event is an object: {type, payload, dedupe_key}.")
    unknown = [(str(name)[:100], "This is not known here.") for name in data if name not in PLAIN]
    if unknown:
        raise Invalid(errors=unknown)
    type, key = _text(data, "type", "", limit=200), data.get("dedupe_key")
    if key is not None and (not isinstance(key, str) or not 0 < len(key) <= 300):
        raise Invalid.at("dedupe_key", "This must be text of 1 to 300 characters.")
    return Incoming(type, data.get("payload", {}), dedupe=("api", key) if key else None)


def _structured(data: Any, path: str) -> Incoming:
    if not isinstance(data, dict):
        raise Invalid.at(path, "A CloudEvent is an object.")
    if "data" in data and "data_base64" in data:
        raise Invalid.at(_join(path, "data_base64"), "An event has data or data_base64, not both.")
    attributes = {name: value for name, value in data.items() if name not in ("data", "data_base64")}
    for name, value in attributes.items():
        if not isinstance(value, str | int | bool):
            raise Invalid.at(_join(path, name), "An attribute is text, a whole number, true or false.")
    return _event(attributes, data.get("data", data.get("data_base64")), path)


def _binary(names: Mapping[str, str], body: bytes, media_type: str, is_json: bool) -> Incoming:
    attributes = {name[3:]: unquote(value) for name, value in names.items() if name.startswith("ce-")}
    if media_type:
        attributes["datacontenttype"] = media_type
    if not body:
        return _event(attributes, None, "")
    if is_json:
        return _event(attributes, loads_json(body), "")
    try:
        return _event(attributes, body.decode("utf-8"), "")
    except UnicodeDecodeError:
        raise Invalid.at("", "The data is neither JSON nor text.") from None


def _event(attributes: Mapping[str, Any], payload: Any, path: str) -> Incoming:
    if attributes.get("specversion") != "1.0":
        raise Invalid.at(_join(path, "specversion"), "Only 1.0 is understood.")
    type, source = _text(attributes, "type", path, limit=200), _text(attributes, "source", path, limit=1000)
    id, at = _text(attributes, "id", path, limit=1000), attributes.get("time")
    if at is not None and (not isinstance(at, str) or times.parse(at) is None):
        raise Invalid.at(_join(path, "time"), "This is not a time like 2026-01-31T08:00:00Z.")
    # source + id identify an event (CloudEvents 1.0, 3.1.1); the digest fits the column whatever their length.
    digest = hashlib.sha256(f"{source}\n{id}".encode()).hexdigest()
    return Incoming(type, payload, source, attributes, ("cloudevents", digest))


def _text(data: Mapping[str, Any], name: str, path: str, *, limit: int) -> str:
    value = data.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= limit:
        raise Invalid.at(_join(path, name), f"This must be text of 1 to {limit} characters.")
    return value


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
