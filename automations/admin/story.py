"""A workflow told in sentences: what starts it, then its steps in order, with their conditions and owners."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from automations import kinds
from automations.engine import graph
from automations.engine.operators import OPERATORS, shown
from automations.engine.paths import read, show

LONGEST = 240
#: How an operator reads in "event.order.total … 100".
_READS = {
    "eq": "is", "ne": "is not", "in": "is one of", "not_in": "is none of", "contains": "contains",
    "not_contains": "does not contain", "starts_with": "starts with", "ends_with": "ends with", "matches": "matches",
    "exists": "is present", "missing": "is absent", "is_empty": "is empty", "is_true": "is true",
    "is_false": "is false", "before": "is before", "after": "is after", "within_last": "is within the last",
    "changed": "changed", "changed_to": "changed to",
}  # fmt: skip


@dataclass(slots=True)
class Part:
    """One line of the story; `tags` are (icon, text)."""

    key: str
    icon: str
    sentence: str
    kind: str = ""
    after: str = ""
    only: str = ""
    tags: list[tuple[str, str]] = field(default_factory=list)
    if_it_fails: str = ""


def triggers(document: Mapping[str, Any]) -> list[Part]:
    """What starts the workflow."""
    return [_trigger(part, document.get("conditions") or {}) for part in document.get("triggers") or ()]


def steps(document: Mapping[str, Any]) -> list[Part]:
    """The actions, each after what it needs, ties in document order."""
    actions = {part["key"]: part for part in document.get("actions") or ()}
    return [_step(actions[key], document.get("conditions") or {}) for key in _in_order(actions)]


def _in_order(actions: Mapping[str, Mapping[str, Any]]) -> list[str]:
    needs = {key: [need for need in part.get("needs") or () if need in actions] for key, part in actions.items()}
    return list(actions) if graph.cycle(needs) else graph.topological(needs)


def _trigger(part: Mapping[str, Any], conditions: Mapping[str, Any]) -> Part:
    kind = kinds.triggers[part["kind"]] if part.get("kind") in kinds.triggers else None
    told = Part(part["key"], kind.icon if kind else "extension", _sentence(kind, part), part.get("kind", ""))
    if part.get("filter"):
        told.only = condition(part["filter"], conditions)
    subject = part.get("subject") or {}
    if subject.get("type"):
        told.tags.append(("category", f"about one {subject['type']}"))
    if part.get("dedupe"):
        told.tags.append(("filter_1", f"once per {part['dedupe']}"))
    if part.get("contract"):
        told.tags.append(("verified", "payload checked"))
    return told


def _step(part: Mapping[str, Any], conditions: Mapping[str, Any]) -> Part:
    kind = kinds.actions[part["kind"]] if part.get("kind") in kinds.actions else None
    told = Part(part["key"], kind.icon if kind else "extension", _sentence(kind, part), part.get("kind", ""))
    told.after = " and ".join(part.get("needs") or ())
    told.if_it_fails = part.get("if_it_fails", "")
    if part.get("when"):
        told.only = condition(part["when"], conditions)
    if part.get("owner"):
        told.tags.append(("person", part["owner"]))
    risk = part.get("risk") or (kind.risk(part.get("config") or {}) if kind else "")
    if risk not in ("", "none"):
        told.tags.append(("shield", {"read": "only reads"}.get(risk, risk)))
    attempts = (part.get("retry") or {}).get("attempts")
    if attempts and attempts != 1:
        told.tags.append(("replay", f"up to {attempts} calls"))
    if part.get("on_failure") == "continue":
        told.tags.append(("fast_forward", "goes on if it fails"))
    if (part.get("replaces") or {}).get("step"):
        told.tags.append(("savings", f"replaces: {part['replaces']['step']}"))
    return told


def _sentence(kind: Any, part: Mapping[str, Any]) -> str:
    if kind is None:
        return f"Does something of the kind {part.get('kind')}, which this installation does not know"
    try:
        return kind.sentence(part.get("config") or {})
    except Exception:  # a draft may hold anything; the findings say what is wrong with it
        return kind.label


#: How the first part of a path is called on screens.
_NOUNS = {"triggers": "trigger", "actions": "step", "scenarios": "scenario", "conditions": "condition"}
_SETTINGS = {"config": "settings", "when": "only when", "filter": "only if", "needs": "after"}


def place(document: Mapping[str, Any], text: str) -> str:
    """Where a problem is, in people's words: `actions[1].config.path` is "step notify, settings: path"."""
    path = read(text) or ()
    if len(path) < 2 or path[0] not in _NOUNS:
        return text
    parts, name = document.get(str(path[0])) or [], path[1]
    if isinstance(parts, list) and isinstance(name, int) and name < len(parts):
        name = parts[name].get("key") or parts[name].get("name") or name + 1
    where = f"{_NOUNS[str(path[0])]} {name}"
    if len(path) == 2:
        return where
    setting, rest = _SETTINGS.get(str(path[2]), str(path[2])), show(path[3:])
    return f"{where}, {setting}" + (f": {rest}" if rest else "")


def condition(tree: Any, conditions: Mapping[str, Any]) -> str:
    """A condition as a phrase: `event.order.total > 100 and event.order.country is one of ["DE", "FR"]`."""
    text = _phrase(tree, conditions, 0)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _phrase(tree: Any, conditions: Mapping[str, Any], depth: int) -> str:
    if isinstance(tree, str):
        return _named(tree, conditions, depth)
    if not isinstance(tree, Mapping) or depth > 5:
        return "…"
    for group, word in (("all", " and "), ("any", " or "), ("none", " or ")):
        if group in tree:
            parts = tree[group] if isinstance(tree[group], list) else []
            text = word.join(_phrase(part, conditions, depth + 1) for part in parts)
            text = f"none of: {text}" if group == "none" else text
            return f"({text})" if depth and len(parts) > 1 else text
    if "field" in tree:
        return _leaf(tree)
    if "condition" in tree:
        return _named(str(tree["condition"]), conditions, depth)
    return str(tree.get("expression") or tree.get("use") or "always")


def _named(name: str, conditions: Mapping[str, Any], depth: int) -> str:
    plain = name.strip().removeprefix("not ").strip()
    if plain not in conditions:
        return name.strip()
    text = f"{plain}: {_phrase(conditions[plain], conditions, depth + 1)}"
    return f"not {text}" if name.strip().startswith("not ") else text


def _leaf(tree: Mapping[str, Any]) -> str:
    name = tree.get("operator")
    operator = OPERATORS.get(name) if isinstance(name, str) else None
    word = _READS.get(str(name)) or (operator.words if operator else str(name))
    value = f" {shown(tree['value'])}" if operator and operator.has_value and "value" in tree else ""
    return f"{tree['field']} {word}{value}"


def setting_hints(kind: Any) -> dict[str, Any]:
    """What a kind's settings are, from its schema: `{settings: [{name, meaning, required}], draft}` (draft: YAML)."""
    properties, required = kind.schema.get("properties") or {}, kind.schema.get("required") or []
    settings = []
    for name, schema in properties.items():
        words = [schema.get("title", ""), schema.get("description", "")]
        words += ["one of " + ", ".join(map(str, schema["enum"]))] if "enum" in schema else []
        meaning = ": ".join(word for word in words if word)
        settings.append({"name": name, "meaning": meaning, "required": name in required})
    draft = "".join(f"{name}: {_example(properties.get(name, {}))}\n" for name in required)
    return {"settings": settings, "draft": draft.rstrip("\n")}


def _example(schema: Mapping[str, Any]) -> str:
    if "default" in schema:
        return str(schema["default"])
    if schema.get("enum"):
        return str(schema["enum"][0])
    return {"object": "{}", "array": "[]"}.get(str(schema.get("type")), '""')
