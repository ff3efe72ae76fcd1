"""Checks what a document says beside its behaviour: people, alerts, service levels, scenarios."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from automations.engine import durations
from automations.engine.durations import DurationError
from automations.engine.findings import Fields, Findings
from automations.engine.paths import Path, read, suggestion

SLUG = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,98}[a-z0-9])?")
SLUG_FORM = "Write small letters, digits and -, like order-routing."

STEWARDSHIP_KEYS = (
    "workflow", "name", "description", "process", "owner", "deputy", "team", "mode", "tags", "priority", "sla",
    "retention", "sensitive", "encrypt", "runbook", "alerts", "scenarios",
)  # fmt: skip
ALERT_KEYS = (
    "failure_rate", "consecutive_failures", "silent_for", "duration_p95", "queue_age", "dead_letters", "unknown_rate",
    "notify",
)  # fmt: skip
SCENARIO_KEYS = ("name", "trigger", "payload", "headers", "as_user", "expect", "outputs")
EXPECT_KEYS = ("matched", "refused", "candidates", "skipped", "blocked", "status", "outputs")


def check_stewardship(fields: Fields, keys: Collection[str], triggers: Collection[str]) -> None:
    """Note what is wrong with the stewardship part; `keys` and `triggers` are those of the document."""
    for name in ("name", "description", "process", "owner", "deputy", "team", "runbook"):
        fields.text(name)
    if not fields.text("workflow", pattern=SLUG, fix=SLUG_FORM) and not fields.get("workflow"):
        fields.wrong("workflow", "The workflow has no slug.", SLUG_FORM)
    fields.choice("mode", ("draft", "simulate", "execute"), "draft")
    fields.choice("encrypt", ("payloads",), "")
    fields.texts("tags")
    fields.duration("retention")
    _sensitive(fields)
    sla = fields.child("sla", ("run", "subject"))
    if sla is not None:
        sla.duration("run")
        sla.duration("subject")
    _alerts(fields)
    _scenarios(fields, keys, triggers)


def _sensitive(fields: Fields) -> None:
    for index, text in enumerate(fields.texts("sensitive")):
        parts = read(text)
        if parts is None or parts[0] not in {"event", "trigger", "steps"}:
            path = (*fields.at("sensitive"), index)
            fields.findings.wrong(path, f"“{text}” is not a path.", "Write a path like event.customer.email.")


def _alerts(fields: Fields) -> None:
    alerts = fields.child("alerts", ALERT_KEYS)
    if alerts is None:
        return
    for name in ("failure_rate", "unknown_rate"):
        alerts.number(name, None, low=0, high=1)
    for name in ("consecutive_failures", "dead_letters"):
        alerts.whole(name, None, low=1, high=1_000_000_000)
    for name in ("duration_p95", "queue_age"):
        alerts.duration(name)
    alerts.texts("notify")
    silent = alerts.get("silent_for")
    if silent is not None and silent != "auto":
        try:
            durations.parse(silent)
        except DurationError as error:
            alerts.wrong("silent_for", error.message, "Or write auto.")


def _scenarios(fields: Fields, keys: Collection[str], triggers: Collection[str]) -> None:
    seen: set[str] = set()
    for path, data in fields.items("scenarios"):
        scenario = Fields(fields.findings, data, path, SCENARIO_KEYS)
        name = scenario.text("name")
        if not name:
            scenario.incomplete("name", "The scenario has no name.", "Say what it shows.")
        elif name in seen:
            scenario.wrong("name", f"There is another scenario “{name}”.", "Give each its own name.")
        seen.add(name)
        scenario.mapping("headers")
        scenario.text("as_user")
        _known(fields.findings, scenario.at("outputs"), scenario.mapping("outputs"), keys)
        trigger = scenario.text("trigger")
        if trigger and trigger not in triggers:
            scenario.wrong("trigger", f"There is no trigger “{trigger}”.", suggestion(trigger, triggers))
        _expect(scenario, keys)


def _expect(scenario: Fields, keys: Collection[str]) -> None:
    expect = scenario.child("expect", EXPECT_KEYS)
    if expect is None:
        return
    expect.flag("matched", True)
    expect.flag("refused", False)
    expect.choice("status", ("succeeded", "failed"), "succeeded")
    for name in ("candidates", "skipped", "blocked"):
        listed = expect.texts(name)
        for index, key in enumerate(listed):
            if key not in keys:
                path = (*expect.at(name), index)
                scenario.findings.wrong(
                    path, f"There is no step “{key}”.", suggestion(key, keys) or "Add the step first."
                )
    _known(scenario.findings, expect.at("outputs"), expect.mapping("outputs"), keys)


def _known(findings: Findings, path: Path, named: Any, keys: Collection[str]) -> None:
    for key in named:
        if key not in keys:
            findings.wrong((*path, key), f"There is no step “{key}”.", suggestion(key, keys) or "Add the step first.")
