"""Every order of two and three actors on the agenda: never two living owners, no signal lost, limits hold."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.runs.world import World, burial, burial_if_silent, cancel, message, orders, reopen

pytestmark = pytest.mark.django_db(transaction=True)
Cast = list[list[Callable[[], None]]]


def explore(stage: Callable[[World], Cast], **world: object) -> int:
    """Play every order on a fresh world; returns how many there were."""
    shape = [list(range(len(actor))) for actor in stage(World(**world))]  # type: ignore[arg-type]
    count = 0
    for order in orders(shape):
        fresh = World(**world)  # type: ignore[arg-type]
        cast = stage(fresh)
        for actor, step in order:
            cast[actor][step]()
            fresh.check()
        fresh.settle()
        count += 1
    return count


def cycle(world: World, name: str, *, finish: bool = False) -> list[Callable[[], None]]:
    worker = world.worker(name)
    return [worker.claim, worker.look, worker.finish if finish else worker.release]


def test_a_wake_is_never_lost_to_the_release_it_meets() -> None:
    assert explore(lambda w: [cycle(w, "a"), [message(w, 1), message(w, 1)]]) == 10


def test_two_workers_and_a_waker_never_own_one_thing_together() -> None:
    assert explore(lambda w: [cycle(w, "a"), cycle(w, "b"), [message(w, 1)]]) == 140


def test_a_buried_worker_that_goes_on_unaware_changes_nothing() -> None:
    def stage(world: World) -> Cast:
        first = cycle(world, "a")
        return [first, cycle(world, "b"), [burial(world.workers["a"])]]

    assert explore(stage) == 140


def test_a_burial_and_a_wake_in_any_order_leave_the_thing_ready() -> None:
    def stage(world: World) -> Cast:
        first = cycle(world, "a")
        return [first, [message(world, 1)], [burial(world.workers["a"])]]

    assert explore(stage) == 20


def test_a_worker_whose_beat_moved_is_not_buried_and_one_that_is_buried_keeps_nothing() -> None:
    def stage(world: World) -> Cast:
        first = cycle(world, "a")
        worker = world.workers["a"]
        return [first, [worker.beat], list(burial_if_silent(worker)), [message(world, 1)]]

    assert explore(stage) == 420


def test_a_cancel_reaches_whoever_carries_the_run() -> None:
    def stage(world: World) -> Cast:
        first = cycle(world, "a")
        return [first, [cancel(world, 1)], [burial(world.workers["a"])]]

    assert explore(stage) == 20


def test_a_run_reopened_while_it_finishes_is_carried_again() -> None:
    assert explore(lambda w: [cycle(w, "a", finish=True), [reopen(w, 1)], [message(w, 1)]]) == 20


def test_a_limit_of_one_holds_over_two_workers_and_frees_its_slot() -> None:
    assert explore(lambda w: [cycle(w, "a", finish=True), cycle(w, "b", finish=True)], targets=2, limit=1) == 20


def test_a_limit_that_counts_active_runs_only_is_free_while_one_sleeps() -> None:
    def stage(world: World) -> Cast:
        return [cycle(world, "a"), cycle(world, "b"), [message(world, 1)]]

    assert explore(stage, targets=2, limit=1, open_slots=False) == 140


def test_a_dead_workers_slot_is_not_lost() -> None:
    def stage(world: World) -> Cast:
        first = cycle(world, "a", finish=True)
        return [first, cycle(world, "b", finish=True), [burial(world.workers["a"])]]

    assert explore(stage, targets=2, limit=1) == 140


def test_a_cancel_of_a_blocked_run_is_not_held_back() -> None:
    def stage(world: World) -> Cast:
        return [cycle(world, "a", finish=True), cycle(world, "b", finish=True), [cancel(world, 2)]]

    assert explore(stage, targets=2, limit=1) == 140
