"""Checks a kind's config against its JSON Schema; a template may stand wherever a value is expected."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import jsonschema_rs

from automations.engine.findings import Findings
from automations.engine.operators import shown, type_name
from automations.engine.paths import Path, suggestion
from automations.engine.templates import has_template, is_template

_NAMED_PLACES = {"endpoint", "connection"}
_SCHEMA_MAPS = {"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"}
_SCHEMA_LISTS = {"allOf", "anyOf", "oneOf", "prefixItems"}
_SCHEMAS = {"items", "additionalProperties", "unevaluatedProperties", "contains", "then", "else", "additionalItems"}


class SchemaError(ValueError):
    """This is not a JSON Schema; the message says why."""


def _refuse(uri: str) -> Any:
    raise ValueError(f"{uri} is elsewhere, and schemas are never fetched")


def validator(schema: Any) -> Any:
    """Return a validator (`.is_valid(x)`, `.iter_errors(x)`); nothing is fetched, patterns run in linear time."""
    try:
        return jsonschema_rs.validator_for(
            schema, retriever=_refuse, validate_formats=True, pattern_options=jsonschema_rs.RegexOptions()
        )
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError, TypeError) as error:
        raise SchemaError(getattr(error, "message", str(error)).split("\n")[0]) from None


@lru_cache(maxsize=256)
def _validators(text: str) -> tuple[Any, Any]:
    schema = json.loads(text)
    return validator(schema), validator(relaxed(schema))


def relaxed(schema: Any) -> Any:
    """Return the schema that also accepts a template at every place of a value.

    `oneOf` becomes `anyOf`, because a template may later become any of them.
    """
    if isinstance(schema, bool):
        return schema
    words = {name: schema[name] for name in ("title", "description", "default", "examples") if name in schema}
    return {"anyOf": [{"type": "string", "pattern": r"\{\{"}, _relaxed_inside(schema)], **words}


def _relaxed_inside(schema: Mapping[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in schema.items():
        if key in _SCHEMA_MAPS and isinstance(value, Mapping):
            result[key] = {name: relaxed(item) for name, item in value.items()}
        elif key in _SCHEMA_LISTS and isinstance(value, list):
            branches = [relaxed(item) for item in value]
            if key == "oneOf":
                result.setdefault("allOf", []).append({"anyOf": branches})
            elif key == "allOf":
                result.setdefault("allOf", []).extend(branches)
            else:
                result[key] = branches
        elif key in _SCHEMAS:
            result[key] = relaxed(value)
        else:
            result[key] = value
    return result


def check_config(
    config: Mapping[str, Any], schema: Mapping[str, Any], path: Path, findings: Findings, *, templates: bool
) -> bool:
    """Note what does not fit the schema: what is missing or left empty is incomplete, the rest is wrong.

    Return whether nothing was wrong, so that a kind may look at the config itself.
    """
    strict, loose = _validators(json.dumps(schema, sort_keys=True))
    filled = _without_empty(config, schema)
    errors = list(strict.iter_errors(filled))
    if templates and errors and has_template(filled):
        if loose.is_valid(filled):
            return True
        firm = [error for error in errors if not is_template(_at(filled, error.instance_path))]
        errors = firm or list(loose.iter_errors(filled))
    noted = [_note(error, config, schema, path, findings) for error in errors]
    return all(noted)


def _without_empty(config: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out settings that a form left empty, so that they count as missing and not as wrong."""
    wanted = _required(schema) | _NAMED_PLACES
    return {key: value for key, value in config.items() if not (value is None or (value == "" and key in wanted))}


def _required(schema: Mapping[str, Any]) -> set[str]:
    names = set(schema.get("required", ()))
    for key in ("allOf", "anyOf", "oneOf"):
        for branch in schema.get(key, ()):
            names |= _required(branch) if isinstance(branch, Mapping) else set()
    return names


def _at(value: Any, path: list[Any]) -> Any:
    for part in path:
        value = value[part]
    return value


def _note(error: Any, config: Mapping[str, Any], schema: Mapping[str, Any], path: Path, findings: Findings) -> bool:
    """Note one error; return whether it is merely incomplete."""
    place = (*path, *error.instance_path)
    kind, value = error.kind.name, _at(config, error.instance_path)
    if kind == "required":
        key = error.kind.property
        state = "is empty" if not error.instance_path and key in config else "is missing"
        findings.incomplete((*place, key), f"The setting “{key}” {state}.", _words(_around(schema, error), key))
        return True
    if kind in {"anyOf", "oneOf"} and (ways := _missing_ways(error)):
        findings.incomplete(place, f"Something is missing: needed is {' or '.join(ways)}.")
        return True
    if kind in {"additionalProperties", "unevaluatedProperties"}:
        known = _around(schema, error).get("properties", {})
        for key in error.kind.unexpected:
            findings.wrong((*place, key), f"“{key}” is not known here.", suggestion(key, known))
    elif kind == "enum":
        options = [option for option in error.kind.options if isinstance(option, str)]
        findings.wrong(place, f"{shown(value)} is not possible here.", suggestion(str(value), options))
    else:
        findings.wrong(place, _told(error, value))
    return False


_TYPES = {
    "string": "text", "number": "a number", "integer": "a whole number", "boolean": "true or false", "array": "a list",
    "object": "an object", "null": "null",
}  # fmt: skip


def _told(error: Any, value: Any) -> str:
    """What is wrong, and what would be right."""
    kind = error.kind.name
    branches = [inner for branch in getattr(error.kind, "context", ()) for inner in branch]
    types = error.kind.types if kind == "type" else [name for inner in branches for name in _types(inner, error)]
    if types and (kind == "type" or all(_types(inner, error) for inner in branches)):
        needed = " or ".join(dict.fromkeys(_TYPES.get(name, name) for name in types))
        return f"This is {type_name(value)} ({shown(value)}), needed {needed}."
    if kind in {"anyOf", "oneOf"} and branches:
        return f"No way of writing this fits: {'; '.join(dict.fromkeys(inner.message for inner in branches))}"[:500]
    if kind == "minItems":
        return f"This has {len(value)} items, needed at least {error.kind.limit}."
    return str(error.message)[:500]


def _types(inner: Any, outer: Any) -> list[str]:
    same_place = list(inner.instance_path) == list(outer.instance_path)
    return list(inner.kind.types) if inner.kind.name == "type" and same_place else []


def _around(schema: Mapping[str, Any], error: Any) -> Mapping[str, Any]:
    """The part of the schema that an error is about."""
    node: Any = schema
    for part in list(error.schema_path)[:-1]:
        try:
            node = node[part]
        except (KeyError, IndexError, TypeError):
            return {}
    return node if isinstance(node, Mapping) else {}


def _words(schema: Mapping[str, Any], key: str) -> str:
    """What stands in the schema for people who have to fill this in."""
    words = schema.get("properties", {}).get(key)
    told = words.get("description") or words.get("title") if isinstance(words, Mapping) else ""
    return f"Add {key}: {told.rstrip('.')}." if told else f"Add {key}."


def _missing_ways(error: Any) -> list[str]:
    """Return the ways to complete what no branch accepts, [] if some branch fails for another reason only."""
    ways = []
    for branch in getattr(error.kind, "context", ()):
        if branch and all(inner.kind.name == "required" for inner in branch):
            ways.append(" and ".join(f"“{inner.kind.property}”" for inner in branch))
    return ways
