"""Turns are fair, whoever joins or leaves."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automations.engine.fairness import KEPT, Counters, choose

NAMES = ["ana", "ben", "carl", "dora", "eve"]


def turns(count: int, method: str, pool: list[str], counters: Counters | None = None, **options: object) -> list[str]:
    """The next names, the counters stored and read again in between."""
    state, found = (counters or Counters()).as_dict(), []
    for _ in range(count):
        now = Counters.of(json.loads(json.dumps(state)))
        found.append(choose(method, pool, now, **options).name)  # type: ignore[arg-type]
        state = now.as_dict()
    if counters is not None:
        counters.turn, counters.last, counters.credit = state["turn"], state["last"], state["credit"]
    return found


def test_round_robin_goes_through_the_pool_in_its_order() -> None:
    assert turns(7, "round_robin", NAMES[:3]) == ["ana", "ben", "carl", "ana", "ben", "carl", "ana"]


def test_who_joins_is_next_and_who_leaves_is_passed_over() -> None:
    counters = Counters()
    assert turns(2, "round_robin", NAMES[:3], counters) == ["ana", "ben"]
    assert turns(5, "round_robin", ["ana", "carl", "dora"], counters) == ["carl", "dora", "ana", "carl", "dora"]
    assert turns(2, "round_robin", NAMES[:4], counters) == ["ben", "ana"]


@given(st.lists(st.sampled_from(NAMES), min_size=1, unique=True), st.integers(1, 40))
def test_nobody_is_ever_more_than_one_turn_ahead(pool: list[str], count: int) -> None:
    seen = Counter(turns(count, "round_robin", pool))
    assert max(seen.values()) - min(seen.get(name, 0) for name in pool) <= 1


@given(st.lists(st.integers(0, 6), min_size=1, max_size=5).filter(any), st.integers(1, 3))
def test_weights_are_met_exactly_in_every_full_round(shares: list[int], rounds: int) -> None:
    weights = dict(zip(NAMES, shares, strict=False))
    seen = Counter(turns(sum(shares) * rounds, "weighted", list(weights), weights=weights))
    assert seen == Counter({name: share * rounds for name, share in weights.items() if share})


def test_weights_are_spread_evenly() -> None:
    assert turns(8, "weighted", ["ana", "ben"], weights={"ana": 3, "ben": 1}) == ["ana", "ana", "ben", "ana"] * 2


def test_who_has_no_weight_counts_as_one() -> None:
    assert Counter(turns(30, "weighted", ["ana", "ben"], weights={"ana": 2})) == {"ana": 20, "ben": 10}


def test_weights_that_are_all_zero_leave_nobody() -> None:
    with pytest.raises(ValueError, match="All weights are 0"):
        choose("weighted", ["ana"], Counters(), weights={"ana": 0})


def test_the_least_loaded_is_chosen_and_equals_take_turns() -> None:
    loads = {"ana": 2, "ben": 1, "carl": 1}
    assert turns(3, "least_loaded", ["ana", "ben", "carl"], loads=loads) == ["ben", "carl", "ben"]
    assert turns(2, "least_loaded", ["ana", "dora"], loads=loads) == ["dora", "dora"]


def test_first_is_always_the_first() -> None:
    assert turns(3, "first", ["ben", "ana"]) == ["ben", "ben", "ben"]


def test_a_choice_says_why() -> None:
    counters = Counters()
    choose("round_robin", ["ana", "ben"], counters)
    choose("round_robin", ["ana", "ben"], counters)
    assert choose("round_robin", ["ana", "ben"], counters).reason == "round robin among 2, last chosen 2 turns ago"
    assert choose("least_loaded", ["carl"], counters, loads={"carl": 4}).reason == (
        "least loaded of 1 with 4 open, not chosen before"
    )


def test_names_that_never_come_again_are_forgotten() -> None:
    counters = Counters()
    for number in range(1, KEPT + 200):
        choose("weighted", [f"n{number}", "n0"], counters, weights={"n0": 0})
    state = counters.as_dict()
    assert len(state["last"]) == KEPT
    assert len(state["credit"]) <= KEPT
