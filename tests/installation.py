"""A whole installation for tests: its own folder, database, web server and workers, started as a user would."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests import databases

ROOT = Path(__file__).resolve().parent.parent


def free_port() -> int:
    """A port nobody listens at, below those the kernel gives to outgoing connections: none of these takes it meanwhile."""
    while True:
        port = random.randint(15_000, 29_999)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


class Installation:
    """`database` is sqlite or postgres. Use as a context manager: what it started is ended with it."""

    def __init__(self, folder: Path, database: str, **environment: str) -> None:
        self.folder, self.database = folder, database
        self.var = folder / "var"
        self.var.mkdir(parents=True, mode=0o700)
        self.port = free_port()
        self.processes: list[subprocess.Popen[bytes]] = []
        self._name = f"automation_{uuid.uuid4().hex[:10]}"
        url = f"sqlite:///{self.var}/automation.sqlite3"
        if database == "postgres":
            url = databases.create_database(self._name)
        self.url = url
        self.environment = {
            **{k: v for k, v in os.environ.items() if k not in ("TEST_DATABASE", "DJANGO_SETTINGS_MODULE")},
            "DJANGO_SETTINGS_MODULE": "tests.installed",
            "PYTHONPATH": str(ROOT),
            "VAR_DIR": str(self.var),
            "DATABASE_URL": url,
            "PUBLIC_URL": f"http://127.0.0.1:{self.port}",
            "OUTBOUND_ALLOW": "127.0.0.0/8",
            "EMAIL_URL": "dummymail://",
            "LOG_LEVEL": "WARNING",
            "SPECIMEN_STOPS": "1",
            **environment,
        }

    def __enter__(self) -> Installation:
        self.manage("quickstart", *self._quickstart)
        self.token = (self.var / "token").read_text().strip()
        return self

    @property
    def _quickstart(self) -> list[str]:
        return ["--username", "root", "--password", "correct horse", "--token-file", str(self.var / "token")]

    def __exit__(self, *_: object) -> None:
        for process in reversed(self.processes):
            self.stop(process)
        self.end_orphans()
        if self.database == "postgres":
            databases.drop_database(self._name)

    # --- processes ----------------------------------------------------------------------------------------------

    def manage(self, *arguments: str, check: bool = True, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, str(ROOT / "manage.py"), *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            cwd=self.folder,
        )
        assert not check or done.returncode == 0, f"{arguments}: {done.stdout}\n{done.stderr}"
        return done

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        with open(self.var / f"{arguments[0]}.log", "ab") as log:
            process = subprocess.Popen(
                [sys.executable, str(ROOT / "manage.py"), *arguments],
                env=self.environment,
                cwd=self.folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def serve(self) -> subprocess.Popen[bytes]:
        process = self.start("serve", "--port", str(self.port))
        self.until(self._answers, "the web server to answer")
        return process

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return True
        except OSError:
            return False

    def work(self) -> subprocess.Popen[bytes]:
        """Start `work` and wait until two drains live (watch and stand-by)."""
        process = self.start("work")
        self.until(lambda: len(self.workers()) >= 2, "two workers to live")
        return process

    def stop(self, process: subprocess.Popen[bytes], how: int = signal.SIGTERM, timeout: float = 40) -> None:
        if process.poll() is None:
            process.send_signal(how)
            try:
                process.wait(timeout)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def ours(self) -> list[int]:
        """Process ids of this installation: those whose environment names its folder."""
        found = []
        needle = f"VAR_DIR={self.var}".encode()
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    if needle in (entry / "environ").read_bytes() and self._state(int(entry.name)) != "Z":
                        found.append(int(entry.name))
                except OSError:
                    continue
        return found

    @staticmethod
    def _state(pid: int) -> str:
        return (Path("/proc") / str(pid) / "stat").read_text().rsplit(")", 1)[1].split()[0]

    def end_orphans(self) -> None:
        for pid in self.ours():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue

    def workers(self) -> list[int]:
        """Process ids of living drains, by their lock files."""
        import fcntl

        pids = []
        for path in (self.var / "run").glob("*/worker-*.lock"):
            try:
                with open(path) as file:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                pids.append(int(path.read_text() or 0))
            except FileNotFoundError:
                continue
        return [pid for pid in pids if pid]

    # --- talking to it ------------------------------------------------------------------------------------------

    def sql(self, query: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        if self.database == "sqlite":
            with contextlib.closing(sqlite3.connect(self.var / "automation.sqlite3", timeout=30)) as session:
                return session.execute(query, parameters).fetchall()
        import psycopg

        with psycopg.connect(self._dsn(), autocommit=True) as session:
            cursor = session.execute(query.replace("?", "%s"), parameters)
            return cursor.fetchall() if cursor.description else []

    def _dsn(self) -> str:
        from urllib.parse import unquote, urlsplit

        parts = urlsplit(self.url)
        return f"host={unquote(parts.netloc.split('@')[1])} user=postgres dbname={parts.path[1:]}"

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: dict[str, str] | None = None,
        token: str | None = None,
    ) -> tuple[int, Any]:
        """One request; a body that is not bytes goes as JSON with the superuser's token."""
        all_headers = dict(headers or {})
        if not isinstance(body, bytes):
            all_headers.setdefault("Authorization", f"Token {token or self.token}")
            all_headers.setdefault("Content-Type", "application/json")
            body = None if body is None else json.dumps(body).encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, all_headers)
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        return answer.status, json.loads(text) if text else None

    def api(self, method: str, path: str, body: Any = None, *, expect: int | None = None) -> Any:
        status, answer = self.request(method, f"/api/v1/{path}", body)
        assert status == expect if expect else status < 300, f"{method} {path}: {status} {answer}"
        return answer

    def until(self, condition: Callable[[], Any], what: str, timeout: float = 60) -> Any:
        """Poll until it holds; how long that took is not judged, only that it ends."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            value = condition()
            if value:
                return value
            time.sleep(0.02)
        logs = "\n".join(f"--- {p.name}\n{p.read_text()[-3000:]}" for p in self.var.glob("*.log"))
        raise AssertionError(f"waited {timeout:.0f} s for {what}\n{logs}")
