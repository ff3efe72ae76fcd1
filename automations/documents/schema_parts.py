"""Small parts of a JSON Schema, each with words for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Schema = dict[str, Any]


def shape(properties: Mapping[str, Any], required: Iterable[str] = (), **more: Any) -> Schema:
    schema = {"type": "object", "properties": dict(properties), "additionalProperties": False, **more}
    return schema | ({"required": list(required)} if required else {})


def told(schema: Mapping[str, Any], description: str) -> Schema:
    return {**schema, "description": description}


def ref(name: str, description: str = "") -> Schema:
    return {"$ref": f"#/$defs/{name}"} | ({"description": description} if description else {})


def text(description: str, **more: Any) -> Schema:
    return {"type": "string", "description": description, **more}


def texts(description: str) -> Schema:
    return {"type": "array", "items": {"type": "string", "minLength": 1}, "description": description}


def whole(description: str, low: int = 1, high: int | None = None) -> Schema:
    limits = {"minimum": low} | ({} if high is None else {"maximum": high})
    return {"type": "integer", **limits, "description": description}


def number(description: str, low: float = 0, high: float | None = None) -> Schema:
    limits: Schema = {"minimum": low} | ({} if high is None else {"maximum": high})
    return {"type": "number", **limits, "description": description}


def choice(description: str, *options: str, default: str = "") -> Schema:
    return {"enum": list(options), "description": description} | ({"default": default} if default else {})


def keys(description: str) -> Schema:
    return {"type": "array", "items": ref("key"), "uniqueItems": True, "description": description}


def any_object(description: str) -> Schema:
    return {"type": "object", "description": description}
