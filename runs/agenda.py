"""The agenda's verbs: enqueue, wake, promote, take, release, finish, unblock, bury.

Each is one guarded statement (or a few in the installation's critical section), called inside the caller's own
transaction. A row is asleep, ready, blocked or owned (runs/models/agenda.py). The rules they keep:

* a wake never takes a row from its owner; it raises `signals`, and the owner's release that has not seen the new
  number makes the row ready again, so no wake is ever lost;
* only `take` counts limits, and whatever frees a slot does so in the same critical section: no count is ever stale;
* a worker's write is guarded by (owner, claim): after a burial it changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django.db.backends.utils import CursorWrapper

from runs.database import execute_many, for_update, insert, marks, stamp

TABLE = "automations_runs_agenda"
RUN = "run"
#: Seconds of head start one level of priority gives: urgent first, and yet nothing starves.
HEAD_START = 30.0
LIMIT = "limit"
#: Rows that share the fate of one worker after so many burials: suspects travel in shrinking groups.
SUSPECTS = {1: 32, 2: 4}
#: Burials of a worker that carried nothing else: three make a dead letter.
ALONE = 3

#: What performs a row of another kind than a run: (target, now) → when to look again, or None when it is finished.
handlers: dict[str, Callable[[int, datetime], datetime | None]] = {}


@dataclass(frozen=True, slots=True)
class Item:
    """A thing to put on the agenda; `limit` is (key, count, open): open slots last from start to end."""

    target: int
    priority: int = 0
    limit: tuple[str, int, bool] | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """A row this worker owns now. `signals` is what a release must still find."""

    id: int
    kind: str
    target: int
    claim: int
    signals: int
    strikes: int
    alone: int
    limit_key: str | None


def enqueue(kind: str, items: Sequence[Item], now: datetime, *, wake_at: datetime | None = None) -> None:
    """Put things on the agenda, ready (or asleep until `wake_at`). One that is there already is woken instead."""
    rank = now.timestamp()
    rows = []
    for item in items:
        head = item.priority * HEAD_START
        key, count, open_ = item.limit or (None, None, True)
        ready = None if wake_at else rank - head
        rows.append((kind, item.target, stamp(wake_at), ready, rank - head, head, key, count, open_, False, 0, 0, 0, 0))
    columns = (
        "kind target wake_at rank place head_start limit_key limit_count limit_open slot claim signals strikes alone"
    )
    with connection.cursor() as cursor:
        insert(
            cursor,
            TABLE,
            columns.split(),
            rows,
            conflict=f"ON CONFLICT (kind, target) DO UPDATE SET signals = {TABLE}.signals + 1, "
            f"rank = CASE WHEN {TABLE}.owner IS NULL AND {TABLE}.blocked_by IS NULL "
            f"THEN coalesce({TABLE}.rank, excluded.rank) ELSE {TABLE}.rank END",
        )


def wake(kind: str, targets: Iterable[int], now: datetime) -> None:
    """Something happened to these things (a decision, an event, a cancel): somebody must look. Locks ascending."""
    ids = sorted(set(targets))
    if not ids:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id FROM {TABLE} WHERE kind = %s AND target IN ({marks(ids)}) ORDER BY id{for_update()}",
            [kind, *ids],
        )
        cursor.fetchall()
        cursor.execute(
            f"UPDATE {TABLE} SET signals = signals + 1, rank = CASE WHEN owner IS NULL AND blocked_by IS NULL "
            f"THEN coalesce(rank, %s - head_start) ELSE rank END WHERE kind = %s AND target IN ({marks(ids)})",
            [now.timestamp(), kind, *ids],
        )


def let_through(kind: str, target: int, now: datetime) -> None:
    """A cancel: never held back by a limit. A blocked row leaves its limit and becomes ready."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {TABLE} SET signals = signals + 1, blocked_by = NULL, "
            "limit_key = CASE WHEN slot THEN limit_key ELSE NULL END, "
            "rank = CASE WHEN owner IS NULL THEN coalesce(rank, %s - head_start) ELSE rank END "
            "WHERE kind = %s AND target = %s",
            [now.timestamp(), kind, target],
        )


def promote(cursor: CursorWrapper, now: datetime) -> int:
    """Sleepers whose time has come become ready. Returns how many."""
    cursor.execute(
        f"UPDATE {TABLE} SET rank = %s - head_start, wake_at = NULL "
        "WHERE wake_at <= %s AND owner IS NULL AND blocked_by IS NULL",
        [now.timestamp(), stamp(now)],
    )
    return cursor.rowcount


def take(cursor: CursorWrapper, owner: int, room: int, now: datetime, *, in_hand: int, suspect: bool) -> list[Taken]:
    """Own up to `room` ready rows, first by rank. Call inside `critical()`.

    A worker with empty hands takes a group of suspects first, and then nothing else until they are cleared
    (`suspect`): whatever kills it strikes them alone. A worker that carries others leaves suspects to one that has
    empty hands; when they have waited 5 s it takes nothing, so that its own hands become empty.
    """
    if suspect or room <= 0:
        return []
    oldest = _oldest_suspect(cursor)
    if oldest and not in_hand:
        level = int(oldest[1])
        same = f"AND strikes = {level}" if level in SUSPECTS else f"AND strikes > {max(SUSPECTS)}"
        return _own(cursor, owner, _ready(cursor, SUSPECTS.get(level, 1), same))
    if oldest and oldest[0] < now.timestamp() - 5:
        return []
    taken: list[Taken] = []
    while len(taken) < room:
        rows = _ready(cursor, room - len(taken), "AND strikes = 0")
        if not rows:
            break
        taken += _own(cursor, owner, rows)
    return taken


def _oldest_suspect(cursor: CursorWrapper) -> tuple[float, int] | None:
    cursor.execute(f"SELECT rank, strikes FROM {TABLE} WHERE rank IS NOT NULL AND strikes > 0 ORDER BY rank LIMIT 1")
    return cursor.fetchone()


_COLUMNS = "id, kind, target, claim, signals, strikes, alone, limit_key, limit_count, limit_open, slot, rank"


def _ready(cursor: CursorWrapper, count: int, where: str) -> list[tuple]:
    cursor.execute(
        f"SELECT {_COLUMNS} FROM {TABLE} WHERE rank IS NOT NULL {where} ORDER BY rank LIMIT %s{for_update()}", [count]
    )
    return cursor.fetchall()


def _own(cursor: CursorWrapper, owner: int, rows: list[tuple]) -> list[Taken]:
    """Own those rows their limits admit; block the others, which keep their place."""
    admitted, slots, blocked = _admit(cursor, rows)
    if blocked:
        cursor.execute(
            f"UPDATE {TABLE} SET blocked_by = %s, place = rank, rank = NULL WHERE id IN ({marks(blocked)})",
            [LIMIT, *blocked],
        )
    if not admitted:
        return []
    ids = [row[0] for row in admitted]
    cursor.execute(
        f"UPDATE {TABLE} SET owner = %s, claim = claim + 1, place = rank, rank = NULL, wake_at = NULL "
        f"WHERE id IN ({marks(ids)})",
        [owner, *ids],
    )
    if slots:
        cursor.execute(f"UPDATE {TABLE} SET slot = %s WHERE id IN ({marks(slots)})", [True, *slots])
    return [Taken(row[0], row[1], row[2], row[3] + 1, *row[4:8]) for row in admitted]


def _admit(cursor: CursorWrapper, rows: list[tuple]) -> tuple[list[tuple], list[int], list[int]]:
    """(rows to own, ids that take a slot, ids to block), counting slots per limit key as they are given."""
    keys = sorted({row[7] for row in rows if row[7] and not row[10]})
    if not keys:
        return rows, [], []
    cursor.execute(
        f"SELECT limit_key, count(*) FROM {TABLE} WHERE slot AND limit_key IN ({marks(keys)}) GROUP BY limit_key", keys
    )
    used = dict(cursor.fetchall())
    admitted, slots, blocked = [], [], []
    for row in rows:
        id_, key, count, has_slot = row[0], row[7], row[8], row[10]
        if key is None or has_slot:
            admitted.append(row)
        elif used.get(key, 0) < count:
            used[key] = used.get(key, 0) + 1
            slots.append(id_)
            admitted.append(row)
        else:
            blocked.append(id_)
    return admitted, slots, blocked


@dataclass(frozen=True, slots=True)
class Letting:
    """An owner lets a row go: asleep until `wake_at` (None: until a signal), or finished (its row ends)."""

    id: int
    claim: int
    seen: int
    wake_at: datetime | None = None
    finished: bool = False


def let_go(cursor: CursorWrapper, owner: int, lettings: Sequence[Letting], now: datetime) -> None:
    """Release or finish owned rows. A release that has not seen the latest signal makes the row ready."""
    execute_many(
        cursor,
        f"UPDATE {TABLE} SET owner = NULL, wake_at = %s, strikes = 0, alone = 0, "
        "slot = CASE WHEN limit_open THEN slot ELSE %s END, "
        "rank = CASE WHEN signals <> %s THEN %s - head_start END WHERE id = %s AND owner = %s AND claim = %s",
        (
            (stamp(one.wake_at), False, one.seen, now.timestamp(), one.id, owner, one.claim)
            for one in lettings
            if not one.finished
        ),
    )
    ended = [one.id for one in lettings if one.finished]
    if ended:
        cursor.execute(f"DELETE FROM {TABLE} WHERE owner = %s AND id IN ({marks(ended)})", [owner, *ended])


def unblock(cursor: CursorWrapper, keys: Iterable[str]) -> int:
    """Make as many blocked rows of these limits ready as slots are free, first by place. Call inside `critical()`."""
    moved = 0
    for key in sorted(set(keys)):
        cursor.execute(
            f"SELECT count(CASE WHEN slot THEN 1 END), max(limit_count) FROM {TABLE} WHERE limit_key = %s", [key]
        )
        used, count = cursor.fetchone()
        cursor.execute(
            f"SELECT id FROM {TABLE} WHERE limit_key = %s AND blocked_by = %s ORDER BY place, id LIMIT %s",
            [key, LIMIT, max(0, (count or 0) - used)],
        )
        ids = [row[0] for row in cursor.fetchall()]
        if ids:
            cursor.execute(
                f"UPDATE {TABLE} SET blocked_by = NULL, rank = place WHERE blocked_by = %s AND id IN ({marks(ids)})",
                [LIMIT, *ids],
            )
            moved += len(ids)
    return moved


def free(cursor: CursorWrapper, owner: int, now: datetime, *, struck: bool) -> int:
    """Give back all a worker owns: struck when it died, unharmed when it stops by itself. Returns how many."""
    cursor.execute(f"SELECT id FROM {TABLE} WHERE owner = %s ORDER BY id{for_update()}", [owner])
    ids = [row[0] for row in cursor.fetchall()]
    if ids:
        cursor.execute(
            f"UPDATE {TABLE} SET owner = NULL, rank = %s - head_start, strikes = strikes + %s, alone = alone + %s "
            f"WHERE owner = %s AND id IN ({marks(ids)})",
            [now.timestamp(), int(struck), int(struck and len(ids) == 1), owner, *ids],
        )
    return len(ids)


def next_wake(cursor: CursorWrapper) -> datetime | None:
    """The earliest time at which something wakes by itself."""
    from runs.database import moment

    cursor.execute(f"SELECT min(wake_at) FROM {TABLE} WHERE wake_at IS NOT NULL")
    return moment(cursor.fetchone()[0])


def any_ready(cursor: CursorWrapper) -> bool:
    cursor.execute(f"SELECT 1 FROM {TABLE} WHERE rank IS NOT NULL LIMIT 1")
    return cursor.fetchone() is not None
