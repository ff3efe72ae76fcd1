"""A small world for the agenda's explorer: things on the agenda with messages for them, and actors that act in steps.

Every step is one transaction with the product's own SQL. A worker's look reads the messages that have arrived; they
count as seen once the release that follows is committed by a living owner.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

from django.db import connection, transaction

from runs import agenda
from runs.agenda import Item, Letting, Taken
from runs.database import critical
from runs.executor.record import fence
from runs.executor.workers import bury
from runs.models import Agenda, Worker

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)


class World:
    def __init__(self, targets: int = 1, limit: int | None = None, *, open_slots: bool = True) -> None:
        Agenda.objects.all().delete()
        Worker.objects.all().delete()
        self.clock = 0
        self.arrived: dict[int, int] = dict.fromkeys(range(1, targets + 1), 0)
        self.seen: dict[int, int] = dict.fromkeys(range(1, targets + 1), -1)
        self.done: set[int] = set()
        self.cancelled: set[int] = set()  # never held back by a limit, so not counted against it
        self.limit = limit
        self.ends = bool(limit and open_slots)  # a slot from start to end is free only once its run has ended
        self.workers: dict[str, WorkerActor] = {}
        shared = ("orders", limit, open_slots) if limit else None
        with transaction.atomic():
            agenda.enqueue("run", [Item(t, limit=shared) for t in self.arrived], self.now())

    def now(self) -> datetime:
        self.clock += 1
        return NOW + timedelta(seconds=self.clock)

    def worker(self, name: str, room: int = 1) -> WorkerActor:
        self.workers[name] = WorkerActor(self, name, room)
        return self.workers[name]

    # --- invariants -----------------------------------------------------------------------------------------------

    def check(self) -> None:
        owners: dict[int, int] = {}
        for worker in self.workers.values():
            for row in worker.owned():
                assert row not in owners, "two living owners"
                owners[row] = worker.id
        rows = list(Agenda.objects.all())
        for row in rows:
            places = [row.rank is not None, row.blocked_by is not None, row.owner is not None]
            assert sum(places) <= 1, f"in two places at once: {vars(row)}"
        if self.limit:
            assert sum(row.slot for row in rows) <= self.limit, "over the limit"
            owned = sum(row.owner is not None for row in rows if row.target not in self.cancelled)
            assert owned <= self.limit, "more in hand than the limit admits"

    def settle(self) -> None:
        """Let one more worker do what is ready until nothing is; then nothing may have been missed."""
        for worker in self.workers.values():
            if worker.mine:
                bury(worker.id)
        last = self.worker("last", room=10)
        for _ in range(50):
            last.claim()
            self.check()
            if not last.mine:
                break
            last.look()
            last.finish() if self.ends else last.release()
        for target, count in self.arrived.items():
            if target not in self.done:
                assert self.seen[target] >= count, f"a signal for {target} was lost"
        stuck = Agenda.objects.exclude(blocked_by=None)
        assert not stuck.exists(), "blocked for ever"


class WorkerActor:
    """Claims, looks, releases (or finishes); may be buried at any moment and goes on unaware."""

    def __init__(self, world: World, name: str, room: int) -> None:
        self.world, self.name, self.room = world, name, room
        self.id = Worker.objects.create(host=name, pid=1).pk
        self.mine: dict[int, Taken] = {}
        self.looked: dict[int, int] = {}

    def claim(self) -> None:
        with critical() as cursor:
            taken = agenda.take(
                cursor, self.id, self.room - len(self.mine), self.world.now(), in_hand=len(self.mine), suspect=False
            )
        self.mine |= {row.target: row for row in taken}

    def look(self) -> None:
        self.looked = {target: self.world.arrived[target] for target in self.mine}

    def release(self) -> None:
        self._let_go(finished=False)

    def finish(self) -> None:
        self._let_go(finished=True)

    def _let_go(self, *, finished: bool) -> None:
        keys = [row.limit_key for row in self.mine.values() if row.limit_key]
        with critical() as cursor:
            ours = fence(cursor, self.id, [row.id for row in self.mine.values()])
            kept = {t: row for t, row in self.mine.items() if row.id in ours and t in self.looked}
            lettings = [Letting(row.id, row.claim, row.signals, finished=finished) for row in kept.values()]
            agenda.let_go(cursor, self.id, lettings, self.world.now())
            agenda.unblock(cursor, keys)
        for target in kept:
            self.world.seen[target] = max(self.world.seen[target], self.looked[target])
            if finished:
                self.world.done.add(target)
        self.mine, self.looked = {}, {}

    def beat(self) -> None:
        Worker.objects.filter(pk=self.id, buried_at=None).update(beat=self.world.clock + 100)

    def owned(self) -> list[int]:
        """Rows this worker believes to own and could still write to."""
        with transaction.atomic(), connection.cursor() as cursor:
            return list(fence(cursor, self.id, [row.id for row in self.mine.values()]))


def message(world: World, target: int) -> Callable[[], None]:
    def act() -> None:
        with transaction.atomic():
            world.arrived[target] += 1
            agenda.wake("run", [target], world.now())

    return act


def cancel(world: World, target: int) -> Callable[[], None]:
    def act() -> None:
        with transaction.atomic():
            world.arrived[target] += 1
            world.cancelled.add(target)
            agenda.let_through("run", target, world.now())

    return act


def reopen(world: World, target: int) -> Callable[[], None]:
    def act() -> None:
        with transaction.atomic():
            world.arrived[target] += 1
            world.done.discard(target)
            agenda.enqueue("run", [Item(target)], world.now())

    return act


def burial(worker: WorkerActor) -> Callable[[], None]:
    return lambda: bury(worker.id)


def burial_if_silent(worker: WorkerActor) -> Iterator[Callable[[], None]]:
    """An observer on another host: it read a beat, and buries only while that has not moved."""
    read: dict[str, int] = {}

    def observe() -> None:
        read["beat"] = Worker.objects.get(pk=worker.id).beat

    yield observe
    yield lambda: bury(worker.id, read["beat"])


def orders(actors: Sequence[Sequence[int]]) -> Iterator[list[tuple[int, int]]]:
    """Every order of the actors' steps that keeps each actor's own order."""

    def walk(done: tuple[int, ...]) -> Iterator[list[tuple[int, int]]]:
        if all(n == len(actor) for n, actor in zip(done, actors, strict=True)):
            yield []
        for index, actor in enumerate(actors):
            if done[index] < len(actor):
                then = tuple(n + (i == index) for i, n in enumerate(done))
                for rest in walk(then):
                    yield [(index, done[index]), *rest]

    return walk((0,) * len(actors))
