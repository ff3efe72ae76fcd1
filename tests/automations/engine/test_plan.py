"""From the document to the plan: what is read, what is refused, what is merely incomplete."""

from __future__ import annotations

import copy
import dataclasses

import pytest

from automations.engine.conditions import Condition
from automations.engine.errors import DefinitionError, Problem
from automations.engine.plan import behaviour, check, checksum, parse
from automations.engine.yaml_core import loads
from tests.automations.engine.kinds import ACTIONS, TRIGGERS, Kind, document

LARGE = {"field": "event.total", "operator": "gt", "value": 100}


def plan_of(*actions, **more):
    return parse(document(*actions, **more), actions=ACTIONS, triggers=TRIGGERS)


def problems_of(*actions, **more):
    return check(document(*actions, **more), actions=ACTIONS, triggers=TRIGGERS)


def action(**more):
    """Return the plan of one action `a` with these settings."""
    return plan_of({"key": "a"} | more).by_key["a"]


class TestReading:
    def test_an_action_has_the_defaults_of_the_contract(self):
        plan = action()
        assert (plan.join, plan.after_skip, plan.on_unknown, plan.on_failure) == ("all", "skip", "fail", "stop")
        assert (plan.retry.attempts, plan.patience, plan.timeout, plan.parallel) == (1, 86_400, None, 1)

    def test_durations_are_seconds(self):
        plan = action(timeout="30s", valid_for="4h", patience="1d", retry={"attempts": 5, "delay": "500ms"})
        assert (plan.timeout, plan.valid_for, plan.patience, plan.retry.delay) == (30, 14_400, 86_400, 0.5)

    def test_risk_and_safety_come_from_the_kind_unless_said(self):
        get = action(kind="http.request", config={"url": "http://x", "method": "GET"})
        assert (get.risk, get.safety) == ("read", "keyed")
        paid = action(kind="http.request", config={"url": "http://x", "method": "POST"}, risk="money", safety="unsafe")
        assert (paid.risk, paid.safety) == ("money", "unsafe")

    def test_every_common_key_is_understood(self):
        plan = action(
            for_each="event.lines", parallel=10, repeat={"until": "output.done", "every": "30s", "max": 20},
            approval={"approvers": ["finance"], "quorum": 2, "when": LARGE, "expires": "24h", "on_expiry": "escalate",
                      "remind": "2h", "escalate_to": ["leads"]},
            cap={"count": 50, "per": "1h", "sum": "item.total", "max_sum": 5000},
            replaces={"step": "type it", "minutes": 4}, owner="logistics", if_it_fails="call", on_failure="compensate",
            compensate={"kind": "log.write", "config": {"id": "{{ steps.a.output.id }}"}},
        )  # fmt: skip
        assert (plan.parallel, plan.repeat.every, plan.repeat.max) == (10, 30, 20)
        assert (plan.approval.approvers, plan.approval.quorum, plan.approval.expires) == (("finance",), 2, 86_400)
        assert (plan.cap.count, plan.cap.per, plan.cap.max_sum) == (50, 3_600, 5_000)
        assert (plan.compensate.key, plan.compensate.ancestors, plan.compensate.reads) == ("a.compensate", {"a"}, {"a"})

    def test_a_plan_knows_who_comes_before_whom_and_who_is_read(self):
        plan = plan_of(
            {"key": "c", "needs": ["b"], "config": {"x": "{{ steps.a.output.id }}"}},
            {"key": "b", "needs": ["a"]},
            {"key": "a"},
        )
        assert [a.key for a in plan.actions] == ["a", "b", "c"]
        assert [a.position for a in plan.actions] == [2, 1, 0]
        assert (plan.by_key["c"].ancestors, plan.by_key["c"].reads) == ({"a", "b"}, {"a"})

    def test_a_plan_cannot_be_changed(self):
        with pytest.raises(dataclasses.FrozenInstanceError):
            plan_of({"key": "a"}).slug = "x"

    @pytest.mark.parametrize(
        "chosen", ["large", "not large", "event.total > 100", LARGE, {"expression": "event.total > 1"}]
    )
    def test_a_filter_is_a_name_an_expression_or_a_tree(self, chosen):
        trigger = {"key": "t", "kind": "manual", "filter": chosen}
        plan = plan_of({"key": "a"}, triggers=[trigger], conditions={"large": LARGE})
        assert isinstance(plan.triggers[0].filter, Condition)

    def test_a_trigger_has_all_its_parts(self):
        trigger = {
            "key": "t", "kind": "webhook", "config": {"endpoint": "shop"}, "dedupe": "event.id", "debounce": "10s",
            "subject": {"type": "order", "key": "event.order.id"}, "throttle": {"count": 5, "per": "1m"},
            "contract": {"type": "object", "required": ["order"]},
        }  # fmt: skip
        plan = plan_of({"key": "a"}, triggers=[trigger]).trigger_by_key["t"]
        assert plan.dedupe.evaluate({"event": {"id": "e1"}}) == "e1"
        assert (plan.subject.type, plan.debounce, plan.throttle.per) == ("order", 10, 60)
        assert not plan.contract.is_valid({})

    def test_shared_conditions_are_filled_in(self):
        more = {"conditions": {"fraud": {"use": "risk/odd"}}}
        given = document({"key": "a", "when": "fraud"}, **more)
        plan = parse(given, actions=ACTIONS, triggers=TRIGGERS, shared={"risk/odd": LARGE})
        assert plan.by_key["a"].when.references == {("event", "total")}


HTTP = {"kind": "http.request", "config": {"url": "http://x/", "method": "POST"}}

WRONG = [
    ({"kind": "http.requests"}, "actions[0].kind", "Did you mean “http.request”"),
    ({"kind": None}, "actions[0].kind", "no kind"),
    ({"wehn": "x"}, "actions[0].wehn", "Did you mean “when”"),
    ({"when": "large"}, "actions[0].when", "no condition named “large”"),
    ({"when": {"field": "event.a", "operator": "equals", "value": 1}}, "actions[0].when.operator", "not an operator"),
    ({"when": {"field": "event.a", "operator": "gt", "value": "x"}}, "actions[0].when.value", "cannot use text"),
    ({"when": {}}, "actions[0].when", "empty"),
    ({"when": {"expression": "event. >"}}, "actions[0].when.expression", "line 1"),
    ({"when": {"expression": "evnt.a > 1"}}, "actions[0].when.expression", "event"),
    ({"config": {"a": ["x {{ 1 + }}"]}}, "actions[0].config.a[0]", "line 1, column 10"),
    ({"config": {"a": "{{ secrets.key }}"}}, "actions[0].config.a", "secrets"),
    ({"config": {"a": "{{ steps.b.output }}"}}, "actions[0].config.a", "There is no step “b”"),
    ({"config": {"a": "{{ steps.a.output }}"}}, "actions[0].config.a", "its own output"),
    ({"config": {"a": "{{ item.x }}"}}, "actions[0].config.a", "item"),
    ({"config": {"a": "{{ run.idd }}"}}, "actions[0].config.a", "Did you mean “id”"),
    ({"config": []}, "actions[0].config", "needed an object"),
    ({"needs": ["b"]}, "actions[0].needs[0]", "no action “b”"),
    ({"needs": ["a"]}, "actions[0].needs", "circle: a → a"),
    ({"needs": "a"}, "actions[0].needs", "a list of texts"),
    ({"join": 2}, "actions[0].join", "can never succeed"),
    ({"join": "most"}, "actions[0].join", "no way to join"),
    ({"join": True}, "actions[0].join", "no way to join"),
    ({"join": 0}, "actions[0].join", "too few"),
    ({"timeout": "30"}, "actions[0].timeout", "Write a whole number and a unit"),
    ({"timeout": 30}, "actions[0].timeout", "not a duration"),
    ({"timeout": "0s"}, "actions[0].timeout", "zero"),
    ({"retry": {"attempts": 0}}, "actions[0].retry.attempts", "from 1 to 100"),
    ({"retry": {"attempts": True}}, "actions[0].retry.attempts", "whole number"),
    ({"retry": {"attempts": 2, "factor": 0.5}}, "actions[0].retry.factor", "from 1 to 100"),
    ({"retry": {"attempts": 2, "delay": "1m", "max_delay": "1s"}}, "actions[0].retry.max_delay", "shorter"),
    ({"retry": {"tries": 2}}, "actions[0].retry.tries", "not known"),
    ({"retry": 3}, "actions[0].retry", "needed an object"),
    ({"risk": "high"}, "actions[0].risk", "not possible"),
    ({"on_failure": "contineu"}, "actions[0].on_failure", "Did you mean “continue”"),
    ({"for_each": "event.["}, "actions[0].for_each", "line 1"),
    ({"parallel": 0}, "actions[0].parallel", "whole number"),
    ({"repeat": {"until": "outptu.ok"}}, "actions[0].repeat.until", "output"),
    ({"cap": {"count": -1, "per": "1h"}}, "actions[0].cap.count", "whole number"),
    ({"approval": {"approvers": "ana"}}, "actions[0].approval.approvers", "list of texts"),
    ({"approval": {"approvers": ["ana"], "when": "x"}}, "actions[0].approval.when", "no condition"),
    ({"compensate": {"kind": "nope"}}, "actions[0].compensate.kind", "not a kind"),
    ({"compensate": {"kind": "log.write", "needs": []}}, "actions[0].compensate.needs", "not known"),
    ({"key": "A"}, "actions[0].key", "cannot be a key"),
    ({"key": None}, "actions[0].key", "no key"),
    (HTTP | {"config": {"url": "http://x/", "method": "POSTT"}}, "actions[0].config.method", "Did you mean “POST”"),
    (HTTP | {"config": {"url": 5, "method": "POST"}}, "actions[0].config.url", "needed text"),
    (HTTP | {"config": {"url": "x", "method": "POST", "jsn": 1}}, "actions[0].config.jsn", "Did you mean “json”"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "path", "told"), WRONG, ids=lambda part: str(part)[:50])
def test_a_wrong_action_is_refused_with_its_path_and_reason(given, path, told):
    found = [p for p in problems_of({"key": "a"} | given) if p.severity == "wrong"]
    assert path in [p.path for p in found]
    assert told in " ".join(str(p) for p in found if p.path == path)
    with pytest.raises(DefinitionError) as caught:
        plan_of({"key": "a"} | given)
    assert list(caught.value.problems) == found


WRONG_AT_THE_TOP = [
    ({"workflow": "Order Routing"}, "workflow", "wrong form"), ({"workflow": None}, "workflow", "no slug"),
    ({"workflw": "x"}, "workflw", "Did you mean “workflow”"), ({"timeout": "1 hour"}, "timeout", "not a duration"),
    ({"priority": 10}, "priority", "from 0 to 9"), ({"mode": "live"}, "mode", "not possible"),
    ({"concurrency": {"limit": 0}}, "concurrency.limit", "whole number"), ({"name": 5}, "name", "needed text"),
    ({"concurrency": {"limit": 1, "key": "steps.a.output"}}, "concurrency.key", "steps"),
    ({"conditions": {"x": {"all": []}}}, "conditions.x.all", "empty"), ({"conditions": []}, "conditions", "an object"),
    ({"conditions": {"x": {"condition": "x"}}}, "conditions.x.condition", "x → x"),
    ({"conditions": {"x": {"use": "a/b"}}}, "conditions.x.use", "no shared condition"),
    ({"conditions": {"x": {"field": "steps.zz.output", "operator": "exists"}}}, "conditions.x", "no step “zz”"),
    ({"tags": "a"}, "tags", "a list of texts"), ({"alerts": {"failure_rate": 2}}, "alerts.failure_rate", "from 0 to 1"),
    ({"alerts": {"silent_for": "long"}}, "alerts.silent_for", "auto"), ({"sla": {"runs": "1m"}}, "sla.runs", "mean “run”"),
    ({"sensitive": ["customer email"]}, "sensitive[0]", "not a path"), ({"encrypt": "all"}, "encrypt", "not possible"),
    ({"scenarios": [{"name": "x", "expect": {"candidates": ["b"]}}]}, "scenarios[0].expect.candidates[0]", "no step “b”"),
    ({"scenarios": [{"name": "x"}, {"name": "x"}]}, "scenarios[1].name", "another scenario"),
    ({"triggers": [{"key": "t", "kind": "webhok"}]}, "triggers[0].kind", "Did you mean “webhook”"),
    ({"triggers": [{"key": "t", "kind": "manual"}] * 2}, "triggers[1].key", "used twice"),
    ({"triggers": [{"key": "t", "kind": "manual", "filter": "steps.a.status == 'x'"}]}, "triggers[0].filter", "steps"),
    ({"triggers": [{"key": "t", "kind": "manual", "contract": {"type": "nope"}}]}, "triggers[0].contract", "JSON Schema"),
    ({"triggers": [{"key": "t", "kind": "manual", "contract": {"$ref": "http://x/y"}}]}, "triggers[0].contract", "never"),
    ({"triggers": [{"key": "t", "kind": "webhook", "config": {"endpoint": "{{ x }}", "x": 1}}]}, "triggers[0].config.x", ""),
]  # fmt: skip


@pytest.mark.parametrize(("more", "path", "told"), WRONG_AT_THE_TOP, ids=lambda part: str(part)[:50])
def test_a_wrong_document_is_refused_with_its_path_and_reason(more, path, told):
    found = [p for p in problems_of({"key": "a"}, **more) if p.severity == "wrong" and p.path == path]
    assert found
    assert told in str(found[0])


class TestGraph:
    def test_a_cycle_is_named(self):
        ring = (
            {"key": "x"},
            {"key": "a", "needs": ["c", "x"]},
            {"key": "b", "needs": ["a"]},
            {"key": "c", "needs": ["b"]},
        )
        assert "a → c → b → a" in str(problems_of(*ring)[0])

    def test_a_step_that_need_not_have_run_cannot_be_read(self):
        found = problems_of({"key": "a"}, {"key": "b", "config": {"x": "{{ steps.a.output }}"}})
        assert (found[0].path, found[0].fix) == ("actions[1].config.x", "Add a to its needs.")

    def test_a_wrong_field_of_a_step_gets_a_suggestion(self):
        found = problems_of({"key": "a"}, {"key": "b", "needs": ["a"], "config": {"x": "{{ steps.a.json.id }}"}})
        assert found[0].fix == "Did you mean “steps.a.output.json.id”?"

    def test_a_condition_used_by_an_action_is_checked_there_too(self):
        conditions = {"ok": {"field": "steps.a.output", "operator": "exists"}}
        found = problems_of({"key": "a"}, {"key": "b", "when": "ok"}, conditions=conditions)
        assert [p.path for p in found] == ["actions[1].when"]


class TestIncomplete:
    CASES = [
        (
            {"kind": "http.request", "config": {"method": "GET"}},
            "actions[0].config",
            "“connection” and “path” or “url”",
        ),
        ({"kind": "http.request", "config": {"url": "http://x/"}}, "actions[0].config.method", "missing"),
        (
            {"kind": "http.request", "config": {"method": "GET", "connection": "", "path": "/"}},
            "actions[0].config",
            "needed",
        ),
        ({"kind": "transform"}, "actions[0].config.values", "missing"),
        ({"repeat": {}}, "actions[0].repeat.until", "when to stop"),
        ({"approval": {}}, "actions[0].approval.approvers", "Nobody"),
        ({"cap": {"count": 1}}, "actions[0].cap.per", "window"),
        ({"retry": {"delay": "1s"}}, "actions[0].retry.attempts", "how often"),
    ]

    @pytest.mark.parametrize(("given", "path", "told"), CASES, ids=str)
    def test_what_is_missing_is_a_finding_and_no_refusal(self, given, path, told):
        found = problems_of({"key": "a"} | given)
        assert {p.severity for p in found} == {"incomplete"}
        assert told in next(str(p) for p in found if p.path == path)
        assert action(**given).key == "a"

    def test_an_empty_endpoint_is_incomplete(self):
        triggers = [{"key": "t", "kind": "webhook", "config": {"endpoint": ""}}]
        assert [(p.path, p.severity) for p in problems_of({"key": "a"}, triggers=triggers)] == [
            ("triggers[0].config.endpoint", "incomplete")
        ]

    def test_a_new_draft_lacks_triggers_and_actions(self):
        found = check({"workflow": "w"}, actions=ACTIONS, triggers=TRIGGERS)
        assert [(p.path, p.severity) for p in found] == [("actions", "incomplete"), ("triggers", "incomplete")]

    def test_some_triggers_need_a_dedupe_key(self):
        found = problems_of({"key": "a"}, triggers=[{"key": "t", "kind": "poll"}])
        assert [(p.path, p.severity) for p in found] == [("triggers[0].dedupe", "incomplete")]


class TestConfigs:
    @pytest.mark.parametrize(
        "config",
        [
            {"url": "{{ event.url }}", "method": "{{ event.method }}"},
            {"connection": "crm", "path": "/x", "method": "GET", "accept": ["{{ event.status }}"]},
            {"url": "http://x/", "method": "GET", "query": {"page": "{{ event.page }}"}},
            {"url": "http://x/", "method": "GET", "query": "{{ event.query }}", "accept": "{{ event.accept }}"},
        ],
    )
    def test_a_template_may_stand_wherever_a_value_is_expected(self, config):
        assert problems_of({"key": "a", "kind": "http.request", "config": config}) == []

    def test_a_template_hides_no_other_mistake(self):
        config = {"url": "{{ event.url }}", "method": "POST", "accept": ["x"], "jsn": "{{ event.x }}"}
        found = problems_of({"key": "a", "kind": "http.request", "config": config})
        assert {p.path for p in found} == {"actions[0].config.accept[0]", "actions[0].config.jsn"}

    def test_what_a_kind_finds_gets_its_place_in_the_document(self):
        kind = Kind("odd", problems=[Problem("rows[0].when", "is odd", severity="incomplete")])
        found = check(document({"key": "a", "kind": "odd"}), actions={"odd": kind}, triggers=TRIGGERS)
        assert (found[0].path, found[0].message) == ("actions[0].config.rows[0].when", "is odd")


class TestAllAtOnce:
    def test_problems_come_in_document_order_with_their_lines(self):
        text = """
workflow: w
triggers:
  - {key: t, kind: nope}
actions:
  - key: a
    kind: log.write
    when: nowhere
    timeout: soon
  - key: b
    kind: http.request
    needs: [zz]
"""
        data, lines = loads(text)
        found = check(data, actions=ACTIONS, triggers=TRIGGERS, lines=lines)
        assert [(p.path, p.line) for p in found if p.severity == "wrong"] == [
            ("triggers[0].kind", 4), ("actions[0].when", 8), ("actions[0].timeout", 9), ("actions[1].needs[0]", 12),
        ]  # fmt: skip

    def test_any_data_at_all_gives_problems_and_no_crash(self):
        for data in (None, 5, "x", [], {}, {"actions": {}}, {"actions": [None, 5, []]}, {"triggers": "x"}):
            assert check(data, actions=ACTIONS, triggers=TRIGGERS)

    def test_each_part_of_a_good_document_may_be_replaced_by_anything(self):
        good = document(
            {"key": "a", "when": LARGE, "retry": {"attempts": 1}, "approval": {"approvers": ["x"]}, "cap": {"count": 1, "per": "1h"}},
            {"key": "b", "needs": ["a"], "kind": "http.request", "config": {"url": "http://x", "method": "GET"}},
            conditions={"c": LARGE}, scenarios=[{"name": "s", "expect": {"outputs": {"a": 1}}}],
        )  # fmt: skip
        for path in list(places(good)):
            for odd in (None, 5, -1.5, "", "x y", "{{", True, [], {}, [[]], {"a": []}, ["a"]):
                changed = copy.deepcopy(good)
                put(changed, path, odd)
                check(changed, actions=ACTIONS, triggers=TRIGGERS)


def places(value, path=()):
    """Yield the path of everything inside a value."""
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield (*path, key)
        yield from places(item, (*path, key))


def put(value, path, item):
    for part in path[:-1]:
        value = value[part]
    value[path[-1]] = item


class TestLimits:
    def nested(self, depth):
        value = "x"
        for _ in range(depth):
            value = [value]
        return value

    @pytest.mark.parametrize(
        ("value", "told"),
        [
            ("a\x00b", "NUL"), ("\ud800", "surrogate"), (2**63, "64 bits"), (float("nan"), "NaN"),
            (float("inf"), "Infinity"), ("x" * 1_100_000, "bytes"), (object(), "object cannot stand"), ({1: 2}, "not text"),
        ],
        ids=lambda v: str(v)[:10],
    )  # fmt: skip
    def test_what_cannot_be_stored_is_refused(self, value, told):
        assert told in str(problems_of({"key": "a", "config": {"x": value}})[0])

    def test_a_document_may_not_be_too_deep(self):
        assert "deeper" in str(problems_of({"key": "a", "config": {"x": self.nested(100_000)}})[0])

    def test_there_may_not_be_too_many_actions(self):
        assert "501 actions" in str(problems_of(*({"key": f"a{n}"} for n in range(501)))[0])


class TestChecksum:
    def test_it_covers_the_behaviour_only(self):
        one = document({"key": "a"})
        assert checksum(one) == checksum(one | {"name": "Other", "owner": "ana", "alerts": {"dead_letters": 1}})
        assert checksum(one) == plan_of({"key": "a"}).checksum
        for key, value in {
            "timeout": "1h",
            "run_as": "bob",
            "concurrency": {"limit": 1},
            "conditions": {"c": LARGE},
        }.items():
            assert checksum(one) != checksum(one | {key: value})

    def test_the_order_of_keys_and_the_way_a_number_is_written_do_not_matter(self):
        one, two = (
            document({"key": "a", "config": {"x": 1e3, "y": 2}}),
            document({"config": {"y": 2.0, "x": 1000}, "key": "a"}),
        )
        assert checksum(one) == checksum(two)

    def test_an_empty_part_is_no_part(self):
        assert checksum(document({"key": "a"})) == checksum(document({"key": "a"}, conditions={}, timeout=None))

    def test_the_text_of_a_shared_condition_counts(self):
        one = document({"key": "a"}, conditions={"c": {"use": "t/x"}})
        assert checksum(one, {"t/x": LARGE}) != checksum(one, {"t/x": {"always": True}})

    def test_behaviour_is_what_a_version_fixes(self):
        assert set(behaviour(document({"key": "a"}, name="N"))) == {"actions", "triggers", "run_as"}


class TestKinds:
    def test_a_kind_is_asked_only_about_a_config_that_fits_its_schema(self):
        class Picky(Kind):
            def check(self, config):
                return [Problem("n", f"{config['n'] + 1} is odd")]

        kinds = {"picky": Picky("picky", {"type": "object", "properties": {"n": {"type": "integer"}}})}
        bad = check(document({"key": "a", "kind": "picky", "config": {"n": "x"}}), actions=kinds, triggers=TRIGGERS)
        good = check(document({"key": "a", "kind": "picky", "config": {"n": 2}}), actions=kinds, triggers=TRIGGERS)
        assert bad[0].message == 'This is text ("x"), needed a whole number.'
        assert good[0].message == "3 is odd"

    def test_what_a_kind_reads_by_itself_counts_as_read(self):
        class Reading(Kind):
            def references(self, config):
                return {("steps", "a", "output", "id")}

        kinds = ACTIONS | {"reading": Reading("reading")}
        given = document({"key": "a"}, {"key": "b", "kind": "reading", "needs": ["a"]})
        assert parse(given, actions=kinds, triggers=TRIGGERS).by_key["b"].reads == {"a"}
        found = check(document({"key": "a"}, {"key": "b", "kind": "reading"}), actions=kinds, triggers=TRIGGERS)
        assert [(p.path, p.fix) for p in found] == [("actions[1].config", "Add a to its needs.")]
