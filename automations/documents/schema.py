"""JSON Schema of the definition document: for editors, and for whoever writes definitions by program."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from automations.documents.columns import WORKFLOW
from automations.engine.operators import OPERATORS
from automations.engine.parts import RISKS
from automations.engine.schema import relaxed
from automations.kinds import actions, triggers

KEY = {"type": "string", "pattern": "^[a-z][a-z0-9_]{0,59}$"}
TEXT = {"type": "string"}
TEXTS = {"type": "array", "items": {"type": "string", "minLength": 1}}
DURATION = {"type": "string", "pattern": "^[0-9]{1,12}(ms|s|m|h|d)$", "examples": ["500ms", "2s", "1h"]}
EXPRESSION = {"type": "string", "minLength": 1, "description": "CEL"}
KEYS = {"type": "array", "items": {"$ref": "#/$defs/key"}}
CONDITION = {"$ref": "#/$defs/condition"}


def _object(properties: Mapping[str, Any], required: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": dict(properties), "additionalProperties": False, **more}
    return schema | ({"required": list(required)} if required else {})


def definition_schema() -> dict[str, Any]:
    """JSON Schema 2020-12. What it accepts has the right form; references and expressions are checked on saving."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Workflow definition",
        **_object(_top(), ("workflow",)),
        "$defs": {
            "key": KEY,
            "duration": DURATION,
            "condition": _condition(),
            "retry": _retry(),
            "approval": _approval(),
        },
    }


def _top() -> dict[str, Any]:
    own = dict.fromkeys(WORKFLOW, TEXT) | {
        "mode": {"enum": ["draft", "simulate", "execute"]},
        "tags": TEXTS,
        "priority": {"type": "integer", "minimum": 0, "maximum": 9},
        "timeout": {"$ref": "#/$defs/duration"},
        "concurrency": _object(
            {
                "limit": {"type": "integer", "minimum": 1},
                "key": EXPRESSION,
                "on_limit": {"enum": ["queue", "skip", "cancel_oldest"]},
                "count": {"enum": ["open", "active"]},
            }
        ),
        "sla": _object({"run": {"$ref": "#/$defs/duration"}, "subject": {"$ref": "#/$defs/duration"}}),
        "retention": {"$ref": "#/$defs/duration"},
        "sensitive": TEXTS,
        "encrypt": {"enum": ["payloads"]},
        "alerts": _alerts(),
    }
    return {
        "workflow": {"type": "string", "pattern": "^[a-z0-9][a-z0-9-]*$", "maxLength": 100},
        **own,
        "triggers": {"type": "array", "items": _trigger()},
        "conditions": {
            "type": "object",
            "additionalProperties": {"anyOf": [CONDITION, _object({"use": TEXT}, ("use",))]},
        },
        "actions": {"type": "array", "items": _action()},
        "scenarios": {"type": "array", "items": _scenario()},
    }


def _alerts() -> dict[str, Any]:
    share = {"type": "number", "minimum": 0, "maximum": 1}
    count = {"type": "integer", "minimum": 1}
    duration = {"$ref": "#/$defs/duration"}
    return _object(
        {
            "failure_rate": share,
            "consecutive_failures": count,
            "silent_for": {"anyOf": [{"const": "auto"}, duration]},
            "duration_p95": duration,
            "queue_age": duration,
            "dead_letters": count,
            "unknown_rate": share,
            "notify": TEXTS,
        }
    )


def _by_kind(kinds: Mapping[str, Any], *, templates: bool) -> list[dict[str, Any]]:
    """One rule per kind: with this kind, config has this form. What is missing is no error of form."""
    rules = []
    for kind in kinds.values():
        schema = {key: value for key, value in kind.schema.items() if key not in ("required", "anyOf", "oneOf")}
        config = relaxed(schema) if templates else schema
        rules.append({"if": {"properties": {"kind": {"const": kind.name}}}, "then": {"properties": {"config": config}}})
    return rules


def _trigger() -> dict[str, Any]:
    return _object(
        {
            "key": {"$ref": "#/$defs/key"},
            "kind": {"enum": list(triggers)},
            "config": {"type": "object"},
            "filter": {"anyOf": [EXPRESSION, CONDITION]},
            "dedupe": EXPRESSION,
            "subject": _object({"type": TEXT, "key": EXPRESSION}),
            "contract": {"type": ["object", "boolean"], "description": "JSON Schema of the payload."},
            "debounce": {"$ref": "#/$defs/duration"},
            "throttle": _object({"count": {"type": "integer", "minimum": 1}, "per": {"$ref": "#/$defs/duration"}}),
        },
        ("key", "kind"),
        allOf=_by_kind(triggers, templates=False),
    )


def _action() -> dict[str, Any]:
    when = {"anyOf": [TEXT, CONDITION]}
    duration = {"$ref": "#/$defs/duration"}
    common = {
        "kind": {"enum": list(actions)},
        "config": {"type": "object"},
        "retry": {"$ref": "#/$defs/retry"},
        "timeout": duration,
        "patience": duration,
        "risk": {"enum": list(RISKS)},
        "safety": {"enum": ["safe", "keyed", "unsafe", "exactly_once"]},
        "owner": TEXT,
        "if_it_fails": TEXT,
    }
    own = {
        "needs": KEYS,
        "join": {"anyOf": [{"enum": ["all", "any"]}, {"type": "integer", "minimum": 1}]},
        "after_skip": {"enum": ["skip", "run"]},
        "when": when,
        "on_unknown": {"enum": ["fail", "skip"]},
        "for_each": EXPRESSION,
        "parallel": {"type": "integer", "minimum": 1, "maximum": 1000},
        "repeat": _object({"until": EXPRESSION, "every": duration, "max": {"type": "integer", "minimum": 1}}),
        "valid_for": duration,
        "approval": {"$ref": "#/$defs/approval"},
        "cap": _object(
            {
                "count": {"type": "integer", "minimum": 1},
                "per": duration,
                "sum": EXPRESSION,
                "max_sum": {"type": "number", "minimum": 0},
            }
        ),
        "replaces": _object({"step": TEXT, "minutes": {"type": "number", "minimum": 0}}),
        "on_failure": {"enum": ["stop", "continue", "compensate"]},
        "compensate": _object(common, ("kind",)),
    }
    by_kind = _by_kind(actions, templates=True)
    return _object({"key": {"$ref": "#/$defs/key"}, **common, **own}, ("key", "kind"), allOf=by_kind)


def _scenario() -> dict[str, Any]:
    expect = _object(
        {
            "matched": {"type": "boolean"},
            "refused": {"type": "boolean"},
            "candidates": KEYS,
            "skipped": KEYS,
            "blocked": KEYS,
            "status": {"enum": ["succeeded", "failed"]},
            "outputs": {"type": "object"},
        }
    )
    return _object(
        {
            "name": {"type": "string", "maxLength": 200},
            "trigger": TEXT,
            "payload": {},
            "headers": {"type": "object"},
            "as_user": TEXT,
            "outputs": {"type": "object"},
            "expect": expect,
        }
    )


def _condition() -> dict[str, Any]:
    inner = {"type": "array", "items": {"$ref": "#/$defs/condition"}, "minItems": 1}
    groups = [_object({name: inner}, (name,)) for name in ("all", "any", "none")]
    field = {"field": TEXT, "operator": {"enum": list(OPERATORS)}, "value": {}}
    leaves = [
        _object(field, ("field", "operator")),
        _object({"expression": EXPRESSION}, ("expression",)),
        _object({"condition": TEXT}, ("condition",)),
        _object({"always": {"type": "boolean"}}, ("always",)),
    ]
    return {"anyOf": [*groups, *leaves]}


def _retry() -> dict[str, Any]:
    duration = {"$ref": "#/$defs/duration"}
    return _object(
        {
            "attempts": {"type": "integer", "minimum": 1, "maximum": 100},
            "delay": duration,
            "factor": {"type": "number", "minimum": 1, "maximum": 100},
            "max_delay": duration,
            "jitter": {"type": "boolean"},
        }
    )


def _approval() -> dict[str, Any]:
    duration = {"$ref": "#/$defs/duration"}
    return _object(
        {
            "approvers": TEXTS,
            "quorum": {"type": "integer", "minimum": 1, "maximum": 100},
            "when": {"anyOf": [TEXT, CONDITION]},
            "expires": duration,
            "on_expiry": {"enum": ["reject", "escalate"]},
            "remind": duration,
            "escalate_to": TEXTS,
        }
    )
