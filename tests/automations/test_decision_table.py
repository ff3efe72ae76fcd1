"""decision.table: hit policies, unknowns, lazy values, what is reported when saved, and how it runs."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User

from automations import kinds, plans
from automations.documents import document_of, rename_step, save
from automations.engine.errors import DefinitionError, Problem, StepError
from automations.engine.plan import check
from automations.engine.rules import Undecided
from automations.kinds import Call
from automations.releases import gate
from runs import dispatch
from runs.models import DeadLetter, LogEntry, Step
from runs.simulation import run_test
from tests.builders import action, document, workflow
from tests.runs.drains import carry_all


def rule(field: str, operator: str, *value: Any) -> dict[str, Any]:
    return {"field": field, "operator": operator} | ({"value": value[0]} if value else {})


def row(when: Any, **then: Any) -> dict[str, Any]:
    return {"when": when, "then": then}


LARGE, SMALL = rule("event.total", "gt", 100), rule("event.total", "lte", 100)
ROWS = [row(LARGE, team="finance"), row(rule("event.vip", "is_true"), team="care")]


def table(rows: Any = ROWS, hit: str = "first", **config: Any) -> dict[str, Any]:
    return action("decide", "decision.table", config={"hit": hit, "rows": rows, **config})


def found(*actions: dict[str, Any], **fields: Any) -> list[Problem]:
    """What a check of these actions says."""
    made = document(actions=list(actions), **fields)
    return check(made, actions=dict(kinds.actions), triggers=dict(kinds.triggers))


def decided(event: Any, *, hit: str = "first", rows: Any = ROWS, **config: Any) -> Any:
    """The table's output for this event, computed as every executor does it."""
    plan = plans.compile_document(document(actions=[table(rows, hit, **config)]))
    given = plan.by_key["decide"].config.render({"event": event}).value
    return kinds.actions["decision.table"].compute(Call(1, "decide", -1, 1, given, "key", None))  # type: ignore[arg-type]


class TestHitPolicies:
    def test_first_takes_the_first_row_that_matches(self) -> None:
        assert decided({"total": 250, "vip": True}) == {"team": "finance"}
        assert decided({"total": 20, "vip": True}) == {"team": "care"}

    def test_collect_takes_all_rows_that_match_in_order(self) -> None:
        assert decided({"total": 250, "vip": True}, hit="collect") == [{"team": "finance"}, {"team": "care"}]
        assert decided({"total": 20, "vip": False}, hit="collect") == []
        assert decided({"total": 20, "vip": False}, hit="collect", otherwise={"team": "x"}) == [{"team": "x"}]

    def test_unique_takes_the_only_row_that_matches(self) -> None:
        assert decided({"total": 250, "vip": False}, hit="unique") == {"team": "finance"}

    def test_unique_with_two_matches_is_a_permanent_error_that_names_both(self) -> None:
        with pytest.raises(StepError) as caught:
            decided({"total": 250, "vip": True}, hit="unique")
        assert (caught.value.type, caught.value.retryable) == ("ambiguous", False)
        assert caught.value.message == "Rows 1 and 2 match, but with the hit policy “unique” only one may."
        assert caught.value.context == {
            "rows": {"1": "event.total = 250, needed > 100", "2": "event.vip = true, needed true"}
        }

    @pytest.mark.parametrize("hit", ["first", "unique"])
    def test_where_no_row_matches_otherwise_counts_else_null(self, hit: str) -> None:
        nothing = {"total": 20, "vip": False}
        assert decided(nothing, hit=hit, otherwise={"team": "{{ event.total }}"}) == {"team": 20}
        assert decided(nothing, hit=hit) is None

    def test_the_policy_is_first_where_none_is_named(self) -> None:
        plan = plans.compile_document(document(actions=[action("decide", "decision.table", config={"rows": ROWS})]))
        rows = plan.by_key["decide"].config.render({"event": {"total": 250}}).value["rows"]
        assert [one["row"] for one in rows] == [1]


class TestValues:
    def test_only_what_a_matching_row_says_is_rendered(self) -> None:
        rows = [row(rule("event.gift", "exists"), note="{{ event.gift.text }}"), row({"always": True}, note="none")]
        assert decided({}, rows=rows) == {"note": "none"}
        assert decided({"gift": {"text": "hi"}}, rows=rows) == {"note": "hi"}

    def test_otherwise_is_rendered_only_where_no_row_matches(self) -> None:
        assert decided({"total": 250}, otherwise={"x": "{{ event.nope }}"}) == {"team": "finance"}

    def test_templates_keep_types_and_what_is_inserted_is_not_evaluated_again(self) -> None:
        rows = [row(LARGE, price="{{ event.total * 2 }}", text="for {{ event.name }}")]
        assert decided({"total": 250, "name": "{{ 7 * 7 }}"}, rows=rows) == {"price": 500, "text": "for {{ 7 * 7 }}"}

    def test_a_condition_that_looks_like_a_template_is_data(self) -> None:
        rows = [row(rule("event.text", "eq", "{{ event.other }}"), same=True), row({"always": True}, same=False)]
        assert decided({"text": "{{ 1 }}", "other": "{{ 1 }}"}, rows=rows) == {"same": True}


class TestUnknowns:
    @pytest.mark.parametrize("hit", ["first", "unique", "collect"])
    def test_an_unknown_row_that_could_change_the_answer_leaves_it_undecided(self, hit: str) -> None:
        with pytest.raises(Undecided) as caught:
            decided({"vip": True}, hit=hit)
        assert caught.value.path == "event.total"
        assert caught.value.message == "row 1 cannot be decided: event.total is missing"

    def test_an_unknown_row_behind_the_first_match_changes_nothing(self) -> None:
        assert decided({"total": 250}) == {"team": "finance"}

    def test_two_matches_fail_unique_whatever_the_unknown_row_would_have_said(self) -> None:
        with pytest.raises(StepError) as caught:
            decided({"total": 250}, hit="unique", rows=[*ROWS[::-1], row(LARGE, team="x")])
        assert caught.value.type == "ambiguous"

    def test_a_field_of_the_wrong_type_is_unknown_too(self) -> None:
        with pytest.raises(Undecided) as caught:
            decided({"total": "250"})
        assert "event.total is text" in caught.value.message
        assert caught.value.path == ""


class TestSaving:
    def test_a_sound_table_is_not_remarked_upon(self) -> None:
        assert found(table([row(LARGE, a=1), row(SMALL, a=2)], "unique")) == []

    @pytest.mark.parametrize(
        ("rows", "path"),
        [
            ([], "rows"),
            ("{{ event.rows }}", "rows"),
            ({"when": LARGE}, "rows"),
            (["x"], "rows[0]"),
            ([row({"field": "event.a", "operator": "bigger", "value": 1})], "rows[0].when.operator"),
            ([row({"all": []})], "rows[0].when.all"),
            ([row("nobody")], "rows[0].when"),
            ([row("{{ event.rule }}")], "rows[0].when"),
            ([row({"expression": "event.a >"})], "rows[0].when.expression"),
            ([row(LARGE, a="{{ event. }}")], "rows[0].then.a"),
            ([row(LARGE) | {"els": 1}], "rows[0].els"),
            ([{"when": LARGE, "then": 5}], "rows[0].then"),
        ],
    )
    def test_what_is_wrong_with_a_row_is_said_where_it_stands(self, rows: Any, path: str) -> None:
        problems = [problem for problem in found(table(rows)) if problem.severity == "wrong"]
        assert f"actions[0].config.{path}" in [problem.path for problem in problems]

    @pytest.mark.parametrize("setting", ["when", "then"])
    def test_a_row_that_lacks_something_is_incomplete(self, setting: str) -> None:
        rows = [{name: value for name, value in ROWS[0].items() if name != setting}]
        assert [(one.path, one.severity) for one in found(table(rows))] == [
            (f"actions[0].config.rows[0].{setting}", "incomplete")
        ]

    def test_a_table_without_rows_is_incomplete_and_an_empty_one_wrong(self) -> None:
        (missing,) = found(action("decide", "decision.table", config={"hit": "first"}))
        assert (missing.path, missing.severity) == ("actions[0].config.rows", "incomplete")
        (empty,) = found(table([]))
        assert (empty.message, empty.severity) == ("There are no rows.", "wrong")

    def test_a_hit_policy_must_be_a_known_one(self) -> None:
        (problem,) = found(table(hit="frist", otherwise={}))
        assert (problem.path, problem.fix) == ("actions[0].config.hit", "Did you mean “first”?")
        assert found(table(hit="{{ event.hit }}", otherwise={}))[0].message == "“hit” cannot be computed."

    def test_overlaps_gaps_and_idle_rows_are_warnings_at_their_row(self) -> None:
        rows = [row(LARGE, a=1), row(rule("event.total", "gt", 50), a=2)]
        seen = [(one.path, one.severity, one.message.split(",")[0]) for one in found(table(rows, "unique"))]
        assert seen == [
            ("actions[0].config.rows", "warning", "No row matches"),
            ("actions[0].config.rows[1]", "warning", "Rows 1 and 2 both match"),
        ]
        (idle,) = found(table([*rows[::-1]], otherwise={"a": 0}))
        assert idle.message == "Row 2 is never reached: the rows before it take all that it matches."

    def test_a_reference_of_a_row_that_leads_nowhere_is_wrong(self) -> None:
        after = table([row(rule("steps.gone.output.x", "eq", 1), a="{{ steps.later.output }}")], otherwise={}) | {
            "needs": ["first"]
        }
        problems = found(action("first"), after, action("later"))
        assert {(one.path, one.message) for one in problems if one.severity == "wrong"} == {
            ("actions[1].config.rows[0].when", "There is no step “gone”."),
            ("actions[1].config.rows[0].then.a", "“later” need not have run before this step."),
        }

    def test_a_row_may_use_a_named_condition_and_its_denial(self) -> None:
        rows = [row("large", a=1), row("not large", a=2)]
        made = document(actions=[table(rows, "unique")], conditions={"large": LARGE})
        assert check(made, actions=dict(kinds.actions), triggers=dict(kinds.triggers)) == []
        plan = plans.compile_document(made)
        rendered = plan.by_key["decide"].config.render({"event": {"total": 5}}).value
        assert [(one["row"], one["matched"]) for one in rendered["rows"]] == [(1, False), (2, True)]

    @pytest.mark.django_db
    def test_warnings_are_reported_but_neither_refuse_nor_close_the_gate(self, ana: User, svc: User) -> None:
        rows = [row(LARGE, a=1), row(rule("event.total", "gt", 50), a=2)]
        saved = save(document(actions=[table(rows, "unique")]), by=None)
        assert {problem.severity for problem in saved.findings} == {"warning"}
        assert next(item for item in gate(saved.workflow).items if item.key == "definition").ok
        answer = run_test(saved.workflow, by=None, payload={"total": 70}, trigger="by_hand")
        assert (answer["run"]["status"], answer["errors"]) == ("succeeded", [])

    @pytest.mark.django_db
    def test_a_table_is_exported_as_it_was_imported_and_follows_a_renamed_step(self, ana: User, svc: User) -> None:
        rows = [
            row(rule("steps.first.output.key", "eq", "{{ steps.first.output.key }}"), a="{{ steps.first.output.key }}")
        ]
        made = document(actions=[action("first"), table(rows, otherwise={"a": 1}) | {"needs": ["first"]}])
        saved = save(made, by=None).workflow
        assert document_of(saved)["actions"] == made["actions"]
        rename_step(saved, "first", "start", by=None)
        (renamed,) = document_of(saved)["actions"][1]["config"]["rows"]
        value = "{{ steps.start.output.key }}"
        assert renamed == row(rule("steps.start.output.key", "eq", value), a=value)

    def test_a_table_may_have_five_hundred_rows(self) -> None:
        many = [row(rule("event.n", "eq", n), a=n) for n in range(500)]
        assert found(table(many, otherwise={})) == []
        assert decided({"n": 499}, rows=many, otherwise={}) == {"a": 499}
        assert (
            found(table([*many, many[0]], otherwise={}))[0].message == "There are 501 rows, at most 500 are possible."
        )


@pytest.mark.django_db
class TestSimulated:
    def test_a_table_is_really_computed_and_says_which_row_decided_and_why(self, ana: User) -> None:
        made = workflow(
            table(),
            action("after", needs=["decide"], config={"values": {"t": "{{ steps.decide.output.team }}"}}),
            live=False,
        )
        answer = run_test(made, by=None, payload={"total": 20, "vip": True}, trigger="by_hand")
        assert [one["action"] for one in answer["candidates"]] == ["decide", "after"]
        assert answer["candidates"][0]["input"]["rows"] == [
            {"row": 1, "matched": False, "reason": "event.total = 20, needed > 100"},
            {"row": 2, "matched": True, "reason": "event.vip = true, needed true", "then": {"team": "care"}},
        ]
        messages = [entry["message"] for entry in answer["logs"] if entry["step"] == "decide"]
        assert "Row 2 matched: event.vip = true, needed true." in messages
        assert answer["candidates"][1]["input"] == {"values": {"t": "care"}}

    def test_an_undecidable_table_is_blocked_with_the_missing_path(self) -> None:
        answer = run_test(workflow(table(), live=False), by=None, payload={}, trigger="by_hand")
        assert answer["blocked"] == [{"action": "decide", "reason": "row 1 cannot be decided: event.total is missing"}]

    def test_an_undecidable_table_may_be_skipped(self) -> None:
        made = workflow(table() | {"on_unknown": "skip"}, live=False)
        answer = run_test(made, by=None, payload={}, trigger="by_hand")
        assert [one["action"] for one in answer["skipped"]] == ["decide"]

    def test_a_row_that_depends_on_an_open_value_asks_for_a_sample(self) -> None:
        call = action("ask", "http.request", config={"method": "POST", "url": "https://example.com/x"})
        rows = [row(rule("steps.ask.output.json.ok", "is_true"), a=1)]
        made = workflow(call, table(rows, otherwise={}) | {"needs": ["ask"], "on_unknown": "skip"}, live=False)
        (blocked,) = run_test(made, by=None, payload={}, trigger="by_hand")["blocked"]
        assert "give a sample" in blocked["reason"]
        outputs = {"ask": {"json": {"ok": True}}}
        answer = run_test(made, by=None, payload={}, trigger="by_hand", outputs=outputs)
        assert answer["run"]["status"] == "succeeded"


@pytest.mark.django_db(transaction=True)
class TestCarried:
    def start(self, made: Any, payload: Any) -> dict[str, Step]:
        run = dispatch.start(made, payload, by=None)
        carry_all()
        return {step.action: step for step in Step.objects.filter(run=run)}

    def test_the_step_keeps_what_was_looked_at_and_the_log_says_why(self) -> None:
        made = workflow(
            table(), action("after", needs=["decide"], config={"values": {"t": "{{ steps.decide.output.team }}"}})
        )
        steps = self.start(made, {"total": 250})
        assert steps["decide"].output == {"team": "finance"}
        assert steps["decide"].input["rows"][0]["reason"] == "event.total = 250, needed > 100"
        assert steps["after"].output == {"t": "finance"}
        assert LogEntry.objects.filter(
            step="decide", message="Row 1 matched: event.total = 250, needed > 100."
        ).exists()

    def test_an_undecidable_table_is_a_dead_letter_with_the_path(self) -> None:
        self.start(workflow(table()), {})
        letter = DeadLetter.objects.get()
        assert (letter.error["type"], letter.error["context"]["path"]) == ("undecidable", "event.total")
        assert letter.error["message"] == "row 1 cannot be decided: event.total is missing."

    def test_an_undecidable_step_may_be_skipped(self) -> None:
        lacking = action("lacking", config={"values": {"x": "{{ event.nope }}"}}, on_unknown="skip")
        steps = self.start(workflow(table() | {"on_unknown": "skip"}, lacking, action("other")), {})
        assert {key: step.status for key, step in steps.items()} == {
            "decide": "skipped", "lacking": "skipped", "other": "succeeded",
        }  # fmt: skip
        assert steps["lacking"].reason == "event.nope is missing"
        assert not DeadLetter.objects.exists()

    def test_two_matches_of_unique_are_a_dead_letter(self) -> None:
        made = workflow(table(hit="unique") | {"retry": {"attempts": 3}})
        steps = self.start(made, {"total": 250, "vip": True})
        assert (steps["decide"].status, steps["decide"].attempt) == ("failed", 1)
        assert DeadLetter.objects.get().error["type"] == "ambiguous"


def test_a_wrong_table_is_refused_as_a_whole() -> None:
    with pytest.raises(DefinitionError):
        plans.compile_document(document(actions=[table([])]))
