"""The drain: one asyncio loop that claims runs, carries many at once, and records what comes of them in groups.

Everything that touches the database goes through one thread, so claims, commits and beats take turns and the loop is
never blocked. What becomes of the runs in hand is the carrier's; claims, beats, burials and the watch are here.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import threading
from datetime import datetime

from django.db import DatabaseError, connection

from runs import agenda, bell
from runs.database import Clock, critical
from runs.executor import others
from runs.executor.carrier import LOOK, Carrier
from runs.executor.database_thread import Buried, DatabaseThread
from runs.executor.effects import LiveEffects, open_network
from runs.executor.hand import Hand, load
from runs.executor.record import owned
from runs.executor.transact import Transactor
from runs.executor.watch import Watch
from runs.executor.workers import BEAT, Incarnation, Observer, bury_the_dead
from runs.keys import installation

log = logging.getLogger("automation.drain")

#: Rows one claim takes at most.
BATCH = 200
#: Seconds between two looks at the locks of this host's other workers.
LOOK_AT_LOCKS = 0.025
#: Seconds between two looks at the signals of runs in hand.
LOOK_AT_SIGNALS = 0.2
#: Seconds performing steps may take to end once the drain is to finish.
FINISH = 20.0


class Drain:
    """One incarnation of a worker. `await run()` returns when `finish` was called; raises Buried to begin anew."""

    def __init__(self, *, room: int = 1000, parallel: bool = True, stay: float | None = None) -> None:
        self.room = room
        self.parallel = parallel
        self.stay = stay  # seconds after which an idle, unsupervised drain leaves; None: never
        self.clock = Clock()
        self.finishing = False
        self.anew = False
        self.ready = threading.Event()  # from then on `finish` may be called
        self.caller = others.Caller()

    # --- life -----------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.rung, self.over = asyncio.Event(), asyncio.Event()
        self.store = DatabaseThread()
        previous = sys.getswitchinterval()
        sys.setswitchinterval(0.0001)  # a busy loop would hold the lock for 5 ms while a commit waits to go on
        self.me: Incarnation = await self.store.call(Incarnation)
        self.store.me = self.me
        await self.store.call(installation)
        self.observer = Observer(self.me.id)
        self.carrier = Carrier(
            self.me.id,
            self.store,
            self.clock,
            parallel=self.parallel,
            rouse=self.rung.set,
            leave=self._leave,
            count=self.me.count,
        )
        second = DatabaseThread()
        second.me = self.me
        self.carrier.transactor = Transactor(self.me.id, second, self.clock)
        self.ready.set()
        self.watch = Watch(on_change=lambda: self.loop.call_soon_threadsafe(self.rung.set))
        try:
            with contextlib.ExitStack() as bells:
                self._listen(bells, bell.helper_name(self.me.id))
                async with open_network() as network:
                    self.carrier.effects = LiveEffects(
                        network, self.carrier.services, self.store.patient, self.store.check_alive
                    )
                    await self._live(bells)
        finally:
            self.watch.leave()
            self.carrier.let_all_go()
            second.close()
            self.store.close()
            sys.setswitchinterval(previous)

    async def _live(self, bells: contextlib.ExitStack) -> None:
        work = (
            self._claims(bells),
            self.carrier.record_all(),
            self._beats(),
            self._look_at_locks(),
            self._look_at_signals(),
            self.over.wait(),
        )
        loops = [asyncio.create_task(one) for one in work]
        done, rest = await asyncio.wait(loops, return_when=asyncio.FIRST_COMPLETED)
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
        failure = next((task.exception() for task in done if task.exception()), None)
        if failure or self.anew:
            self.me.close()  # its lock is free now: whoever looks buries it
            raise failure or Buried
        try:
            await self.store.patient(self.me.end)
        except (DatabaseError, Buried):
            self.me.close()
            raise

    def finish(self) -> None:
        """Claim nothing more, release what performs nothing, wait up to 20 s for the rest, then end. Thread-safe."""
        self.finishing = True
        with contextlib.suppress(RuntimeError):  # its loop has ended by itself
            self.loop.call_soon_threadsafe(self._finish)

    def _finish(self) -> None:
        self.loop.call_later(FINISH, self.over.set)
        if self.carrier.empty:
            self.over.set()

    def _leave(self, anew: bool) -> None:
        """The carrier has nothing left (which matters only while finishing), or must begin anew."""
        self.anew = self.anew or anew
        if self.anew or self.finishing:
            self.over.set()

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
                self._listen(bells, bell.WATCH)
                await self._bury(everyone=True)
            on_watch = self.watch.held
            again, sleep = False, LOOK
            if not self.finishing and (on_watch or self.rung.is_set()):
                self.rung.clear()
                again, sleep = await self._claim(on_watch)
            else:
                self.rung.clear()
            if self.stay and not self.carrier.hands and self.loop.time() - since > self.stay:
                await self.store.patient(
                    self.caller.call
                )  # unsupervised: another comes, and django-q2 may stop in between
                self.over.set()
            if not again:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.rung.wait(), sleep)

    async def _claim(self, on_watch: bool) -> tuple[bool, float]:
        """Take what there is room for. Returns (ask again at once, seconds until something wakes by itself)."""
        room = min(BATCH, self.room - len(self.carrier.hands))
        taken, left, wake_at = await self.store.patient(self._take, room, self.carrier.suspect, on_watch)
        runs = [row for row in taken if row.kind == agenda.RUN]
        hands, unknown = await self.store.patient(self._load, runs) if runs else ([], [])
        for hand in hands:
            await self.carrier.take_up(hand)
        for row in unknown:
            await self.store.patient(others.postpone, self.me.id, row)
        for row in taken:
            if row.kind != agenda.RUN:
                self.store.aside(self.store.patient(others.perform, self.me.id, row))
        if left and len(taken) < max(room, 1):  # hands are full, or what is ready must travel apart
            await self._call_for_help()
        sleep = LOOK if wake_at is None else max(0.001, min(LOOK, (wake_at - self.clock.now()).total_seconds()))
        return bool(taken) and len(taken) == room, sleep

    async def _call_for_help(self) -> None:
        if not bell.ring_helpers(self.me.id) and self.caller.due():
            await self.store.patient(self.caller.call)

    def _take(self, room: int, suspect: bool, on_watch: bool) -> tuple[list[agenda.Taken], bool, datetime | None]:
        with critical() as cursor:
            now = self.clock.read(cursor)
            if on_watch:
                agenda.promote(cursor, now)
            taken = agenda.take(cursor, self.me.id, room, now, in_hand=len(self.carrier.hands), suspect=suspect)
            left = agenda.any_ready(cursor)
            return taken, left, agenda.next_wake(cursor) if on_watch else None

    def _load(self, rows: list[agenda.Taken]) -> tuple[list[Hand], list[agenda.Taken]]:
        with connection.cursor() as cursor:
            return load(cursor, rows, self.clock.now())

    # --- looking around -------------------------------------------------------------------------------------------

    async def _beats(self) -> None:
        while True:
            if not await self.store.patient(self.me.beat, len(self.carrier.hands)):
                raise Buried
            if self.watch.held:
                await self.store.patient(self.observer.look)
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
            await self.store.patient(self.observer.look)
        dead = self.observer.gone_here() + self.observer.silent_elsewhere()
        if dead and await self.store.patient(bury_the_dead, self.observer, dead):
            self.rung.set()

    async def _look_at_signals(self) -> None:
        while True:
            await asyncio.sleep(LOOK_AT_SIGNALS)
            asked = {i: hand for i, hand in self.carrier.hands.items() if not hand.waiting_commit}
            if not asked:
                continue
            signals = await self.store.patient(owned, self.me.id, list(asked))
            here = {
                i: hand for i, hand in asked.items() if self.carrier.hands.get(i) is hand and not hand.waiting_commit
            }
            for i, hand in here.items():
                if i not in signals:
                    self.carrier.drop(hand)
            moved = {i: signals[i] for i, hand in here.items() if i in signals and signals[i] != hand.seen}
            if moved:
                await self.carrier.look_again(moved)


__all__ = ["Buried", "Drain"]
