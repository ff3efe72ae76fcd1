"""Group commit at the door: deliveries that arrive while one transaction commits share the next.

The thread that finds nobody leading stores the group; the others wait for their answer. When it has its own, it hands
the lead to the first that waits, so no request waits longer than two commits.
"""

from __future__ import annotations

import json
import logging
import threading
from dataclasses import dataclass, field

from django.db import DatabaseError, InterfaceError, connection, transaction
from django.db.backends.utils import CursorWrapper

from runs import bell
from runs.asking import listeners
from runs.database import Clock, insert, stamp
from runs.dispatch import Dispatched, Moved, store
from webhooks.models import Verdict
from webhooks.receive import Answer, Delivery, Judged, answer, endpoints, judge, masked_headers

log = logging.getLogger("automation.hooks")

#: Deliveries one transaction stores at most, and how many may wait before the door says 503.
GROUP = 64
QUEUE = 1000


@dataclass(slots=True)
class Ticket:
    """One delivery waiting for its answer; `turn` is set when it is answered, or when it is to lead."""

    judged: Judged
    turn: threading.Event = field(default_factory=threading.Event)
    answer: Answer | None = None


class GroupCommit:
    """Shared by the request threads of one process."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._waiting: list[Ticket] = []
        self._led = False

    def store(self, judged: Judged) -> Answer:
        """Store a judged delivery with others of the same moment. Returns its answer; 503 where that is impossible."""
        ticket = Ticket(judged)
        with self._mutex:
            if len(self._waiting) >= QUEUE:
                return Answer(503, headers={"Retry-After": "1"})
            self._waiting.append(ticket)
            leads = not self._led
            self._led = True
        if not leads:
            ticket.turn.wait()
        if ticket.answer is None:
            self._lead()
        return ticket.answer or Answer(503, headers={"Retry-After": "1"})

    def _lead(self) -> None:
        """Store the group that has gathered (this thread's own ticket is in it), then pass the lead on."""
        with self._mutex:
            group, self._waiting = self._waiting[:GROUP], self._waiting[GROUP:]
        try:
            answers = store_group([ticket.judged for ticket in group])
        except Exception:
            log.exception("a group of %d deliveries could not be stored", len(group))
            answers = [Answer(503, headers={"Retry-After": "5"})] * len(group)
        for ticket, told in zip(group, answers, strict=True):
            ticket.answer = told
            ticket.turn.set()
        with self._mutex:
            if self._waiting:
                self._waiting[0].turn.set()
            else:
                self._led = False


def store_group(group: list[Judged]) -> list[Answer]:
    """Write receipts, events and runs of a group; everything is committed when this returns."""
    tries = 0
    while True:
        try:
            return _store(group)
        except Moved:
            endpoints.forget()
            listeners.forget()
            group[:] = [judge(one.delivery) for one in group]
        except (DatabaseError, InterfaceError):
            # A connection may have gone since the last request, or two transactions met crosswise: once more.
            tries += 1
            connection.close()
            if tries > 2:
                raise


def _store(group: list[Judged]) -> list[Answer]:
    with transaction.atomic(), connection.cursor() as cursor:
        now = Clock().read(cursor)
        live = [one for one in group if one.prepared]
        if any(one.epoch != _epoch(cursor) for one in group):
            raise Moved
        dispatched = store(cursor, [one.prepared for one in live if one.prepared], now)
        stored = dict(zip(map(id, live), dispatched, strict=True))
        for one in live:
            if stored[id(one)].duplicate:
                one.verdict = Verdict.DUPLICATE
        receipts = _insert_receipts(cursor, group, stored, now)
        told = [
            answer(one, receipt, stored.get(id(one)), _first_receipt(cursor, stored.get(id(one))))
            for one, receipt in zip(group, receipts, strict=True)
        ]
        if any(one.runs and not one.duplicate for one in stored.values()):
            bell.ring_after_commit()
    return told


def _epoch(cursor: CursorWrapper) -> int:
    cursor.execute("SELECT value FROM automations_epoch WHERE id = 1")
    row = cursor.fetchone()
    return row[0] if row else 0


def _first_receipt(cursor: CursorWrapper, dispatched: Dispatched | None) -> int | None:
    if dispatched is None or not dispatched.duplicate or dispatched.event_id is None:
        return None
    cursor.execute(
        "SELECT min(id) FROM automations_webhooks_receipt WHERE event_id = %s AND verdict = %s",
        [dispatched.event_id, Verdict.ACCEPTED],
    )
    return cursor.fetchone()[0]


_COLUMNS = (
    "endpoint_id slug verdict reason dedupe_id matched_secret event_id received_at remote size headers body"
).split()


def _insert_receipts(
    cursor: CursorWrapper, group: list[Judged], stored: dict[int, Dispatched], now: object
) -> list[int]:
    rows = []
    for one in group:
        event = stored[id(one)].event_id if id(one) in stored else None
        delivery = one.delivery
        rows.append(
            (
                one.endpoint,
                delivery.slug[:100].replace("\x00", ""),
                one.verdict,
                one.reason[:1000],
                one.dedupe_id,
                one.matched,
                event,
                stamp(delivery.received_at),
                delivery.remote[:60],
                len(delivery.body),
                json.dumps(masked_headers(delivery.headers)),
                one.kept_body,
            )
        )
    return [row[0] for row in insert(cursor, "automations_webhooks_receipt", _COLUMNS, rows, returning="id")]


door = GroupCommit()


def receive(delivery: Delivery) -> Answer:
    """Judge and store one delivery; the answer says what was committed."""
    try:
        judged = judge(delivery)
    except (DatabaseError, InterfaceError):
        connection.close()
        log.exception("a delivery to %s could not be judged", delivery.slug)
        return Answer(503, headers={"Retry-After": "5"})
    return door.store(judged)
