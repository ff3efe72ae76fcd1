"""JSON Schema of the definition document: for editors, and for whoever writes definitions by program.

It says what form a complete document has: what a strict import accepts. References, expressions and rights are looked
at when it is saved.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from automations.documents.schema_parts import (
    Schema,
    any_object,
    choice,
    keys,
    number,
    ref,
    shape,
    text,
    texts,
    told,
    whole,
)
from automations.engine.durations import RIGHT as DURATIONS
from automations.engine.limits import ACTIONS
from automations.engine.operators import OPERATORS, Operator
from automations.engine.parts import RISKS, SAFETIES, RulesPlace
from automations.engine.schema import relaxed
from automations.kinds import actions, triggers

KEY_PATTERN = "^[a-z][a-z0-9_]{0,59}$"
#: A text that holds a template may stand for a value of any type.
TEMPLATE = {"type": "string", "pattern": r"\{\{"}
#: JSON types of a rule's value → operators.
VALUES = {
    "number": ("gt", "gte", "lt", "lte"),
    "array": ("in", "not_in"),
    "string": ("starts_with", "ends_with", "matches", "before", "after", "within_last"),
    "string number boolean null": ("contains", "not_contains"),
}


def definition_schema() -> Schema:
    """JSON Schema 2020-12, with this installation's kinds."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Workflow definition",
        "description": "What should happen, when, and who answers for it. A key that holds null counts as left out.",
        **shape(_top(), ("workflow",)),
        "$defs": {
            "key": {"type": "string", "pattern": KEY_PATTERN, "description": "Small letters, digits and _."},
            "duration": {
                "type": "string",
                "pattern": "^[0-9]{1,12}(ms|s|m|h|d)$",
                "examples": ["500ms", "2s", "10m", "1h", "7d"],
                "description": DURATIONS,
            },
            "expression": {"type": "string", "minLength": 1, "description": "An expression (CEL)."},
            "condition": _condition(),
            "rule": told(
                {"anyOf": [{"type": "string", "minLength": 1}, ref("condition")]},
                "A condition's name, `not NAME`, or a condition tree.",
            ),
            "retry": _retry(),
            "approval": _approval(),
            "cap": _cap(),
        },
    }


# The document ------------------------------------------------------------------------------------------------------


def _top() -> Schema:
    return {
        "workflow": text("The slug: small letters, digits and -.", pattern="^[a-z0-9][a-z0-9-]*$", maxLength=100),
        "name": text("For people; the slug where it is missing.", maxLength=200),
        "description": text("What it is for."),
        "process": text("The business process it belongs to.", maxLength=100),
        "owner": text("Username of whoever answers for it."),
        "deputy": text("Username of whoever stands in for the owner."),
        "team": text("Name of a group."),
        "run_as": text("Username whose permissions the actions use."),
        "mode": choice("Read only when the workflow is created: draft or simulate.", "draft", "simulate", "execute"),
        "tags": texts("Words to find it by."),
        "priority": {**whole("0 to 9, 9 is most urgent.", 0, 9), "default": 5},
        "timeout": ref("duration", "Of a whole run."),
        "concurrency": _concurrency(),
        "sla": told(
            shape({"run": ref("duration", "A run's."), "subject": ref("duration", "From first sight of a subject.")}),
            "Promises; an alert opens when one is broken.",
        ),
        "retention": ref("duration", "How long finished runs are kept."),
        "sensitive": texts("Paths like event.customer.email: stored once, encrypted, and masked everywhere else."),
        "encrypt": choice("Whole payloads are encrypted at rest.", "payloads"),
        "runbook": text("What to do when it fails."),
        "alerts": _alerts(),
        "triggers": {"type": "array", "items": _trigger(), "description": "What starts it."},
        "conditions": _named_conditions(),
        "actions": {"type": "array", "items": _action(), "maxItems": ACTIONS, "description": "The steps, a graph."},
        "scenarios": {"type": "array", "items": _scenario(), "description": "Payloads with the expected outcome."},
    }


def _concurrency() -> Schema:
    properties = {
        "limit": whole("How many runs at a time."),
        "key": ref("expression", "The limit counts for each value of this expression."),
        "on_limit": choice("What to do beyond it.", "queue", "skip", "cancel_oldest", default="queue"),
        "count": choice("open: from start to end; active: only while performing.", "open", "active", default="open"),
    }
    return told(shape(properties, ("limit",)), "At most so many runs at a time.")


def _sla() -> Schema:
    properties = {"run": ref("duration", "Of a run."), "subject": ref("duration", "From first sight of a subject.")}
    return told(shape(properties), "Promises; an alert opens when one is broken.")


def _alerts() -> Schema:
    properties = {
        "failure_rate": number("Share of failed runs.", 0, 1),
        "consecutive_failures": whole("Failures in a row."),
        "silent_for": {
            "anyOf": [{"const": "auto"}, ref("duration")],
            "description": "Nothing has arrived for so long.",
        },
        "duration_p95": ref("duration", "95 of 100 runs take no longer."),
        "queue_age": ref("duration", "The oldest waiting run."),
        "dead_letters": whole("Open dead letters."),
        "unknown_rate": number("Share of filters that could not be decided.", 0, 1),
        "notify": texts("E-mail addresses."),
    }
    return told(shape(properties), "Thresholds, and who is told.")


def _named_conditions() -> Schema:
    shared = shape({"use": text("team/name of a shared condition.", pattern="./.")}, ("use",))
    own = {"type": "string", "minLength": 1, "description": "An expression, or another condition's name."}
    return {
        "type": "object",
        "propertyNames": {"pattern": KEY_PATTERN},
        "additionalProperties": {"anyOf": [own, shared, ref("condition")]},
        "description": "Named yes/no rules.",
    }


def _condition() -> Schema:
    inner = {"type": "array", "items": ref("condition"), "minItems": 1}
    groups = {"all": "Every one of them.", "any": "One of them at least.", "none": "Not one of them."}
    forms = [shape({name: told(inner, description)}, (name,)) for name, description in groups.items()]
    forms += [
        _rule(),
        shape({"expression": ref("expression", "An expression that gives true or false.")}, ("expression",)),
        shape({"condition": text("The name of another condition.")}, ("condition",)),
        shape({"always": {"type": "boolean", "description": "True: always; false: never."}}, ("always",)),
    ]
    return {"anyOf": forms, "description": "A yes/no rule: a group, or one comparison."}


def _rule() -> Schema:
    """One comparison; what `value` must be depends on the operator."""
    properties = {
        "field": text("A path like event.order.total or event.lines[0].sku.", minLength=1),
        "operator": {"enum": list(OPERATORS), "description": "How to compare."},
        "value": {"description": "With what; a template may compute it."},
    }
    rules = [_if("operator", name, _of_operator(operator)) for name, operator in OPERATORS.items()]
    return shape(properties, ("field", "operator"), allOf=rules)


def _of_operator(operator: Operator) -> Schema:
    if not operator.has_value:
        return {"properties": {"value": False}}
    types = next((types for types, names in VALUES.items() if operator.name in names), "")
    allowed = {"anyOf": [{"type": types.split()}, TEMPLATE]} if types else {}
    return {"required": ["value"], "properties": {"value": told(allowed, f"This operator takes {operator.takes}.")}}


def _if(name: str, value: str, then: Mapping[str, Any]) -> Schema:
    return {"if": {"properties": {name: {"const": value}}, "required": [name]}, "then": dict(then)}


# Triggers, actions, scenarios --------------------------------------------------------------------------------------


def _kind(kinds: Mapping[str, Any]) -> Schema:
    labels = [kind.label for kind in kinds.values()]
    return {"enum": list(kinds), "enumDescriptions": labels, "description": "What it is; its config depends on it."}


def _by_kind(kinds: Mapping[str, Any], *, templates: bool) -> list[Schema]:
    """One rule per kind: with this kind, config has this form."""
    rules = []
    for kind in kinds.values():
        config = relaxed(kind.schema)["anyOf"][1] if templates else dict(kind.schema)
        rules.append(_if("kind", kind.name, _config(kind, config)))
    return rules


def _config(kind: Any, config: Schema) -> Schema:
    rules: RulesPlace | None = getattr(kind, "rules", None)
    if rules:
        # Rows and their conditions are written out; only what they say may be computed.
        rows = config["properties"][rules.setting]["anyOf"][1]
        row = rows["items"]["anyOf"][1]
        row["properties"]["when"] = ref("rule", "When this row counts: a condition's name, `not NAME`, or a tree.")
        config["properties"][rules.setting] = {**rows, "items": row, "minItems": 1}
    needed = any(config.get(name) for name in ("required", "anyOf", "oneOf"))
    return {"properties": {"config": config}} | ({"required": ["config"]} if needed else {})


def _trigger() -> Schema:
    throttle = {"count": whole("How many runs."), "per": ref("duration", "In any time of this length.")}
    subject = {"type": text("As in order.", minLength=1), "key": ref("expression", "As in event.order.id.")}
    properties = {
        "key": ref("key"),
        "kind": _kind(triggers),
        "config": any_object("The kind's settings; templates are not filled in here."),
        "filter": told(
            {"anyOf": [ref("expression"), ref("condition")]},
            "Only what this is true for starts a run: an expression, a condition's name, or a tree.",
        ),
        "dedupe": ref("expression", "An event with the same value starts nothing again."),
        "subject": told(shape(subject, ("type", "key")), "The business object it is about."),
        "contract": {"type": ["object", "boolean"], "description": "JSON Schema of the payload."},
        "debounce": ref("duration", "Of events in quick succession only the last counts."),
        "throttle": told(shape(throttle, ("count", "per")), "At most so many runs in any such time."),
    }
    return shape(properties, ("key", "kind"), allOf=_by_kind(triggers, templates=False))


def _common() -> Schema:
    """What an action and a compensation share."""
    return {
        "kind": _kind(actions),
        "config": any_object("The kind's settings; texts may hold {{ expressions }}."),
        "retry": ref("retry", "Without it there is one call."),
        "timeout": ref("duration", "Of one call."),
        "patience": ref("duration", "How long it waits while its connection is broken off; 24h by default."),
        "risk": choice("What it may do; by kind and method where it is missing.", *RISKS),
        "safety": choice("May it be repeated? By kind where it is missing.", *SAFETIES),
        "owner": text("Who owns this piece of the process.", maxLength=150),
        "if_it_fails": text("What people should do then."),
    }


def _action() -> Schema:
    join = {"anyOf": [{"enum": ["all", "any"]}, whole("So many.")], "default": "all"}
    repeat = {
        "until": ref("expression", "Over `output`."),
        "every": ref("duration"),
        "max": whole("How often at most.", 1, 10_000),
    }
    replaces = {"step": text("The manual work.", minLength=1), "minutes": number("How long it took.", 0, 100_000)}
    rules = _by_kind(actions, templates=True)
    properties = {
        "key": ref("key"),
        "needs": keys("The actions before it."),
        "join": told(join, "How many of its needs must succeed."),
        "after_skip": choice("What to do when all its needs were skipped.", "skip", "run", default="skip"),
        "when": ref("rule", "Performed only when this is true: a condition's name, `not NAME`, or a tree."),
        "on_unknown": choice("What an undecidable step means.", "fail", "skip", default="fail"),
        "for_each": ref("expression", "A list: performed once for each item."),
        "parallel": whole("How many items at a time.", 1, 1000),
        "repeat": told(shape(repeat, ("until",)), "Performed again until this is true."),
        **_common(),
        "valid_for": ref("duration", "Later than that a replay must ask."),
        "approval": ref("approval", "Who decides before it is performed."),
        "cap": ref("cap", "Over it, it waits."),
        "replaces": told(shape(replaces, ("step",)), "The manual work this removes."),
        "on_failure": choice("What its failure means for the run.", "stop", "continue", "compensate", default="stop"),
        "compensate": told(shape(_common(), ("kind",), allOf=rules), "Undoes this action; may read its output."),
    }
    return shape(properties, ("key", "kind"), allOf=rules)


def _scenario() -> Schema:
    expect = {
        "matched": {"type": "boolean", "description": "Whether a trigger fires."},
        "refused": {"type": "boolean", "description": "Whether the contract refuses the payload."},
        "candidates": keys("Exactly these steps would be performed."),
        "skipped": keys("Exactly these steps are skipped."),
        "blocked": keys("Exactly these steps cannot be decided."),
        "status": choice("How the run ends.", "succeeded", "failed"),
        "outputs": any_object("By step, a part of its output."),
    }
    properties = {
        "name": text("What it shows.", minLength=1, maxLength=200),
        "trigger": text("Which trigger is asked; all where it is missing."),
        "payload": {"description": "What arrives."},
        "headers": any_object("As the trigger would see them."),
        "as_user": text("Who starts it; the account probe where it is missing.", maxLength=150),
        "outputs": any_object("Samples by step, or {error: …}."),
        "expect": told(shape(expect), "What is not named is not checked."),
    }
    return shape(properties, ("name",))


def _retry() -> Schema:
    properties = {
        "attempts": whole("Calls in all, the first included.", 1, 100),
        "delay": ref("duration", "Before the second call; 2s by default."),
        "factor": number("By which each delay is longer than the one before; 2 by default.", 1, 100),
        "max_delay": ref("duration", "10m by default."),
        "jitter": {"type": "boolean", "description": "Spread the calls; true by default."},
    }
    return shape(properties, ("attempts",))


def _approval() -> Schema:
    properties = {
        "approvers": texts("Users or groups by name."),
        "quorum": whole("How many must approve.", 1, 100),
        "when": ref("rule", "Asked only when this is true."),
        "expires": ref("duration"),
        "on_expiry": choice("What happens then.", "reject", "escalate", default="reject"),
        "remind": ref("duration"),
        "escalate_to": texts("Users or groups by name."),
    }
    return shape(properties, ("approvers",))


def _cap() -> Schema:
    properties = {
        "count": whole("How often."),
        "per": ref("duration", "In any time of this length."),
        "sum": ref("expression", "What is added up, as in event.order.total."),
        "max_sum": number("The most it may come to."),
    }
    return shape(properties, ("per",), dependentRequired={"sum": ["max_sum"], "max_sum": ["sum"]})
