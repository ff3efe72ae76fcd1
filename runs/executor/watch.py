"""The watch lock: exactly one drain is on watch, another waits at the same lock and has it within milliseconds.

Beside SQLite it is `flock` on a file; with PostgreSQL a session advisory lock, so that one drain of all hosts holds it.
The kernel (or the server) frees it with the process, whatever ended that.
"""

from __future__ import annotations

import fcntl
import logging
import os
import threading
from collections.abc import Callable

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, DatabaseError, InterfaceError, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from runs.database import WATCH_LOCK, is_postgres, run_folder

log = logging.getLogger("automation.watch")
FILE = "watch.lock"


class Watch:
    """Waits for the lock in a thread of its own; `held` says whether this drain is on watch.

    A PostgreSQL session that is lost takes the lock with it: `held` turns false and the thread queues anew. Two on
    watch for a moment do no harm, since only a claim gives runs away.
    """

    def __init__(self, on_change: Callable[[], object]) -> None:
        self.held = False
        self._on_change = on_change
        self._leaving = threading.Event()
        self._descriptor = -1
        wait = self._session if is_postgres() else self._file
        threading.Thread(target=wait, daemon=True, name="watch").start()

    def leave(self) -> None:
        """Give the watch up, or stop waiting for it."""
        self._leaving.set()
        if self._descriptor >= 0 and self.held:
            os.close(self._descriptor)
            self._descriptor = -1
        self.held = False

    def _take(self, held: bool) -> None:
        self.held = held
        self._on_change()

    def _file(self) -> None:
        # O_CLOEXEC keeps the lock from children that are exec'ed; the drain forks none.
        descriptor = os.open(run_folder() / FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if self._leaving.is_set():
            os.close(descriptor)
            return
        self._descriptor = descriptor
        self._take(True)

    def _session(self) -> None:
        while not self._leaving.is_set():
            session = direct_connection()
            try:
                self._hold(session)
            except (DatabaseError, InterfaceError) as error:
                log.warning("the watch's session was lost: %s", error)
                self._leaving.wait(0.2)
            finally:
                if self.held and not self._leaving.is_set():
                    self._take(False)
                session.close()

    def _hold(self, session: BaseDatabaseWrapper) -> None:
        with session.cursor() as cursor:
            cursor.execute("SET lock_timeout = 0")
            while not self._leaving.is_set():
                # Asked again and again rather than waited for, so that `leave` is heard.
                cursor.execute("SELECT pg_try_advisory_lock(%s)", [WATCH_LOCK])
                if cursor.fetchone()[0]:
                    break
                self._leaving.wait(0.01)
            if not self._leaving.is_set():
                self._take(True)
            while not self._leaving.wait(1.0):
                cursor.execute("SELECT 1")


def direct_connection() -> BaseDatabaseWrapper:
    """A connection of its own for session locks; past a transaction-pooling proxy by DATABASE_DIRECT_URL."""
    import environ

    if not settings.DATABASE_DIRECT_URL:
        return connections.create_connection(DEFAULT_DB_ALIAS)
    direct = environ.Env.db_url_config(settings.DATABASE_DIRECT_URL)
    wrapper = connections.create_connection(DEFAULT_DB_ALIAS)
    wrapper.settings_dict |= {name: direct[name] for name in ("NAME", "USER", "PASSWORD", "HOST", "PORT")}
    return wrapper


def is_held() -> bool:
    """Whether any drain is on watch."""
    if is_postgres():
        with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
            cursor.execute(
                "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1 "
                "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
                "AND ((classid::bigint << 32) | objid::bigint) = %s",
                [WATCH_LOCK],
            )
            return cursor.fetchone() is not None
    try:
        descriptor = os.open(run_folder() / FILE, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)
