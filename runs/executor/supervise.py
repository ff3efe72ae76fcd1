"""`manage.py work`: supervised django-q2.

A group is one django-q2 cluster in a process group of its own. Every process of it inherits the read end of a pipe
whose write end only this supervisor holds: a byte in it means *finish*, its end means the supervisor is gone. A canary
passes through the queue every 30 s, because a cluster can stand still while its status looks healthy; a group whose
canary is lost is replaced whole: the new one starts, the old one finishes. Single workers are never stopped, except
one that shows no sign of life: a stopped process can hold a lock for ever.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection

from runs import tasks
from runs.database import run_folder
from runs.executor import canary, watch
from runs.executor.process import PIPE
from runs.executor.workers import lock_is_free

log = logging.getLogger("automation.work")

#: Seconds between two canaries, and how long one may take before the group is replaced.
CANARY = 30.0
CANARY_LOST = 20.0
#: Seconds without a sign of life after which a local worker is ended.
STILL = 8.0
#: Seconds a group may take to finish what it performs before it is ended.
FINISH = 22.0


class Group:
    """One django-q2 cluster, its pipe and its processes."""

    def __init__(self, workers: int) -> None:
        read, self._write = os.pipe()
        os.set_inheritable(read, True)
        self.process = subprocess.Popen(
            [sys.executable, str(Path(sys.argv[0]).resolve()), "qcluster"],
            env={**os.environ, PIPE: str(read), "WORKERS": str(workers)},
            pass_fds=[read],
            start_new_session=True,
        )
        os.close(read)

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def ask_to_finish(self) -> None:
        os.write(self._write, b"f")

    def end(self) -> None:
        """End every process of the group; the drains that finished in time lose nothing by it."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        os.close(self._write)

    def drains(self) -> list[int]:
        """Process ids of this group's living workers."""
        return [pid for pid, _, _ in local_workers() if _group_of(pid) == self.process.pid]


def _group_of(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return -1


def local_workers() -> Iterator[tuple[int, int, float]]:
    """(process id, worker id, seconds since its last sign of life) of this host's workers that hold their lock."""
    for path in run_folder().glob("worker-*.lock"):
        worker = int(path.stem.split("-")[1])
        try:
            pid, still = int(path.read_text() or 0), time.time() - path.stat().st_mtime
        except (FileNotFoundError, ValueError):
            continue
        if pid and not lock_is_free(worker):
            yield pid, worker, still


class Supervisor:
    """Keeps one group going: two drains at least (watch and stand-by), one worker to spare for canary and helpers."""

    def __init__(self, *, drains: int = 2) -> None:
        self.drains = max(2, drains)
        self.stopping = False
        self._sung = 0.0  # when the canary that is on its way was sent
        self._token = 0
        self._asked = float("-inf")
        self._still: dict[int, tuple[float, float]] = {}  # worker → (its last sign of life, when that was seen)

    def run(self) -> None:
        """Supervise until SIGTERM or SIGINT."""
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        self._clear_queue()
        self.group = Group(self.drains + 1)
        self._sing()
        try:
            while not self.stopping:
                time.sleep(0.25)
                self._look()
        finally:
            self._finish(self.group)

    def _stop(self, *_: object) -> None:
        self.stopping = True

    def _look(self) -> None:
        try:
            if not self.group.alive:
                self._replace("its main process ended")
            elif self._canary_lost():
                self._replace("nothing passes through its queue")
            self._end_the_still()
            self._keep_drains()
        except (DatabaseError, InterfaceError) as error:
            log.warning("the database did not answer: %s", error)
            connection.close()
            time.sleep(1)

    def _keep_drains(self) -> None:
        """Two drains at least: a missing one is asked for, not oftener than once a second."""
        if time.monotonic() - self._asked < 1.0:
            return
        missing = self.drains - len(self.group.drains())
        if missing > 0:
            self._asked = time.monotonic()
            for _ in range(missing):
                tasks.enqueue_drain()

    def _sing(self) -> None:
        self._token = time.time_ns()
        self._sung = time.monotonic()
        tasks.enqueue_canary(self._token)

    def _canary_lost(self) -> bool:
        """Whether the canary is overdue; sends the next once one has arrived and its time has come."""
        arrived = canary.heard() == self._token
        if arrived and time.monotonic() - self._sung > CANARY:
            self._sing()
        return not arrived and time.monotonic() - self._sung > CANARY_LOST

    def _end_the_still(self) -> None:
        """End a local worker that has shown no sign of life for 8 s of this process's own clock."""
        now = time.monotonic()
        seen = {}
        for pid, worker, still in local_workers():
            last = time.time() - still
            known, since = self._still.get(worker, (last, now))
            seen[worker] = (known, since) if abs(known - last) < 0.001 else (last, now)
            if now - seen[worker][1] > STILL and _group_of(pid) == self.group.process.pid:
                log.error("worker %s (process %s) stands still: ended", worker, pid)
                os.kill(pid, signal.SIGKILL)
        self._still = seen

    def _replace(self, why: str) -> None:
        log.error("the group is replaced: %s", why)
        old = self.group
        self._clear_queue()
        self.group = Group(self.drains + 1)
        self._sing()
        self._asked = float("-inf")
        self._finish(old)

    def _finish(self, group: Group) -> None:
        """Let a group finish what it performs, then end it."""
        if group.alive:
            group.ask_to_finish()
            until = time.monotonic() + FINISH
            while time.monotonic() < until and group.alive and group.drains():
                time.sleep(0.05)
        group.end()

    def _clear_queue(self) -> None:
        """What lies in the queue are calls for drains of a former group; it carries no data."""
        if not settings.REDIS_URL:
            from django_q.models import OrmQ

            OrmQ.objects.filter(key=settings.Q_CLUSTER["name"]).delete()


def healthy() -> bool:
    """Whether a drain is on watch: what /readyz asks."""
    return watch.is_held()
