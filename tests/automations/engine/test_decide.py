"""What happens next in a run: the graph's rules, one by one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from automations.engine.cel import Open
from automations.engine.decide import decide
from automations.engine.plan import parse
from automations.engine.scope import render, variables
from automations.engine.state import Finish, RunState, StepState
from tests.automations.engine.kinds import ACTIONS, TRIGGERS, document

START = datetime(2026, 1, 1, 8, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def plan_of(*actions, **more):
    return parse(document(*actions, **more), actions=ACTIONS, triggers=TRIGGERS)


def run_of(event=None, deadline=None, **steps) -> RunState:
    """Return a run whose steps have these states; a bare word is a step finished after one second."""
    states = {k: StepState(s, attempt=1, finished_at=at(1)) if isinstance(s, str) else s for k, s in steps.items()}
    run = {"id": 1, "mode": "execute", "started_at": "2026-01-01T08:00:00Z"}
    return RunState(states, event or {}, {"key": "start"}, run, {"slug": "w", "name": "W"}, START, deadline)


def performs(decision):
    return [ready.key for ready in decision.perform]


def skips(decision):
    return [skip.key for skip in decision.skip]


A, B = {"key": "a"}, {"key": "b"}
AFTER_A = {"key": "b", "needs": ["a"]}
BOTH = {"key": "c", "needs": ["a", "b"]}


class TestStarting:
    def test_steps_without_needs_are_performed_in_document_order(self):
        assert performs(decide(plan_of(B, A), run_of(), START)) == ["b", "a"]

    def test_a_step_waits_for_its_need(self):
        assert performs(decide(plan_of(A, AFTER_A), run_of(a="running"), START)) == []
        assert performs(decide(plan_of(A, AFTER_A), run_of(a="succeeded"), START)) == ["b"]

    def test_a_simulated_need_counts_as_performed(self):
        assert performs(decide(plan_of(A, AFTER_A), run_of(a="simulated"), START)) == ["b"]

    def test_sequential_performs_one_step_at_a_time_in_document_order(self):
        plan = plan_of(B, A)
        assert performs(decide(plan, run_of(), START, parallel=False)) == ["b"]
        assert performs(decide(plan, run_of(b="running"), START, parallel=False)) == []
        assert performs(decide(plan, run_of(b="succeeded"), START, parallel=False)) == ["a"]

    def test_a_root_is_ready_when_the_run_is_created_and_others_when_the_last_need_finished(self):
        plan = plan_of(A, B, BOTH)
        assert decide(plan, run_of(), at(9)).perform[0].ready_at == START
        run = run_of(a=StepState("succeeded", finished_at=at(3)), b=StepState("succeeded", finished_at=at(5)))
        assert decide(plan, run, at(9)).perform[0].ready_at == at(5)

    def test_the_recorded_moment_of_readiness_stays(self):
        run = run_of(a=StepState("retrying", attempt=1, due_at=at(5), ready_at=at(2)))
        assert decide(plan_of(A), run, at(6)).perform[0].ready_at == at(2)


class TestJoiningAll:
    def test_one_performed_need_is_enough_when_the_others_were_skipped(self):
        assert performs(decide(plan_of(A, B, BOTH), run_of(a="skipped", b="succeeded"), START)) == ["c"]

    def test_a_step_whose_needs_were_all_skipped_is_skipped_and_says_which(self):
        decision = decide(plan_of(A, B, BOTH), run_of(a="skipped", b="skipped"), START)
        assert [(s.key, s.reason, s.not_reached) for s in decision.skip] == [("c", "a, b were skipped", False)]
        assert decision.finish == Finish("succeeded", 0, "every step was skipped")

    def test_skips_follow_each_other_in_one_decision(self):
        plan = plan_of(A, AFTER_A, {"key": "c", "needs": ["b"]})
        decision = decide(plan, run_of(a="skipped"), START)
        assert skips(decision) == ["b", "c"]
        assert decision.finish is not None

    def test_after_skip_run_performs_all_the_same(self):
        plan = plan_of(A, AFTER_A | {"after_skip": "run"})
        assert performs(decide(plan, run_of(a="skipped"), START)) == ["b"]

    def test_a_tolerated_failure_counts_as_performed_and_as_a_warning(self):
        plan = plan_of(A | {"on_failure": "continue"}, AFTER_A)
        assert performs(decide(plan, run_of(a="failed"), START)) == ["b"]
        assert decide(plan, run_of(a="failed", b="succeeded"), START).finish == Finish("succeeded", 1)


class TestJoiningSome:
    ANY = {"key": "c", "needs": ["a", "b"], "join": "any"}
    TWO = {"key": "d", "needs": ["a", "b", "c"], "join": 2}

    def test_any_starts_with_the_first_success(self):
        run = run_of(a=StepState("succeeded", finished_at=at(3)), b="running")
        decision = decide(plan_of(A, B, self.ANY), run, at(4))
        assert performs(decision) == ["c"]
        assert decision.perform[0].ready_at == at(3)

    def test_any_waits_while_a_success_is_possible(self):
        assert decide(plan_of(A, B, self.ANY), run_of(a="skipped", b="running"), START).skip == ()

    def test_any_is_skipped_once_no_success_is_possible(self):
        assert skips(decide(plan_of(A, B, self.ANY), run_of(a="skipped", b="skipped"), START)) == ["c"]

    def test_a_tolerated_failure_is_no_success(self):
        plan = plan_of(A | {"on_failure": "continue"}, {"key": "c", "needs": ["a"], "join": "any"})
        decision = decide(plan, run_of(a="failed"), START)
        assert decision.skip[0].reason == "needs 1 of a to succeed, 0 did"

    def test_a_number_waits_for_that_many(self):
        plan = plan_of(A, B, {"key": "c"}, self.TWO)
        assert performs(decide(plan, run_of(a="succeeded", b="running", c="running"), START)) == []
        assert performs(decide(plan, run_of(a="succeeded", b="succeeded", c="running"), START)) == ["d"]
        assert skips(decide(plan, run_of(a="succeeded", b="skipped", c="skipped"), START)) == ["d"]


class TestFailing:
    def test_nothing_new_starts_and_the_rest_is_not_reached(self):
        decision = decide(plan_of(A, B, BOTH), run_of(a="failed"), START)
        assert [(s.key, s.reason, s.not_reached) for s in decision.skip] == [
            ("b", "not reached: a failed", True),
            ("c", "not reached: a failed", True),
        ]
        assert decision.finish == Finish("failed", 0, "a failed")

    def test_running_steps_end_before_the_run_is_failed(self):
        plan = plan_of(A, B, BOTH)
        assert decide(plan, run_of(a="failed", b="running"), START).finish is None
        assert decide(plan, run_of(a="failed", b="succeeded"), START).finish == Finish("failed", 0, "a failed")

    def test_a_retry_that_has_begun_goes_on_to_its_end(self):
        run = run_of(a="failed", b=StepState("retrying", attempt=1, due_at=at(5)))
        assert decide(plan_of(A, B), run, at(1)).wake_at == at(5)
        assert performs(decide(plan_of(A, B), run, at(5))) == ["b"]

    def test_an_approval_still_awaited_is_not_reached(self):
        assert skips(decide(plan_of(A, B), run_of(a="failed", b=StepState("awaiting_approval")), START)) == ["b"]

    def test_a_step_held_before_its_first_call_is_not_reached(self):
        assert skips(decide(plan_of(A, B), run_of(a="failed", b=StepState("waiting", attempt=0)), START)) == ["b"]

    def test_the_run_waits_for_a_person_when_an_outcome_is_unknown(self):
        assert decide(plan_of(A, B), run_of(a="failed", b=StepState("unknown", attempt=1)), START).finish is None

    def test_of_two_failures_the_first_in_the_document_is_named(self):
        assert decide(plan_of(B, A), run_of(a="failed", b="failed"), START).finish.reason == "b failed"

    def test_a_reopened_run_goes_on_where_it_stopped(self):
        assert performs(decide(plan_of(A, AFTER_A), run_of(a="succeeded"), START)) == ["b"]


class TestCompensating:
    UNDO = {"kind": "http.request", "config": {"url": "http://x/{{ steps.a.output.id }}", "method": "DELETE"}}
    PLAN = (
        A | {"compensate": UNDO},
        {"key": "b", "needs": ["a"], "compensate": {"kind": "log.write"}},
        {"key": "c", "needs": ["b"], "on_failure": "compensate"},
    )

    def test_what_succeeded_is_undone_one_by_one_newest_first(self):
        plan = plan_of(*self.PLAN)
        done = {"a": StepState("succeeded", finished_at=at(1)), "b": StepState("succeeded", finished_at=at(2))}
        run = run_of(**done, c="failed")
        assert performs(decide(plan, run, at(3))) == ["b.compensate"]
        run.steps["b.compensate"] = StepState("running", attempt=1)
        assert decide(plan, run, at(3)).finish is None
        run.steps["b.compensate"] = StepState("failed", attempt=1, finished_at=at(4))
        assert performs(decide(plan, run, at(4))) == ["a.compensate"]
        run.steps["a.compensate"] = StepState("succeeded", attempt=1, finished_at=at(5))
        assert decide(plan, run, at(5)).finish == Finish("failed", 0, "c failed")

    def test_a_compensation_reads_the_output_of_its_action(self):
        plan = plan_of(*self.PLAN)
        run = run_of(a=StepState("succeeded", output={"id": 7}, finished_at=at(1)))
        assert render(plan, run, "a.compensate", START).value["url"] == "http://x/7"

    def test_it_can_be_switched_off(self):
        run = run_of(a="succeeded", b="succeeded", c="failed")
        assert decide(plan_of(*self.PLAN), run, at(3), compensate=False).finish is not None

    def test_a_failure_under_stop_undoes_nothing(self):
        actions = (*self.PLAN[:2], {"key": "c", "needs": ["b"]})
        assert performs(decide(plan_of(*actions), run_of(a="succeeded", b="succeeded", c="failed"), at(3))) == []


class TestEndingEarly:
    def test_a_cancelled_run_starts_nothing_and_waits_only_for_calls_being_performed(self):
        run = run_of(a="running", b=StepState("retrying", attempt=1, due_at=at(9)))
        run.cancelled = True
        decision = decide(plan_of(A, B, BOTH), run, START)
        assert skips(decision) == ["c"]
        assert [cancel.key for cancel in decision.cancel] == ["b"]
        assert (decision.finish, decision.wake_at) == (None, None)
        run.steps = {k: StepState("cancelled", finished_at=at(2)) for k in "ab"} | {
            "c": StepState("skipped", not_reached=True)
        }
        assert decide(plan_of(A, B, BOTH), run, START).finish == Finish("cancelled", 0, "the run was cancelled")

    def test_a_cancel_that_comes_after_the_last_step_changes_nothing(self):
        run = run_of(a="succeeded")
        run.cancelled = True
        assert decide(plan_of(A), run, START).finish == Finish("succeeded")

    def test_a_run_past_its_deadline_is_timed_out(self):
        run = run_of(a="succeeded", deadline=at(10))
        assert decide(plan_of(A, AFTER_A), run, at(9)).wake_at == at(10)
        decision = decide(plan_of(A, AFTER_A), run, at(10))
        assert skips(decision) == ["b"]
        assert decision.finish == Finish("timed_out", 0, "the run ran out of time")

    def test_the_answer_is_the_same_after_it_was_recorded(self):
        run = run_of(a="succeeded", b=StepState("skipped", not_reached=True), deadline=at(10))
        assert decide(plan_of(A, AFTER_A), run, at(11)).finish.status == "timed_out"

    def test_a_failure_before_the_deadline_stays_a_failure(self):
        run = run_of(a="failed", b=StepState("skipped", not_reached=True), deadline=at(10))
        assert decide(plan_of(A, AFTER_A), run, at(11)).finish.status == "failed"

    def test_a_run_that_did_everything_just_in_time_succeeded(self):
        assert decide(plan_of(A), run_of(a="succeeded", deadline=at(10)), at(11)).finish == Finish("succeeded")

    def test_a_step_may_stop_the_run(self):
        run = run_of(a="succeeded")
        run.stopped = Finish("succeeded", 0, "nothing to do")
        decision = decide(plan_of(A, AFTER_A), run, START)
        assert decision.skip[0].not_reached
        assert decision.finish == Finish("succeeded", 0, "nothing to do")

    def test_a_failure_is_not_hidden_by_a_stop(self):
        run = run_of(a="failed", b="succeeded")
        run.stopped = Finish("succeeded", 0, "nothing to do")
        assert decide(plan_of(A, B), run, START).finish == Finish("failed", 0, "a failed")

    def test_an_unknown_outcome_does_not_hold_a_cancelled_run(self):
        run = run_of(a=StepState("unknown", attempt=1))
        run.cancelled = True
        assert decide(plan_of(A), run, START).finish == Finish("cancelled", 0, "the run was cancelled")


class TestWaiting:
    def test_a_retry_is_performed_when_it_is_due(self):
        run = run_of(a=StepState("retrying", attempt=1, due_at=at(5)))
        assert decide(plan_of(A), run, at(4)).perform == ()
        assert performs(decide(plan_of(A), run, at(5))) == ["a"]

    def test_the_run_sleeps_until_the_earliest_moment(self):
        run = run_of(a=StepState("waiting", attempt=1, due_at=at(50)), b=StepState("retrying", attempt=1, due_at=at(7)))
        assert decide(plan_of(A, B), run, at(1)).wake_at == at(7)

    def test_a_waiting_step_whose_time_has_come_is_named(self):
        run = run_of(a=StepState("awaiting_approval", due_at=at(5)))
        assert decide(plan_of(A), run, at(5)).due == ("a",)

    def test_a_run_that_waits_for_a_person_has_no_wake_time(self):
        decision = decide(plan_of(A), run_of(a=StepState("awaiting_approval")), START)
        assert (decision.wake_at, decision.finish) == (None, None)


class TestWhen:
    LARGE = {"field": "event.total", "operator": "gt", "value": 100}

    def test_it_decides_with_its_reason_and_values(self):
        plan = plan_of(A | {"when": self.LARGE})
        assert decide(plan, run_of({"total": 250}), START).perform[0].verdict.matched is True
        skip = decide(plan, run_of({"total": 90}), START).skip[0]
        assert (skip.reason, skip.values) == ("event.total = 90, needed > 100", {"event.total": 90})

    def test_an_unknown_one_is_undecidable(self):
        found = decide(plan_of(A | {"when": self.LARGE}), run_of({"x": 1}), START).undecidable[0]
        assert (found.key, found.path, found.open) == ("a", "event.total", False)

    def test_on_unknown_skip_makes_it_a_skip(self):
        plan = plan_of(A | {"when": self.LARGE, "on_unknown": "skip"})
        assert decide(plan, run_of({"x": 1}), START).skip[0].reason == "event.total is missing"

    def test_an_open_value_asks_for_a_sample_even_under_on_unknown_skip(self):
        when = {"expression": "steps.a.output.ok == true"}
        plan = plan_of(A, AFTER_A | {"when": when, "on_unknown": "skip"})
        run = run_of(a=StepState("simulated", output=Open("steps.a.output"), finished_at=at(1)))
        found = decide(plan, run, START).undecidable[0]
        assert (found.open, found.path) == (True, "steps.a.output.ok")
        assert "give a sample" in found.reason

    def test_the_status_of_a_step_can_be_read(self):
        plan = plan_of(A | {"on_failure": "continue"}, AFTER_A | {"when": {"expression": "steps.a.status == 'failed'"}})
        assert performs(decide(plan, run_of(a="failed"), START)) == ["b"]

    def test_the_output_of_a_failed_step_is_missing(self):
        plan = plan_of(A | {"on_failure": "continue"}, AFTER_A | {"when": {"expression": "steps.a.output.id == 1"}})
        assert decide(plan, run_of(a="failed"), START).undecidable[0].path == "steps.a.output.id"


class TestBlocked:
    def test_what_needs_a_blocked_step_is_blocked_too(self):
        plan = plan_of(A, AFTER_A, {"key": "c", "needs": ["b"]}, {"key": "d"})
        decision = decide(plan, run_of(d="simulated"), START, blocked={"a": "event.total is missing"})
        assert [(b.key, b.reason) for b in decision.blocked] == [
            ("b", "needs the blocked step a"),
            ("c", "needs the blocked step b"),
        ]
        assert decision.finish == Finish("failed", 0, "blocked: a, b, c")

    def test_another_success_may_be_enough(self):
        plan = plan_of(A, B, {"key": "c", "needs": ["a", "b"], "join": "any"})
        assert performs(decide(plan, run_of(b="simulated"), START, blocked={"a": "x"})) == ["c"]
        assert [b.key for b in decide(plan, run_of(b="skipped"), START, blocked={"a": "x"}).blocked] == ["c"]


class TestScope:
    def test_only_finished_ancestors_are_in_scope(self):
        plan = plan_of(A, B, {"key": "c", "needs": ["a"]})
        run = run_of(a=StepState("succeeded", output=1, items=[1], finished_at=at(1)), b="succeeded")
        assert variables(plan, run, "c", at(1))["steps"] == {"a": {"status": "succeeded", "output": 1, "items": [1]}}
        assert set(variables(plan, run, None, at(1))["steps"]) == {"a", "b"}

    def test_items_are_in_scope_under_for_each(self):
        plan = plan_of(A | {"for_each": "event.lines", "config": {"n": "{{ item.n + index }}"}})
        assert render(plan, run_of(), "a", START, extra={"item": {"n": 2}, "index": 3}).value == {"n": 5}

    def test_now_is_the_moment_given(self):
        plan = plan_of(A | {"config": {"at": "{{ now }}"}})
        assert render(plan, run_of(), "a", at(1)).value == {"at": "2026-01-01T08:00:01Z"}


def test_an_empty_plan_succeeds():
    assert decide(plan_of(), run_of(), START).finish == Finish("succeeded")


@pytest.mark.parametrize("status", ["running", "retrying", "waiting", "awaiting_approval", "unknown"])
def test_an_open_step_keeps_the_run_open(status):
    assert decide(plan_of(A), run_of(a=StepState(status, attempt=1)), START).finish is None
