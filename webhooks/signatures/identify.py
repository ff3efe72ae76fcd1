"""The sender's own id of a message, from a header or from the (already proven) body. Never raises."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from .verdict import Delivery

MAX_ID = 255  # characters; what a database column holds


def usable_id(value: object) -> str | None:
    """A non-empty text of at most MAX_ID printable characters, or None.

    Longer or unprintable ids (NUL, lone surrogates: PostgreSQL stores neither) become their digest,
    so two different ids never meet.
    """
    if not isinstance(value, str) or not value:
        return None
    if len(value) <= MAX_ID and value.isprintable():
        return value
    return "sha256:" + hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()


def header_id(delivery: Delivery, *names: str) -> str | None:
    """The first of these headers that is filled; the quotes of a structured-field string are taken off."""
    for name in names:
        value = delivery.header(name)
        if len(value) > 2 and value[0] == value[-1] == '"':
            value = value[1:-1]
        if value:
            return value
    return None


def body_id(body: bytes, *path: str) -> str | None:
    """The text at this path of a JSON body, or None. For bodies whose signature has passed only."""
    node: Any = parsed(body)
    for key in path:
        node = node.get(key) if isinstance(node, Mapping) else None
    return node if isinstance(node, str) else None


def parsed(body: bytes) -> Any:
    """The JSON value, or None: wrong encodings, depth bombs and 5,000-digit numbers included."""
    try:
        return json.loads(body.decode("utf-8-sig"))
    except (ValueError, RecursionError, MemoryError):
        return None


def general_id(delivery: Delivery) -> str | None:
    """For senders without an id of their own: the option `dedupe_header`, else `Idempotency-Key`, else a
    CloudEvent's source and id (binary or structured mode).

    Sources: draft-ietf-httpapi-idempotency-key-header-07; CloudEvents 1.0 HTTP binding.
    """
    configured = delivery.options.get("dedupe_header")
    if configured:
        return header_id(delivery, str(configured))
    return header_id(delivery, "Idempotency-Key") or _event_id(delivery)


def _event_id(delivery: Delivery) -> str | None:
    source: Any
    key: Any
    source, key = delivery.header("ce-source"), delivery.header("ce-id")
    if not (source and key) and delivery.header("content-type").lower().startswith("application/cloudevents+json"):
        event = parsed(delivery.body)
        if not isinstance(event, Mapping):
            return None
        source, key = event.get("source"), event.get("id")
    if isinstance(source, str) and isinstance(key, str) and source and key:
        return f"{source} {key}"
    return None
