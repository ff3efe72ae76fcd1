"""The carrier: the runs in a worker's hands, from a decision to its effects and their record.

decide → perform ready steps side by side → commit outcomes together → decide again. Steps of one run join without races
because one owner holds its state.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from datetime import datetime

from django.db import DatabaseError

from automations.engine.errors import StepError
from runs import bell
from runs.database import Clock, is_postgres
from runs.executor import carry
from runs.executor.database_thread import Buried, DatabaseThread
from runs.executor.effects import LiveEffects, Services
from runs.executor.hand import Hand, look_again
from runs.executor.perform import Outcome, perform, rendered_input
from runs.executor.record import Committed, Entry, commit
from runs.executor.rehearse import rehearse
from runs.executor.transact import Transactor, is_transactional

log = logging.getLogger("automation.drain")

#: Seconds the watch sleeps at most: what a lost ring costs. A wake-up nearer than this is rung for.
LOOK = 1.0
#: Seconds after which a step that is being performed gets a row that says so.
SLOW_STEP = 1.0


class Carrier:
    """Carries runs for the worker `me`. `rouse` asks for another claim, `leave` ends the drain (True: begin anew),
    `count` notes for /metrics how a run has finished and steps that gave up."""

    effects: LiveEffects
    transactor: Transactor

    def __init__(
        self,
        me: int,
        store: DatabaseThread,
        clock: Clock,
        *,
        parallel: bool,
        rouse: Callable[[], None],
        leave: Callable[[bool], None],
        count: Callable[[str | None, int], None],
    ) -> None:
        self.me, self.store, self.clock, self.parallel = me, store, clock, parallel
        self.rouse, self.leave, self.count = rouse, leave, count
        self.hands: dict[int, Hand] = {}
        self.entries: list[Entry] = []
        self.services = Services()
        self.loop = asyncio.get_running_loop()
        self.said = asyncio.Event()

    @property
    def empty(self) -> bool:
        return not self.hands and not self.entries

    @property
    def suspect(self) -> bool:
        """Whether a run in hand struck a former owner and has not been cleared yet."""
        return any(hand.struck for hand in self.hands.values())

    async def take_up(self, hand: Hand) -> None:
        """Begin with a run just claimed; one in simulate mode is carried to its end at once."""
        self.hands[hand.id] = hand
        if hand.run.mode == "simulate":
            self._record(await self.store.patient(rehearse, hand, self.clock.now()))
        else:
            self._go_on(hand, carry.begin(hand, self.clock.now()))

    def drop(self, hand: Hand) -> None:
        """Somebody else owns this run now."""
        self.hands.pop(hand.id, None)
        for task in hand.performing.values():
            task.cancel()

    def let_all_go(self) -> None:
        for hand in list(self.hands.values()):
            self.drop(hand)

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
        asking = entry.requests or entry.voids
        pending_only = not (entry.letters or entry.status or entry.letting or unsafe or asking or hand.waiting_commit)
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
            if is_transactional(hand.plan.by_key[key]):
                outcome = await self.transactor.perform(hand, key, value, ready_at)
            else:
                outcome = await perform(hand, key, value, ready_at, self.effects)
        except StepError as error:
            outcome = Outcome(key, error=error)
        except Buried:
            self.leave(True)
            return
        finally:
            slow.cancel()
            hand.performing.pop(key, None)
        if outcome is None or self.hands.get(hand.id) is not hand:
            return  # lost meanwhile: whoever owns it now performs it under the same key
        entry = Entry(hand)
        carry.learn(hand, entry, outcome, self.clock.now(), chance=random.random())  # noqa: S311  jitter, no secret
        self._go_on(hand, entry)

    def _say_it_runs(self, hand: Hand, key: str) -> None:
        if is_transactional(hand.plan.by_key[key]):
            return  # its own transaction records it: a late “running” would take the outcome back
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

    async def record_all(self) -> None:
        """Commit what has gathered; the next group is what arrives meanwhile."""
        while True:
            await self.said.wait()
            self.said.clear()
            group, self.entries = self.entries, []
            if group:
                await self._commit(group)
                if self.empty:
                    self.leave(False)
            if not is_postgres():
                await asyncio.sleep(0.001)  # or the door, which waits for the same write lock, starves

    async def _commit(self, group: list[Entry]) -> None:
        try:
            done: Committed = await self.store.patient(commit, self.me, group, self.clock)
        except DatabaseError as error:
            await self._cut(group, error)
            return
        self.services.at(done.epoch)
        if done.ready_now:
            self.rouse()
            bell.ring()
        for entry in group:
            self._committed(entry, done)
        soon = [e.letting.wake_at for e in group if e.letting and e.letting.wake_at]
        if soon and (min(soon) - self.clock.now()).total_seconds() < LOOK:
            self.rouse()
            bell.ring()

    def _committed(self, entry: Entry, done: Committed) -> None:
        hand = entry.hand
        hand.waiting_commit -= 1
        if self.hands.get(hand.id) is not hand:
            return
        if hand.id not in done.signals:
            self.drop(hand)
            return
        if hand.run.mode == "execute":
            self.count(entry.status if entry.finished else None, len(entry.letters))
        if entry.letting:
            del self.hands[hand.id]
            return
        hand.struck = False
        self._act(hand, entry)
        if done.signals[hand.id] != hand.seen:
            self.store.aside(self.look_again({hand.id: done.signals[hand.id]}))
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

    async def look_again(self, moved: dict[int, int]) -> None:
        """Something happened to runs in hand: read what may have changed, then decide again."""
        hands = [self.hands[i] for i in moved if i in self.hands]
        gone, approvals = await self.store.patient(look_again, hands)
        for hand in hands:
            if hand.waiting_commit or self.hands.get(hand.id) is not hand:
                continue  # what it is recording compares the signals, and looks again
            hand.seen = moved[hand.id]
            hand.state.cancelled = hand.run.id in gone
            hand.approvals = approvals.get(hand.run.id, hand.approvals)
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
