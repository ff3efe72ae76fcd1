"""The drain: one asyncio loop that claims runs, carries many at once, and records what comes of them in groups.

claim a batch → decide → perform ready steps side by side → commit outcomes together → decide again

Everything that touches the database goes through one thread (`self.database`), so claims, commits and beats take turns
and the loop is never blocked. Steps of one run join without races because one owner holds its state.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

from django.db import DatabaseError, InterfaceError, OperationalError, connection

from automations.engine.errors import StepError
from runs import agenda, bell
from runs.database import Clock, critical, disconnect, is_postgres
from runs.executor import carry, others
from runs.executor.effects import LiveEffects, Services, open_network
from runs.executor.hand import Hand, Unloadable, cancelled, load
from runs.executor.perform import Outcome, perform, rendered_input
from runs.executor.record import Committed, Entry, commit, owned
from runs.executor.rehearse import rehearse
from runs.executor.watch import Watch
from runs.executor.workers import BEAT, Incarnation, Observer, bury_the_dead
from runs.keys import installation

log = logging.getLogger("automation.drain")

#: Rows one claim takes at most.
BATCH = 200
#: Seconds the watch sleeps at most: what a lost ring costs.
LOOK = 1.0
#: Seconds between two looks at the locks of this host's other workers.
LOOK_AT_LOCKS = 0.025
#: Seconds between two looks at the signals of runs in hand.
LOOK_AT_SIGNALS = 0.2
#: Seconds performing steps may take to end once the drain is to finish.
FINISH = 20.0
#: Seconds after which a step that is being performed gets a row that says so.
SLOW_STEP = 1.0


class Buried(Exception):
    """This worker was, or may have been, taken for dead: it owns nothing and must begin anew."""


class Drain:
    """One incarnation of a worker. `await run()` returns when `finish` was set; raises Buried to begin anew."""

    def __init__(self, *, room: int = 1000, parallel: bool = True, stay: float | None = None) -> None:
        self.room = room
        self.parallel = parallel
        self.stay = stay  # seconds after which an idle, unsupervised drain leaves; None: never
        self.hands: dict[int, Hand] = {}
        self.entries: list[Entry] = []
        self.clock = Clock()
        self.services = Services()
        self.finishing = False
        self.anew = False
        self.ready = threading.Event()  # from then on `finish` may be called
        self.caller = others.Caller()
        self.database_thread = ThreadPoolExecutor(1, "database")

    # --- life -----------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.rung, self.said, self.over = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.ready.set()
        previous = sys.getswitchinterval()
        sys.setswitchinterval(0.0001)  # a busy loop would hold the lock for 5 ms while a commit waits to go on
        self.me: Incarnation = await self.database(Incarnation)
        await self.database(installation)
        self.observer = Observer(self.me.id)
        self.watch = Watch(on_change=lambda: self.loop.call_soon_threadsafe(self.rung.set))
        bells = contextlib.ExitStack()
        try:
            self._listen(bells, bell.helper_name(self.me.id))
            async with open_network() as network:
                self.effects = LiveEffects(network, self.services, self.database, self._alive)
                await self._live(bells)
        finally:
            self.watch.leave()
            bells.close()
            for hand in self.hands.values():
                for task in hand.performing.values():
                    task.cancel()
            self.database_thread.submit(disconnect)
            self.database_thread.shutdown(wait=True)
            sys.setswitchinterval(previous)

    async def _live(self, bells: contextlib.ExitStack) -> None:
        loops = [
            asyncio.create_task(one)
            for one in (self._claims(bells), self._commits(), self._beats(), self._look_at_locks(), self._look_at_signals())
        ]
        loops.append(asyncio.create_task(self.over.wait()))
        done, rest = await asyncio.wait(loops, return_when=asyncio.FIRST_COMPLETED)
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
        failure = next((task.exception() for task in done if task.exception()), None)
        if failure or self.anew:
            self.me.close()  # its lock is free now: whoever looks buries it
            raise failure or Buried
        await self.patient(self.me.end)

    def finish(self) -> None:
        """Claim nothing more, release what performs nothing, wait up to 20 s for the rest, then end. Thread-safe."""
        self.finishing = True
        with contextlib.suppress(RuntimeError):  # its loop has ended by itself
            self.loop.call_soon_threadsafe(self._leave_when_empty)

    def _leave_when_empty(self) -> None:
        self.loop.call_later(FINISH, self.over.set)
        self._over_if_empty()

    def _over_if_empty(self) -> None:
        if self.finishing and not self.hands and not self.entries:
            self.over.set()

    async def database(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return await self.loop.run_in_executor(self.database_thread, function, *arguments)

    async def patient(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Like `database`, again and again while the database cannot be reached or is locked; Buried after 10 s."""
        while True:
            try:
                return await self.database(function, *arguments)
            except (OperationalError, InterfaceError) as error:
                log.warning("the database did not answer: %s", error)
                await self.database(disconnect)
                if self.me.stale:
                    raise Buried from error
                await asyncio.sleep(0.1)

    def _alive(self) -> None:
        if self.me.stale:
            raise Buried

    def _listen(self, bells: contextlib.ExitStack, name: str) -> None:
        sock = bell.listen(name)

        def hear() -> None:
            with contextlib.suppress(BlockingIOError):
                while sock.recv(64):
                    pass
            self.rung.set()

        self.loop.add_reader(sock, hear)
        bells.callback(bell.silence, sock, name)
        bells.callback(self.loop.remove_reader, sock)

    # --- claims ---------------------------------------------------------------------------------------------------

    async def _claims(self, bells: contextlib.ExitStack) -> None:
        """On watch: promote and claim whenever something may be ready. Off watch: claim when rung for help."""
        on_watch, since = False, self.loop.time()
        while True:
            if self.watch.held and not on_watch:
                on_watch = True
                self._listen(bells, bell.WATCH)
                await self._bury(everyone=True)
            again, sleep = False, LOOK
            if not self.finishing and (on_watch or self.rung.is_set()):
                self.rung.clear()
                again, sleep = await self._claim(on_watch)
            else:
                self.rung.clear()
            if self.stay and not self.hands and self.loop.time() - since > self.stay:
                await self.patient(self.caller.call)  # unsupervised: another comes, and django-q2 may stop in between
                self.over.set()
            if not again:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.rung.wait(), sleep)

    async def _claim(self, on_watch: bool) -> tuple[bool, float]:
        """Take what there is room for. Returns (ask again at once, seconds until something wakes by itself)."""
        room = min(BATCH, self.room - len(self.hands))
        suspect = any(hand.struck for hand in self.hands.values())
        taken, left, wake_at = await self.patient(self._take, room, suspect, on_watch)
        runs = [row for row in taken if row.kind == agenda.RUN]
        hands, unknown = await self.patient(self._load, runs) if runs else ([], [])
        for hand in hands:
            self.hands[hand.id] = hand
            if hand.run.mode == "simulate":
                self._record(await self.patient(rehearse, hand, self.clock.now()))
            else:
                self._go_on(hand, carry.begin(hand, self.clock.now()))
        for row in unknown:
            await self.patient(others.postpone, self.me.id, row)
        for row in taken:
            if row.kind != agenda.RUN:
                asyncio.create_task(self.patient(others.perform, self.me.id, row))
        if left and len(taken) < max(room, 1):  # hands are full, or what is ready must travel apart
            await self._call_for_help()
        sleep = LOOK if wake_at is None else max(0.001, min(LOOK, (wake_at - self.clock.now()).total_seconds()))
        return bool(taken) and len(taken) == room, sleep

    async def _call_for_help(self) -> None:
        if not bell.ring_helpers(self.me.id) and self.caller.due():
            await self.patient(self.caller.call)

    def _take(self, room: int, suspect: bool, on_watch: bool) -> tuple[list[agenda.Taken], bool, datetime | None]:
        with critical() as cursor:
            now = self.clock.read(cursor)
            if on_watch:
                agenda.promote(cursor, now)
            taken = agenda.take(cursor, self.me.id, room, now, in_hand=len(self.hands), suspect=suspect)
            left = agenda.any_ready(cursor)
            return taken, left, agenda.next_wake(cursor) if on_watch else None

    def _load(self, rows: list[agenda.Taken]) -> tuple[list[Hand], list[agenda.Taken]]:
        with connection.cursor() as cursor:
            return load(cursor, rows, self.clock.now())

    # --- carrying -------------------------------------------------------------------------------------------------

    def _go_on(self, hand: Hand, entry: Entry) -> None:
        """Decide what follows; queue what is to be recorded, or act at once where nothing waits to be recorded."""
        try:
            carry.advance(hand, entry, self.clock.now(), parallel=self.parallel)
        except Exception as error:
            log.exception("run %s broke off", hand.run.id)
            entry = carry.break_off(hand, error, self.clock.now())
        unsafe = [key for key, _ in entry.effects if hand.plan.by_key[key].safety == "unsafe"]
        for key in unsafe:
            self._intend(hand, entry, key, dict(entry.effects)[key])
        pending_only = not (entry.letters or entry.status or entry.letting or unsafe or hand.waiting_commit)
        if entry.effects and pending_only and _pure_only(hand, entry):
            # Outcomes of pure kinds ride along with the next commit: recomputed after a crash, they come out the same.
            self._act(hand, entry)
            hand.carried = _merge(hand.carried, entry)
            return
        if hand.carried:
            entry = _merge(hand.carried, entry)
            hand.carried = None
        if entry.empty() and not entry.effects:
            self._wake_later(hand)
            return
        self._record(entry)

    def _record(self, entry: Entry) -> None:
        entry.hand.waiting_commit += 1
        self.entries.append(entry)
        self.said.set()

    def _intend(self, hand: Hand, entry: Entry, key: str, ready_at: datetime) -> None:
        """An unsafe step is recorded before it is performed: if this worker dies in between, a person decides."""
        try:
            rendered_input(hand, key, ready_at)
        except StepError:
            return  # it fails before anything is sent, and says so then
        entry.steps[key] = carry.running_row(hand, key)

    def _act(self, hand: Hand, entry: Entry) -> None:
        for key, ready_at in entry.effects:
            hand.performing[key] = asyncio.create_task(self._perform(hand, key, ready_at))
        entry.effects = []

    async def _perform(self, hand: Hand, key: str, ready_at: datetime) -> None:
        slow = self.loop.call_later(SLOW_STEP, self._say_it_runs, hand, key)
        try:
            value = rendered_input(hand, key, ready_at)
            outcome = await perform(hand, key, value, ready_at, self.effects)
        except StepError as error:
            outcome = Outcome(key, error=error)
        except Buried:
            self.anew = True
            self.over.set()
            raise
        finally:
            slow.cancel()
            hand.performing.pop(key, None)
        if self.hands.get(hand.id) is not hand:
            return  # lost meanwhile: whoever owns it now performs it under the same key
        entry = Entry(hand)
        carry.learn(hand, entry, outcome, self.clock.now(), chance=random.random())  # noqa: S311  jitter, no secret
        self._go_on(hand, entry)

    def _say_it_runs(self, hand: Hand, key: str) -> None:
        if self.hands.get(hand.id) is hand and key in hand.performing:
            entry = Entry(hand)
            entry.steps[key] = carry.running_row(hand, key)
            self._record(entry)

    def _wake_later(self, hand: Hand) -> None:
        """A run that stays in hand because something is performing may have a retry or its deadline to meet."""
        if hand.wake_at and hand.performing:
            delay = (hand.wake_at - self.clock.now()).total_seconds()
            self.loop.call_later(max(0.001, delay), self._poke, hand)

    def _poke(self, hand: Hand) -> None:
        if self.hands.get(hand.id) is hand and not hand.waiting_commit:
            self._go_on(hand, Entry(hand))

    # --- recording ------------------------------------------------------------------------------------------------

    async def _commits(self) -> None:
        """Commit what has gathered; the next group is what arrives meanwhile."""
        while True:
            await self.said.wait()
            self.said.clear()
            group, self.entries = self.entries, []
            if group:
                await self._commit(group)
                self._over_if_empty()
            if not is_postgres():
                await asyncio.sleep(0.001)  # or the door, which waits for the same write lock, starves

    async def _commit(self, group: list[Entry]) -> None:
        try:
            done: Committed = await self.patient(commit, self.me.id, group, self.clock)
        except DatabaseError as error:
            await self._cut(group, error)
            return
        self.services.at(done.epoch)
        if done.ready_now:
            self.rung.set()
            bell.ring()
        for entry in group:
            self._committed(entry, done)
        soon = [e.letting.wake_at for e in group if e.letting and e.letting.wake_at]
        if soon and (min(soon) - self.clock.now()).total_seconds() < LOOK:
            self.rung.set()
            bell.ring()

    def _committed(self, entry: Entry, done: Committed) -> None:
        hand = entry.hand
        hand.waiting_commit -= 1
        if self.hands.get(hand.id) is not hand:
            return
        if hand.id not in done.signals:
            self._drop(hand)
            return
        if entry.letting:
            del self.hands[hand.id]
            return
        hand.struck = False
        self._act(hand, entry)
        if done.signals[hand.id] != hand.seen:
            asyncio.create_task(self._look_again({hand.id: done.signals[hand.id]}))
        elif not hand.performing and not hand.waiting_commit:
            self._go_on(hand, Entry(hand))
        else:
            self._wake_later(hand)

    async def _cut(self, group: list[Entry], error: DatabaseError) -> None:
        """Halve a group the database refuses until the culprit stands alone; it fails as a step."""
        if len(group) > 1:
            middle = len(group) // 2
            await self._commit(group[:middle])
            await self._commit(group[middle:])
            return
        entry = group[0]
        log.error("run %s cannot be recorded: %s", entry.hand.run.id, error)
        if not entry.steps:
            raise Buried from error
        await self._commit([carry.unstorable(entry, error, self.clock.now())])

    def _drop(self, hand: Hand) -> None:
        """Somebody else owns this run now."""
        self.hands.pop(hand.id, None)
        for task in hand.performing.values():
            task.cancel()

    # --- looking around -------------------------------------------------------------------------------------------

    async def _beats(self) -> None:
        while True:
            if not await self.patient(self.me.beat, len(self.hands)):
                raise Buried
            if self.watch.held:
                await self.patient(self.observer.look)
                await self._bury()
            await asyncio.sleep(BEAT if not self.watch.held else LOOK)

    async def _look_at_locks(self) -> None:
        """Proof of death on this host costs no query, so it is looked for often."""
        while True:
            await asyncio.sleep(LOOK_AT_LOCKS)
            self.me.touch()
            if self.watch.held and self.observer.gone_here():
                await self._bury()

    async def _bury(self, *, everyone: bool = False) -> None:
        if everyone:
            await self.patient(self.observer.look)
        dead = self.observer.gone_here() + self.observer.silent_elsewhere()
        if dead and await self.patient(bury_the_dead, self.observer, dead):
            self.rung.set()

    async def _look_at_signals(self) -> None:
        while True:
            await asyncio.sleep(LOOK_AT_SIGNALS)
            asked = {i: hand for i, hand in self.hands.items() if not hand.waiting_commit}
            if not asked:
                continue
            signals = await self.patient(owned, self.me.id, list(asked))
            here = {i: hand for i, hand in asked.items() if self.hands.get(i) is hand and not hand.waiting_commit}
            for i, hand in here.items():
                if i not in signals:
                    self._drop(hand)
            moved = {i: signals[i] for i, hand in here.items() if i in signals and signals[i] != hand.seen}
            if moved:
                await self._look_again(moved)

    async def _look_again(self, moved: dict[int, int]) -> None:
        """Something happened to runs in hand: read what may have changed, then decide again."""
        runs = {self.hands[i].run.id: self.hands[i] for i in moved if i in self.hands}
        gone = await self.patient(cancelled, list(runs))
        for run, hand in runs.items():
            hand.seen = moved[hand.id]
            hand.state.cancelled = run in gone
            if not hand.waiting_commit:
                self._go_on(hand, Entry(hand))


def _pure_only(hand: Hand, entry: Entry) -> bool:
    """Whether what is to be recorded would come out the same after a crash: skips and pure kinds."""
    return all(row.status == "skipped" or hand.plan.by_key[key].pure for key, row in entry.steps.items())


def _merge(first: Entry | None, then: Entry) -> Entry:
    if first is None:
        return then
    then.steps = {**first.steps, **then.steps}
    then.log = first.log + then.log
    return then


__all__ = ["Buried", "Drain", "Unloadable"]
