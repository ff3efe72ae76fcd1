"""The JSON Schema of definitions: what it accepts can be imported, what it refuses cannot."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings

from automations import kinds
from automations.documents import read_text
from automations.documents.schema import definition_schema
from automations.engine.action_reader import ACTION_KEYS, COMPENSATION_KEYS
from automations.engine.operators import OPERATORS
from automations.engine.plan import TOP_KEYS, check
from automations.engine.stewardship import ALERT_KEYS, EXPECT_KEYS, SCENARIO_KEYS
from automations.engine.trigger_reader import TRIGGER_KEYS
from tests.automations.definitions import documents, orders

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = sorted((ROOT / "webhooks" / "demo").glob("*.yaml"))
EXAMPLES = re.findall(r"```yaml\n(workflow:.*?)```", (ROOT / "docs" / "definition.md").read_text(), re.DOTALL)
SCHEMA = definition_schema()
VALIDATOR = jsonschema_rs.Draft202012Validator(SCHEMA)


def accepts(document: Any) -> bool:
    return VALIDATOR.is_valid(document)


def put(document: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """The document with another value at a path like actions.0.kind; `...` takes the key out."""
    changed = copy.deepcopy(document)
    *way, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    node: Any = changed
    for part in way:
        node = node[part]
    if value is ...:
        del node[last]
    else:
        node[last] = value
    return changed


TABLE = {
    "key": "decide",
    "kind": "decision.table",
    "config": {
        "hit": "unique",
        "rows": [{"when": "large", "then": {"a": "{{ event.a }}"}}, {"when": {"always": True}, "then": {}}],
        "otherwise": None,
    },
}
ROUTE = {
    "key": "route",
    "kind": "assign.route",
    "config": {
        "method": "weighted",
        "among": "{{ event.team }}",
        "weights": {"ana": "{{ event.share }}"},
        "rules": [{"when": {"always": True}, "then": {"group": "x"}}],
    },
}
HTTP = {
    "key": "call",
    "kind": "http.request",
    "config": {
        "connection": "crm",
        "method": "POST",
        "json": {"n": [1, "{{ event.n }}"]},
        "accept": "{{ event.codes }}",
    },
    "compensate": {"kind": "http.request", "config": {"connection": "crm", "method": "DELETE"}},
}
FULL = orders(
    actions=[*orders()["actions"], TABLE, ROUTE, HTTP],
    conditions={
        "large": {"all": [{"field": "event.total", "operator": "gt", "value": "{{ event.limit }}"}]},
        "shared": {"use": "risk/large"},
        "short": "event.total > 5",
    },
    concurrency={"limit": 5, "key": "event.id"},
    sla={"run": "1h"},
)


def test_it_is_a_json_schema() -> None:
    assert jsonschema_rs.meta.is_valid(SCHEMA)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_the_demos_definitions_are_accepted(path: Path) -> None:
    document, _lines = read_text(path.read_text())
    assert [error.message for error in VALIDATOR.iter_errors(document)] == []


@pytest.mark.parametrize("text", EXAMPLES, ids=lambda text: text.split("\n")[0])
def test_the_examples_of_the_documentation_are_accepted(text: str) -> None:
    document, _lines = read_text(text)
    assert [error.message for error in VALIDATOR.iter_errors(document)] == []


def test_a_document_with_a_bit_of_everything_is_accepted() -> None:
    assert [error.message for error in VALIDATOR.iter_errors(FULL)] == []


@settings(max_examples=60, deadline=None)
@given(documents())
def test_every_complete_document_is_accepted(document: dict[str, Any]) -> None:
    assert [error.message for error in VALIDATOR.iter_errors(document)] == []


BROKEN = [
    ("workflow", ...), ("workflow", "Orders"), ("workflow", 5), ("colour", "red"), ("mode", "live"), ("tags", "a"),
    ("priority", 10), ("priority", "5"), ("timeout", "1 h"), ("timeout", 60), ("alerts.failure_rate", 2),
    ("alerts.notify", "a@b.c"), ("alerts.loud", True), ("encrypt", "all"), ("concurrency.on_limit", "drop"),
    ("concurrency.limit", ...), ("sla.runs", "1h"),
    ("triggers", {}), ("triggers.0.key", "Paid"), ("triggers.0.key", ...), ("triggers.0.kind", "evnt"),
    ("triggers.0.kind", ...), ("triggers.0.config.types", []), ("triggers.0.config.types", "x"),
    ("triggers.0.config.tipes", []), ("triggers.0.config", ...), ("triggers.0.filter", {}), ("triggers.0.filter", 5),
    ("triggers.0.subject.key", ...), ("triggers.0.contract", "x"), ("triggers.0.throttle", {"count": 1}),
    ("conditions.large", {}), ("conditions.large", {"all": []}), ("conditions.large", {"field": "a"}),
    ("conditions.large", {"field": "event.a", "operator": "bigger", "value": 1}),
    ("conditions.large", {"field": "event.a", "operator": "gt", "value": "7"}),
    ("conditions.large", {"field": "event.a", "operator": "gt"}),
    ("conditions.large", {"field": "event.a", "operator": "in", "value": "x"}),
    ("conditions.large", {"field": "event.a", "operator": "exists", "value": 1}),
    ("conditions.large", {"always": "yes"}), ("conditions.large", {"expression": ""}),
    ("conditions.large", {"use": "large"}), ("conditions.large", {"all": [{"always": True}], "any": []}),
    ("conditions.Large", {"always": True}),
    ("actions", 5), ("actions.0.kind", "teleport"), ("actions.0.needs", "x"), ("actions.0.needs", ["A"]),
    ("actions.0.join", 0), ("actions.0.join", "some"), ("actions.0.when", {}), ("actions.0.on_unknown", "stop"),
    ("actions.0.retry", {"delay": "2s"}), ("actions.0.retry", {"attempts": 0}), ("actions.0.retry", {"attempts": 2, "dely": "2s"}),
    ("actions.0.repeat", {"every": "1s"}), ("actions.0.cap", {"count": 1}), ("actions.0.cap", {"per": "1h", "sum": "1"}),
    ("actions.0.approval", {"quorum": 1}), ("actions.0.risk", "low"), ("actions.0.safety", "exactly_once"),
    ("actions.0.replaces", {"minutes": 4}), ("actions.0.on_failure", "ignore"), ("actions.0.parallel", 0),
    ("actions.0.config", {}), ("actions.0.config.valeus", {}), ("actions.1.config.to", 5), ("actions.1.config.subject", ...),
    ("actions.2.config.hit", "frist"), ("actions.2.config.rows", []), ("actions.2.config.rows", "{{ event.rows }}"),
    ("actions.2.config.rows.0", {"when": "large"}), ("actions.2.config.rows.0.when", {"all": []}),
    ("actions.2.config.rows.0.then", [1]), ("actions.2.config.rows.0.els", 1),
    ("actions.3.config.method", "fair"), ("actions.3.config.among", []), ("actions.3.config.weights.ana", -1),
    ("actions.3.config.rules.0.then.pool", "x"),
    ("actions.4.config.method", "FETCH"), ("actions.4.config.method", ...), ("actions.4.compensate.kind", "teleport"),
    ("actions.4.compensate.config.method", "FETCH"), ("actions.4.compensate.needs", []),
    ("scenarios.0.name", ""), ("scenarios.0.expect.status", "ok"), ("scenarios.0.expect.candidate", []),
    ("scenarios.0.headers", []),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value"), BROKEN, ids=lambda part: str(part)[:40])
def test_what_is_broken_is_refused_by_the_schema_and_by_an_import(path: str, value: Any) -> None:
    broken = put(FULL, path, value)
    assert not accepts(broken)
    shared = {"risk/large": {"always": True}}
    assert check(broken, actions=dict(kinds.actions), triggers=dict(kinds.triggers), shared=shared)


def test_every_operator_asks_for_its_value() -> None:
    for name, operator in OPERATORS.items():
        with_value = {"field": "event.a", "operator": name, "value": "{{ event.b }}"}
        without = {"field": "event.a", "operator": name}
        rule = orders(conditions={"large": with_value}), orders(conditions={"large": without})
        assert [accepts(document) for document in rule] == [operator.has_value, not operator.has_value], name


def test_every_key_stands_in_it() -> None:
    definitions = SCHEMA["properties"]
    action = definitions["actions"]["items"]["properties"]
    assert set(definitions) == set(TOP_KEYS)
    assert set(action) == set(ACTION_KEYS)
    assert set(action["compensate"]["properties"]) == set(COMPENSATION_KEYS)
    assert set(definitions["triggers"]["items"]["properties"]) == set(TRIGGER_KEYS)
    assert set(definitions["scenarios"]["items"]["properties"]) == set(SCENARIO_KEYS)
    assert set(definitions["scenarios"]["items"]["properties"]["expect"]["properties"]) == set(EXPECT_KEYS)
    assert set(definitions["alerts"]["properties"]) == set(ALERT_KEYS)


def _properties(schema: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every property anywhere in the schema, with where it stands."""
    if isinstance(schema, dict):
        for name, part in schema.get("properties", {}).items():
            yield f"{path}.{name}", part
        for name, part in schema.items():
            yield from _properties(part, f"{path}.{name}")
    elif isinstance(schema, list):
        for index, part in enumerate(schema):
            yield from _properties(part, f"{path}.{index}")


def test_every_key_has_words_for_people() -> None:
    def told(part: Any) -> bool:
        if not isinstance(part, dict) or set(part) <= {"const"} or part == {"type": "object"}:
            return True  # of an if; of a kind made for tests
        return bool(part.get("description") or part.get("title") or "$ref" in part or "properties" in part)

    assert [path for path, part in _properties(SCHEMA) if not told(part)] == []


def test_every_kind_has_its_own_form() -> None:
    for name, registry in (("actions", kinds.actions), ("triggers", kinds.triggers)):
        rules = SCHEMA["properties"][name]["items"]["allOf"]
        assert [rule["if"]["properties"]["kind"]["const"] for rule in rules] == list(registry)
        for rule, kind in zip(rules, registry.values(), strict=True):
            config = rule["then"]["properties"]["config"]
            assert set(config.get("properties", {})) == set(kind.schema.get("properties", {}))
