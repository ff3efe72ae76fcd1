"""Worker incarnations: who lives, who is dead, and the burial that gives back what the dead owned.

The lease is the worker's. Proof of death is a free lock file on the same host (the kernel frees it with the process,
whatever kills it); elsewhere a beat that has not moved for 15 s of the observer's monotonic clock. A held lock proves
nothing: a stopped process holds it too (`work` ends such a process, after which the lock is free).
"""

from __future__ import annotations

import fcntl
import os
import resource
import socket
import time
from collections import Counter
from pathlib import Path

from django.db import connection, transaction

from runs import agenda
from runs.database import Clock, run_folder, stamp
from runs.models import Worker

#: Seconds without a beat after which a worker on another host is dead.
SILENT = 15.0
#: Seconds without a written beat after which a worker stops by itself, before others may bury it.
STALE = 10.0
#: Seconds between two beats.
BEAT = 2.0

HOST = os.environ.get("AUTOMATION_HOST") or socket.gethostname()


def lock_path(worker: int) -> Path:
    return run_folder() / f"worker-{worker}.lock"


class Incarnation:
    """This process as a worker: its row, its lock, its beat. Make it after the fork; close-on-exec keeps it ours."""

    def __init__(self) -> None:
        row = Worker.objects.create(host=HOST, pid=os.getpid())
        self.id: int = row.pk
        path = lock_path(self.id)
        self._lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.write(self._lock, str(os.getpid()).encode())
        self.beaten = time.monotonic()
        self.counts: Counter[str] = Counter()

    def beat(self, hands: int) -> bool:
        """Write a beat. False: somebody has buried this worker, so it owns nothing and must end."""
        moved = Worker.objects.filter(pk=self.id, buried_at=None).update(
            beat=int(time.time() * 1000), hands=hands, memory=memory(), counts=dict(self.counts)
        )
        self.beaten = time.monotonic()
        return bool(moved)

    def count(self, finished: str | None, errors: int) -> None:
        """Note for /metrics how a run has finished, and steps that gave up. Written with the next beat."""
        if finished:
            self.counts[finished] += 1
        if errors:
            self.counts["errors"] += errors

    @property
    def stale(self) -> bool:
        """It could not write a beat for so long that others may think it dead: it must not send anything any more."""
        return time.monotonic() - self.beaten > STALE

    def touch(self) -> None:
        """A sign of life for the supervisor of this host, which needs no database."""
        os.utime(self._lock)

    def end(self) -> None:
        """Leave in good order: what is still owned goes back unharmed."""
        with transaction.atomic():
            with connection.cursor() as cursor:
                now = Clock().read(cursor)
                agenda.free(cursor, self.id, now, struck=False)
            Worker.objects.filter(pk=self.id, buried_at=None).update(stopped_at=now, hands=0, counts=dict(self.counts))
        self.close()

    def close(self) -> None:
        lock_path(self.id).unlink(missing_ok=True)
        os.close(self._lock)


def memory() -> int:
    """Bytes resident (Linux; elsewhere the peak)."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * resource.getpagesize()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def lock_is_free(worker: int) -> bool:
    """Whether the process that held this worker's lock on this host is gone."""
    try:
        descriptor = os.open(lock_path(worker), os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    else:
        return True
    finally:
        os.close(descriptor)


class Observer:
    """Watches the other workers; `dead()` names those of which there is proof or long silence."""

    def __init__(self, me: int) -> None:
        self.me = me
        self.peers: dict[int, tuple[str, int]] = {}  # id → (host, beat)
        self._seen: dict[int, tuple[int, float]] = {}  # id → (beat, when it was first seen)

    def look(self) -> None:
        """Read the living workers and their beats (one narrow query)."""
        rows = Worker.objects.filter(stopped_at=None, buried_at=None).exclude(pk=self.me)
        self.peers = {pk: (host, beat) for pk, host, beat in rows.values_list("pk", "host", "beat")}
        now = time.monotonic()
        self._seen = {
            pk: self._seen[pk] if self._seen.get(pk, (None,))[0] == beat else (beat, now)
            for pk, (_, beat) in self.peers.items()
        }

    def gone_here(self) -> list[int]:
        """Workers of this host whose lock is free; no query, so it may be asked many times a second."""
        return [pk for pk, (host, _) in self.peers.items() if host == HOST and lock_is_free(pk)]

    def silent_elsewhere(self) -> list[int]:
        now = time.monotonic()
        return [pk for pk, (host, _) in self.peers.items() if host != HOST and now - self._seen[pk][1] > SILENT]


def bury(worker: int, beat: int | None = None) -> int | None:
    """Free all a dead worker owned, each row with a strike. Returns how many, None when another was first.

    `beat` repeats the observer's condition: a worker that has moved since is not buried.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        now = Clock().read(cursor)
        cursor.execute(
            f"UPDATE {Worker._meta.db_table} SET buried_at = %s WHERE id = %s AND buried_at IS NULL "
            "AND stopped_at IS NULL" + (" AND beat = %s" if beat is not None else ""),
            [stamp(now), worker, *([beat] if beat is not None else [])],
        )
        if not cursor.rowcount:
            return None
        freed = agenda.free(cursor, worker, now, struck=True)
    lock_path(worker).unlink(missing_ok=True)
    return freed


def bury_the_dead(observer: Observer, ids: list[int]) -> int:
    """Bury each; returns how many rows are ready again."""
    freed = 0
    for pk in ids:
        known = observer.peers.pop(pk, None)
        if known:  # else another look of this worker's has buried it meanwhile
            freed += bury(pk, None if known[0] == HOST else known[1]) or 0
    return freed


__all__ = ["BEAT", "HOST", "SILENT", "STALE", "Incarnation", "Observer", "bury", "bury_the_dead", "memory"]
