"""The few places where SQLite and PostgreSQL differ, and multi-row writing for the hot paths."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

#: Advisory lock numbers of this product in a PostgreSQL database ("auto" in ASCII, then a count).
CLAIM_LOCK = 0x6175746F01
WATCH_LOCK = 0x6175746F02
#: Variables one statement may carry: SQLite's limit is 32,766 (https://www.sqlite.org/limits.html).
VARIABLES = 30_000


def is_postgres() -> bool:
    return connection.vendor == "postgresql"


def run_folder() -> Path:
    """Where lock and socket files of this database lie: var/run/<hash of the database's address>, mode 0700."""
    database = settings.DATABASES["default"]
    address = "|".join(str(database.get(part, "")) for part in ("ENGINE", "HOST", "PORT", "NAME"))
    folder = Path(settings.VAR_DIR) / "run" / hashlib.sha256(address.encode()).hexdigest()[:12]
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def disconnect() -> None:
    """Close this thread's connection; the next query opens another. (`connection` is a thread's own: call it there.)"""
    connection.close()


@contextmanager
def critical() -> Iterator[CursorWrapper]:
    """The installation's one critical section: a transaction in which limits are counted and slots given or freed.

    Take it before any row lock. On SQLite every write transaction is exclusive already (BEGIN IMMEDIATE).
    """
    with transaction.atomic(), connection.cursor() as cursor:
        if is_postgres():
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [CLAIM_LOCK])
        yield cursor


def for_update() -> str:
    """Suffix that locks the rows of a SELECT; SQLite has locked the whole database by then."""
    return " FOR UPDATE" if is_postgres() else ""


def stamp(moment: datetime | None) -> Any:
    """A datetime as the database's driver wants it in raw SQL."""
    return None if moment is None else connection.ops.adapt_datetimefield_value(moment)


def moment(value: Any) -> datetime | None:
    """A datetime as raw SQL gives it back, aware (UTC)."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value


def marks(values: Sequence[Any]) -> str:
    """`%s, %s, …` for an IN list."""
    return ", ".join(["%s"] * len(values))


def insert(
    cursor: CursorWrapper,
    table: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    *,
    conflict: str = "",
    returning: str = "",
) -> list[tuple[Any, ...]]:
    """Insert many rows with few statements; `conflict` is an ON CONFLICT clause, `returning` a column list."""
    answers: list[tuple[Any, ...]] = []
    size = max(1, VARIABLES // len(columns))
    one = f"({marks(columns)})"
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        cursor.execute(
            f"INSERT INTO {table} ({', '.join(columns)}) VALUES {', '.join([one] * len(part))} {conflict}"
            + (f" RETURNING {returning}" if returning else ""),
            [value for row in part for value in row],
        )
        if returning:
            answers.extend(cursor.fetchall())
    return answers


def execute_many(cursor: CursorWrapper, sql: str, rows: Iterable[Sequence[Any]]) -> None:
    """One statement for each row (pipelined by psycopg, a prepared statement in SQLite)."""
    rows = list(rows)
    if rows:
        cursor.executemany(sql, rows)


class Clock:
    """The database's time without asking it each time: its last answer plus what has passed on the monotonic clock.

    A step of the machine's clock therefore moves nothing between two transactions.
    """

    def __init__(self) -> None:
        self._at = datetime.now(UTC)
        self._since = time.monotonic()

    def now(self) -> datetime:
        return self._at + timedelta(seconds=time.monotonic() - self._since)

    def read(self, cursor: CursorWrapper) -> datetime:
        """Ask the database (inside a transaction of the caller's) and start from its answer."""
        if is_postgres():
            cursor.execute("SELECT clock_timestamp()")
            self._at = cursor.fetchone()[0]
        else:
            self._at = datetime.now(UTC)
        self._since = time.monotonic()
        return self._at


def now() -> datetime:
    """The database's time, asked once."""
    with connection.cursor() as cursor:
        return Clock().read(cursor)
