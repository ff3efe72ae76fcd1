"""Conditions: every operator with every type of field, unknowns, names, reasons."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from automations.engine.cel import Open
from automations.engine.conditions import compile_condition, evaluate
from automations.engine.errors import DefinitionError
from automations.engine.operators import OPERATORS

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
MISSING = object()

FIELDS = {
    "missing": MISSING,
    "null": None,
    "true": True,
    "false": False,
    "zero": 0,
    "number": 7,
    "fraction": 7.5,
    "text": "seven",
    "empty_text": "",
    "digits": "7",
    "time": "2026-01-31T11:00:00Z",
    "list": [7, "seven"],
    "empty_list": [],
    "object": {"a": 7},
    "empty_object": {},
}
"""One field of every type; the tables below name those that are true and false, all others are unknown."""

EVERYTHING = set(FIELDS) - {"missing"}
NUMBERS = {"zero", "number", "fraction"}
TEXTS = {"text", "empty_text", "digits", "time"}
LISTS = {"list", "empty_list"}
SIZED = {"null", *TEXTS, *LISTS, "object", "empty_object"}

# operator, value, fields for which it is true, fields for which it is false
TABLE = [
    ("eq", 7, {"number"}, EVERYTHING - {"number"}),
    ("eq", 7.0, {"number"}, EVERYTHING - {"number"}),
    ("eq", "7", {"digits"}, EVERYTHING - {"digits"}),
    ("eq", None, {"null"}, EVERYTHING - {"null"}),
    ("eq", 0, {"zero"}, EVERYTHING - {"zero"}),
    ("eq", False, {"false"}, EVERYTHING - {"false"}),
    ("eq", [7, "seven"], {"list"}, EVERYTHING - {"list"}),
    ("eq", {"a": 7.0}, {"object"}, EVERYTHING - {"object"}),
    ("ne", 7, EVERYTHING - {"number"}, {"number"}),
    ("ne", None, EVERYTHING - {"null"}, {"null"}),
    ("gt", 7, {"fraction"}, {"zero", "number"}),
    ("gte", 7, {"number", "fraction"}, {"zero"}),
    ("lt", 7, {"zero"}, {"number", "fraction"}),
    ("lte", 7, {"zero", "number"}, {"fraction"}),
    ("in", [7, "7", True], {"number", "digits", "true"}, EVERYTHING - {"number", "digits", "true"}),
    ("in", [], set(), EVERYTHING),
    ("not_in", [7, "7", True], EVERYTHING - {"number", "digits", "true"}, {"number", "digits", "true"}),
    ("contains", "seven", {"text", "list"}, (TEXTS | LISTS) - {"text", "list"}),
    ("contains", 7, {"list"}, {"empty_list"}),
    ("not_contains", "seven", (TEXTS | LISTS) - {"text", "list"}, {"text", "list"}),
    ("starts_with", "se", {"text"}, TEXTS - {"text"}),
    ("ends_with", "en", {"text"}, TEXTS - {"text"}),
    ("matches", "^s.v", {"text"}, TEXTS - {"text"}),
    ("exists", None, EVERYTHING, {"missing"}),
    ("missing", None, {"missing"}, EVERYTHING),
    ("is_empty", None, {"null", "empty_text", "empty_list", "empty_object"},
     SIZED - {"null", "empty_text", "empty_list", "empty_object"}),
    ("is_true", None, {"true"}, {"false"}),
    ("is_false", None, {"false"}, {"true"}),
    ("before", "2026-01-31T11:30:00Z", {"time"}, set()),
    ("before", "2026-01-31T12:00:00+01:00", set(), {"time"}),
    ("after", "2026-01-31", {"time"}, set()),
    ("after", "{{ now }}", set(), {"time"}),
    ("within_last", "2h", {"time"}, set()),
    ("within_last", "30m", set(), {"time"}),
]  # fmt: skip


def rule(operator, value=None, field="event.field"):
    return {"field": field, "operator": operator} | (
        {} if value is None and operator not in {"eq", "ne"} else {"value": value}
    )


def variables(field=MISSING, **more):
    return {"event": {} if field is MISSING else {"field": field}, "now": NOW} | more


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize(
    ("operator", "value", "true", "false"),
    TABLE,
    ids=lambda part: str(sorted(part) if isinstance(part, set) else part)[:30],
)
def test_each_operator_answers_for_each_type_of_field(operator, value, true, false, name):
    verdict = evaluate(rule(operator, value), variables(FIELDS[name]))
    assert verdict.matched is (True if name in true else False if name in false else None)
    assert verdict.reason.startswith("event.field ")
    if verdict.matched is None:
        assert "needed" in verdict.reason or "missing" in verdict.reason or "can only contain" in verdict.reason


def test_the_table_covers_every_operator_but_those_of_changes():
    assert {row[0] for row in TABLE} | {"changed", "changed_to"} == set(OPERATORS)


class TestReasons:
    def test_a_rule_says_what_it_read_and_what_it_needed(self):
        tree = {"field": "event.order.total", "operator": "gt", "value": 100}
        verdict = evaluate(tree, {"event": {"order": {"total": 90}}})
        assert (verdict.matched, verdict.reason) == (False, "event.order.total = 90, needed > 100")
        assert verdict.values == {"event.order.total": 90}

    def test_a_missing_field_is_named(self):
        verdict = evaluate(rule("gt", 1), variables())
        assert (verdict.reason, verdict.missing, verdict.values) == ("event.field is missing", "event.field", {})

    def test_a_wrong_type_is_named(self):
        assert evaluate(rule("gt", 1), variables("9")).reason == 'event.field is text ("9"), needed a number'

    def test_long_values_are_cut(self):
        assert len(evaluate(rule("eq", "x"), variables("y" * 5_000)).reason) < 200

    def test_only_the_rules_that_decide_are_told(self):
        tree = {"all": [rule("gt", 1), rule("lt", 5), rule("exists")]}
        assert evaluate(tree, variables(9)).reason == "event.field = 9, needed < 5"

    def test_all_values_read_are_kept(self):
        tree = {"any": [rule("eq", 1), rule("eq", 2, "event.other")]}
        verdict = evaluate(tree, {"event": {"field": 1, "other": 3}})
        assert verdict.values == {"event.field": 1, "event.other": 3}


T, F, U = rule("exists"), rule("missing"), rule("gt", 1, "event.absent")


@pytest.mark.parametrize(
    ("tree", "matched"),
    [
        ({"all": [T, T]}, True), ({"all": [T, F]}, False), ({"all": [T, U]}, None), ({"all": [U, F]}, False),
        ({"any": [F, T]}, True), ({"any": [F, F]}, False), ({"any": [F, U]}, None), ({"any": [U, T]}, True),
        ({"none": [F, F]}, True), ({"none": [F, T]}, False), ({"none": [F, U]}, None), ({"none": [U, T]}, False),
        ({"all": [{"any": [U, T]}, {"none": [F]}]}, True), ({"none": [{"all": [U, F]}]}, True),
        ({"always": True}, True), ({"always": False}, False),
    ],
)  # fmt: skip
def test_an_unknown_taints_only_what_it_could_have_changed(tree, matched):
    verdict = evaluate(tree, variables(1))
    assert verdict.matched is matched
    assert (verdict.missing == "event.absent") is (matched is None)


class TestNames:
    LARGE = rule("gt", 100)

    def test_a_condition_may_use_another_by_name(self):
        assert evaluate({"condition": "large"}, variables(200), {"large": self.LARGE}).matched is True

    def test_a_text_is_a_name_or_its_opposite(self):
        for text, matched in (("large", True), ("not large", False)):
            assert compile_condition(text, conditions={"large": self.LARGE}).evaluate(variables(200)).matched is matched

    def test_the_opposite_of_unknown_is_unknown(self):
        assert compile_condition("not large", conditions={"large": self.LARGE}).evaluate(variables()).matched is None

    def test_the_references_of_a_named_condition_count(self):
        condition = compile_condition({"condition": "large"}, conditions={"large": self.LARGE})
        assert condition.references == {("event", "field")}

    def test_a_ring_of_conditions_is_refused(self):
        ring = {"a": {"condition": "b"}, "b": {"none": [{"condition": "a"}]}}
        with pytest.raises(DefinitionError, match="a → b → a"):
            compile_condition("a", conditions=ring)

    def test_an_unknown_name_gets_a_suggestion(self):
        with pytest.raises(DefinitionError, match="Did you mean “large”"):
            compile_condition({"condition": "larg"}, conditions={"large": self.LARGE})


class TestExpressions:
    def test_an_expression_is_a_leaf(self):
        verdict = evaluate({"expression": "event.field > 100"}, variables(200))
        assert (verdict.matched, verdict.values) == (True, {"event.field": 200})

    def test_a_missing_field_is_unknown_and_named(self):
        verdict = evaluate({"expression": "event.order.total > 100"}, variables())
        assert (verdict.matched, verdict.missing) == (None, "event.order.total")

    def test_it_must_be_true_or_false(self):
        verdict = evaluate({"expression": "event.field"}, variables(5))
        assert (verdict.matched, verdict.reason) == (None, "“event.field” gives a number, needed true or false")

    def test_an_error_is_unknown(self):
        assert evaluate({"expression": "event.field > 'a'"}, variables(5)).matched is None


class TestTemplatesInValues:
    def test_a_value_may_be_computed(self):
        assert evaluate(rule("gt", "{{ event.limit * 2 }}"), {"event": {"field": 9, "limit": 4}}).matched is True

    def test_a_list_may_hold_templates(self):
        assert evaluate(rule("in", ["x", "{{ event.home }}"]), {"event": {"field": "DE", "home": "DE"}}).matched is True

    def test_a_missing_value_is_unknown_and_named(self):
        verdict = evaluate(rule("gt", "{{ event.limit }}"), variables(9))
        assert (verdict.matched, verdict.missing) == (None, "event.limit")

    def test_a_value_that_turns_out_unfit_is_unknown(self):
        verdict = evaluate(rule("gt", "{{ event.limit }}"), {"event": {"field": 9, "limit": "x"}})
        assert (verdict.matched, verdict.reason) == (None, 'event.field is compared with "x", but “gt” takes a number')


class TestTimes:
    @pytest.mark.parametrize(
        ("age", "matched"), [(timedelta(hours=1), True), (timedelta(hours=3), False), (timedelta(hours=-1), False)]
    )
    def test_within_last_looks_back_from_now(self, age, matched):
        assert evaluate(rule("within_last", "2h"), variables((NOW - age).isoformat())).matched is matched

    def test_a_time_without_zone_is_no_moment(self):
        assert evaluate(rule("before", "2026-01-31T11:00:00Z"), variables("2026-01-31T11:00:00")).matched is None

    def test_within_last_without_now_is_unknown(self):
        assert evaluate(rule("within_last", "2h"), {"event": {"field": "2026-01-31T11:00:00Z"}}).matched is None

    def test_moments_of_the_engine_itself_can_be_compared(self):
        assert evaluate(rule("after", "2026-01-01", "now"), variables()).matched is True


class TestChanges:
    @staticmethod
    def event(before, after, changed=None):
        return {"event": {"before": before, "after": after} | ({"changed": changed} if changed is not None else {})}

    @pytest.mark.parametrize("field", ["status", "event.after.status"])
    def test_changed_compares_before_and_after(self, field):
        tree = rule("changed", field=field)
        assert evaluate(tree, self.event({"status": "new"}, {"status": "paid"}, ["status"])).matched is True
        assert evaluate(tree, self.event({"status": "new"}, {"status": "new"}, [])).matched is False

    def test_changed_says_from_what_to_what(self):
        verdict = evaluate(rule("changed", field="status"), self.event({"status": "new"}, {"status": "paid"}))
        assert verdict.reason == 'status changed from "new" to "paid"'
        assert verdict.values == {"event.before.status": "new", "event.after.status": "paid"}

    def test_a_created_record_changed_in_all_it_has(self):
        assert evaluate(rule("changed", field="status"), self.event(None, {"status": "new"})).matched is True

    def test_a_field_not_named_as_changed_did_not_change(self):
        assert (
            evaluate(rule("changed", field="status"), self.event({"status": 1}, {"status": 2}, ["x"])).matched is False
        )

    @pytest.mark.parametrize(
        ("before", "after", "matched"),
        [("new", "paid", True), ("paid", "paid", False), ("new", "sent", False)],
    )
    def test_changed_to_asks_for_the_change_and_the_value(self, before, after, matched):
        tree = rule("changed_to", "paid", "status")
        assert evaluate(tree, self.event({"status": before}, {"status": after})).matched is matched

    def test_a_missing_field_is_unknown(self):
        assert evaluate(rule("changed", field="status"), self.event({}, {})).missing == "event.after.status"

    def test_other_events_know_no_changes(self):
        assert evaluate(rule("changed", field="status"), variables(1)).matched is None


class TestSimulation:
    @pytest.mark.parametrize("operator", [o for o in OPERATORS if o not in {"changed", "changed_to"}])
    def test_an_open_value_is_unknown_and_asks_for_a_sample(self, operator):
        value = {"in": [1], "not_in": [1], "within_last": "1h", "before": "2026-01-01", "after": "2026-01-01"}
        text = {"starts_with", "ends_with", "matches", "contains", "not_contains", "eq", "ne"}
        wanted = value.get(operator, "x" if operator in text else 1 if OPERATORS[operator].has_value else None)
        tree = rule(operator, wanted, "steps.first.output.json.ok")
        verdict = evaluate(tree, {"steps": {"first": {"output": Open("steps.first.output")}}, "now": NOW})
        assert (verdict.matched, verdict.open) == (None, "steps.first.output.json.ok")
        assert verdict.reason == "steps.first.output.json.ok is not known in simulation: give a sample"

    def test_an_open_value_in_an_expression_too(self):
        scope = {"steps": {"first": {"output": Open("steps.first.output")}}}
        assert evaluate({"expression": "steps.first.output.n > 1"}, scope).open == "steps.first.output.n"
        assert evaluate({"expression": "steps.first.output.n"}, scope).open == "steps.first.output.n"

    def test_what_it_cannot_change_is_decided(self):
        scope = {"steps": {"first": {"output": Open("steps.first.output")}}, "event": {"field": 1}}
        assert evaluate({"any": [rule("gt", 1, "steps.first.output"), rule("eq", 1)]}, scope).matched is True


class TestPaths:
    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("event.lines[1].sku", "b"), ("event.lines.1.sku", "b"), ("event.lines[-1].sku", "b"),
            ('event.headers["x-id"]', 4), ("event.headers.x-id", 4), ('event["a b"].c', 5),
        ],
    )  # fmt: skip
    def test_paths_reach_into_lists_and_odd_keys(self, field, value):
        data = {"event": {"lines": [{"sku": "a"}, {"sku": "b"}], "headers": {"x-id": 4}, "a b": {"c": 5}}}
        assert evaluate(rule("eq", value, field), data).matched is True

    @pytest.mark.parametrize("field", ["event.field > 1", "", "event..x", "event.f(1)", "[0]", 5, None, "event.x."])
    def test_what_is_no_path_is_refused(self, field):
        with pytest.raises(DefinitionError):
            compile_condition(rule("exists", field=field))


@pytest.mark.parametrize(
    ("tree", "told"),
    [
        ({}, "empty"), ({"all": []}, "empty"), ({"any": {}}, "takes a list"), ({"all": [{}]}, "empty"), ("", "no condition"),
        (5, "is an object"), ([], "is an object"), (None, "is an object"), ({"and": []}, "Did you mean “any”"),
        (rule("equals", 1), "not an operator"), ({"field": "event.a"}, "no operator"), (rule("gt"), "needs a value"),
        (rule("gt", "abc"), "cannot use text"), (rule("gt", True), "cannot use true or false"),
        (rule("in", "DE"), "cannot use text"), (rule("matches", "(a"), "cannot use text"),
        (rule("matches", r"(a)\1"), "cannot use text"), (rule("starts_with", 5), "cannot use a number"),
        (rule("within_last", "soon"), "cannot use text"), (rule("within_last", 5), "cannot use a number"),
        (rule("before", "tomorrow"), "cannot use text"), (rule("contains", [1]), "cannot use a list"),
        (rule("exists", True), "takes no value"), (rule("is_empty", "x"), "takes no value"),
        (rule("gt", "{{ 1 + }}"), "line 1"), ({"expression": "event. >"}, "line 1"), ({"expression": ""}, "not empty"),
        ({"always": "yes"}, "true or false"), ({"condition": "x"}, "no condition named"),
        ({"all": [rule("exists")], "any": []}, "does not belong"), (rule("exists") | {"values": 1}, "Did you mean “value”"),
        ({"all": [rule("exists"), "x"]}, "is an object"),
    ],
    ids=str,
)  # fmt: skip
def test_a_broken_condition_is_refused_and_says_why(tree, told):
    with pytest.raises(DefinitionError, match=told):
        compile_condition(tree)


def test_names_that_are_not_known_are_refused_with_a_suggestion():
    with pytest.raises(DefinitionError, match=r"Did you mean “event\.order\.total”"):
        compile_condition(rule("exists", field="order.total"), names={"event"})


def test_a_deep_condition_is_refused():
    tree = rule("exists")
    for _ in range(50):
        tree = {"all": [tree]}
    with pytest.raises(DefinitionError, match="nested deeper"):
        compile_condition(tree)
