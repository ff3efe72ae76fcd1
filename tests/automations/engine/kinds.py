"""Kinds for the engine's tests: as much of the real ones as the engine can see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from automations.engine.errors import Problem
from automations.engine.parts import RulesPlace


@dataclass
class Kind:
    """A kind whose answers are given by its fields."""

    name: str
    schema: dict[str, Any] = field(default_factory=dict)
    pure: bool = False
    its_risk: str = "none"
    its_safety: str = "safe"
    problems: list[Problem] = field(default_factory=list)
    dedupe_required: bool = False
    rules: RulesPlace | None = None

    def risk(self, config: Mapping[str, Any]) -> str:
        return "read" if config.get("method") == "GET" else self.its_risk

    def safety(self, config: Mapping[str, Any]) -> str:
        return self.its_safety

    def check(self, config: Mapping[str, Any]) -> list[Problem]:
        return list(self.problems)


HTTP = {
    "type": "object",
    "properties": {
        "connection": {"type": "string"},
        "path": {"type": "string"},
        "url": {"type": "string", "format": "uri"},
        "method": {"enum": ["GET", "POST", "PUT", "DELETE"]},
        "json": {},
        "query": {"type": "object", "additionalProperties": {"type": ["string", "integer"]}},
        "accept": {"type": "array", "items": {"type": "integer"}},
    },
    "required": ["method"],
    "anyOf": [{"required": ["connection", "path"]}, {"required": ["url"]}],
    "additionalProperties": False,
}

ACTIONS = {
    kind.name: kind
    for kind in (
        Kind("transform", {"type": "object", "required": ["values"], "properties": {"values": {"type": "object"}}}, pure=True),
        Kind("http.request", HTTP, its_risk="reversible", its_safety="keyed"),
        Kind("log.write", {"type": "object"}, pure=True),
        Kind("decision.table", {"type": "object"}, pure=True, rules=RulesPlace("rows", ("otherwise",))),
        Kind("assign.route", {"type": "object"}, its_risk="reversible", rules=RulesPlace("rules", ("among", "group"))),
        Kind("email.send", {"type": "object"}, its_risk="irreversible", its_safety="unsafe"),
    )
}  # fmt: skip

TRIGGERS = {
    kind.name: kind
    for kind in (
        Kind("webhook", {"type": "object", "properties": {"endpoint": {"type": "string"}}, "required": ["endpoint"],
                         "additionalProperties": False}),
        Kind("manual", {"type": "object"}),
        Kind("record", {"type": "object"}),
        Kind("poll", {"type": "object"}, dedupe_required=True),
    )
}  # fmt: skip


def document(*actions: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a small definition with these actions; a missing kind is log.write."""
    return {
        "workflow": "a-workflow",
        "run_as": "svc",
        "triggers": [{"key": "start", "kind": "manual"}],
        "actions": [{"kind": "log.write", **action} for action in actions],
    } | more
