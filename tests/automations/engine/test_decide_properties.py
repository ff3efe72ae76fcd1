"""Whatever the graph, the outcomes and their order: the promises of `decide` hold."""

from __future__ import annotations

import copy
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from automations.engine.decide import decide
from automations.engine.state import FINISHED, SUCCEEDED, StepState
from tests.automations.engine.test_decide import START, plan_of, run_of

OUTCOMES = ("succeeded", "succeeded", "succeeded", "failed", "retry", "skipped")


@st.composite
def graphs(draw, joins=("all", "all", "any", 1)):
    """Return 1 to 7 actions whose needs point backwards in a hidden order; the document order is shuffled."""
    count = draw(st.integers(1, 7))
    actions = []
    for index in range(count):
        needs = draw(st.lists(st.sampled_from(range(index)), unique=True, max_size=3)) if index else []
        join = draw(st.sampled_from(joins))
        actions.append({
            "key": f"s{index}",
            "needs": [f"s{need}" for need in needs],
            "join": join if needs else "all",
            "on_failure": draw(st.sampled_from(("stop", "continue"))),
            "after_skip": draw(st.sampled_from(("skip", "skip", "run"))),
        })  # fmt: skip
    return draw(st.permutations(actions))


def record(state, decision, now):
    """Write down all that a decision says, as the executor does."""
    for skip in decision.skip:
        state.steps[skip.key] = StepState("skipped", finished_at=now, reason=skip.reason, not_reached=skip.not_reached)
    for cancel in decision.cancel:
        state.steps[cancel.key].status = "cancelled"
    for ready in decision.perform:
        step = state.steps.setdefault(ready.key, StepState("pending"))
        step.status, step.attempt, step.ready_at = "running", step.attempt + 1, ready.ready_at


def play(plan, state, choose, outcome_of, *, parallel=True):
    """Drive a run to its end; `choose` picks which running step ends next. Returns (finish, performed, order)."""
    now, performed, order = START, [], []
    for _ in range(200):
        decision = decide(plan, state, now, parallel=parallel)
        before = copy.deepcopy(state)
        assert decide(plan, state, now, parallel=parallel) == decision
        assert state == before
        record(state, decision, now)
        performed += [(ready.key, {k: s.status for k, s in state.steps.items()}) for ready in decision.perform]
        if decision.finish:
            again = decide(plan, state, now, parallel=parallel)
            assert (again.perform, again.skip, again.finish) == ((), (), decision.finish)
            return decision.finish, performed, order
        running = [key for key, step in state.steps.items() if step.status == "running"]
        if not parallel:
            assert len(running) <= 1
        if running:
            key = choose(running)
            order.append(key)
            finish_step(state.steps[key], outcome_of(key), now)
            now += timedelta(seconds=1)
        else:
            assert decision.wake_at is not None, "a run that is open must know what it waits for"
            now = decision.wake_at
    raise AssertionError("the run did not end")


def finish_step(step, outcome, now):
    if outcome == "retry" and step.attempt < 3:
        step.status, step.due_at = "retrying", now + timedelta(seconds=5)
        return
    step.status, step.due_at, step.finished_at = outcome if outcome != "retry" else "succeeded", None, now


@settings(max_examples=150, deadline=None)
@given(graphs(), st.data(), st.booleans())
def test_every_run_ends_and_nothing_is_performed_before_its_needs(actions, data, parallel):
    plan, state = plan_of(*actions), run_of()
    outcomes = {a["key"]: data.draw(st.sampled_from(OUTCOMES)) for a in actions}
    finish, performed, _order = play(
        plan, state, lambda running: data.draw(st.sampled_from(running)), outcomes.__getitem__, parallel=parallel
    )
    for key, seen in performed:
        action = plan.by_key[key]
        finished = [need for need in action.needs if need in seen and seen[need] in FINISHED]
        if action.join == "all":
            assert len(finished) == len(action.needs)
        else:
            assert any(seen[need] in SUCCEEDED for need in finished)
    assert all(step.status in FINISHED for step in state.steps.values())
    assert set(state.steps) == {a["key"] for a in actions}
    failed = [k for k, step in state.steps.items() if step.status == "failed" and plan.by_key[k].on_failure == "stop"]
    assert finish.status == ("failed" if failed else "succeeded")
    if not failed:
        assert not any(step.not_reached for step in state.steps.values())


@settings(max_examples=100, deadline=None)
@given(graphs(), st.data())
def test_each_step_succeeds_at_most_once(actions, data):
    plan, state, successes = plan_of(*actions), run_of(), []

    def outcome_of(key):
        outcome = data.draw(st.sampled_from(OUTCOMES))
        if outcome == "succeeded" or (outcome == "retry" and state.steps[key].attempt == 3):
            successes.append(key)
        return outcome

    play(plan, state, lambda running: data.draw(st.sampled_from(running)), outcome_of)
    assert len(successes) == len(set(successes))


@settings(max_examples=150, deadline=None)
@given(graphs(joins=("all",)), st.data())
def test_the_order_of_completion_does_not_change_what_is_skipped(actions, data):
    actions = [action | {"on_failure": "continue"} for action in actions]
    plan = plan_of(*actions)
    outcomes = {a["key"]: data.draw(st.sampled_from(OUTCOMES)) for a in actions}
    ends = []
    for pick in (lambda running: running[0], lambda running: running[-1], lambda r: data.draw(st.sampled_from(r))):
        state = run_of()
        finish, _performed, _order = play(plan, state, pick, outcomes.__getitem__)
        ends.append((finish, {key: (step.status, step.reason) for key, step in state.steps.items()}))
    assert ends[0] == ends[1] == ends[2]


@settings(max_examples=60, deadline=None)
@given(graphs(), st.data())
def test_a_failed_run_can_be_reopened_and_then_succeeds(actions, data):
    plan, state = plan_of(*actions), run_of()
    outcomes = {a["key"]: data.draw(st.sampled_from(("succeeded", "failed"))) for a in actions}
    pick = lambda running: data.draw(st.sampled_from(running))  # noqa: E731
    play(plan, state, pick, outcomes.__getitem__)
    state.steps = {k: s for k, s in state.steps.items() if s.status != "failed" and not s.not_reached}
    finish, _performed, _order = play(plan, state, pick, lambda _key: "succeeded")
    assert finish.status == "succeeded"


@settings(max_examples=60, deadline=None)
@given(graphs(), st.data())
def test_a_cancelled_run_ends_as_soon_as_its_calls_have_ended(actions, data):
    plan, state = plan_of(*actions), run_of()
    record(state, decide(plan, state, START), START)
    state.cancelled = True
    outcome = data.draw(st.sampled_from(("succeeded", "failed")))
    started = set(state.steps)
    finish, performed, _order = play(plan, state, lambda running: running[0], lambda _key: outcome)
    assert performed == []
    done = started >= {action["key"] for action in actions}
    assert finish.status in ({"succeeded", "failed", "cancelled"} if done else {"cancelled"})


@settings(max_examples=80, deadline=None)
@given(graphs())
def test_actions_are_in_topological_order_with_ties_in_document_order(actions):
    keys = [action.key for action in plan_of(*actions).actions]
    place = {key: index for index, key in enumerate(keys)}
    assert all(place[need] < place[action["key"]] for action in actions for need in action["needs"])
    done: set[str] = set()
    for key in keys:
        free = [a["key"] for a in actions if a["key"] not in done and set(a["needs"]) <= done]
        assert key == free[0]
        done.add(key)
