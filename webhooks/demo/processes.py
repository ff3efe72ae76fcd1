"""Web and workers as child processes, each in a session of its own, so that Ctrl-C reaches the demo alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Self

#: Seconds a process may take to end by itself: more than workers take to finish what they perform.
PATIENCE = 30.0


class Children:
    """Use as a context manager: whatever it started has ended when it is left."""

    def __init__(self, environment: Mapping[str, str], log: Path) -> None:
        self._environment = {**os.environ, **environment}
        self._log = log.open("ab")
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, *command: str) -> None:
        """Start `manage.py` with these arguments. What it prints is shown, what it logs goes to the log file."""
        self._running[command[0]] = subprocess.Popen(
            [sys.executable, str(Path(sys.argv[0]).resolve()), *command],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stderr=self._log,
            start_new_session=True,
        )

    def ended(self) -> str | None:
        """The name of one that has ended by itself."""
        return next((name for name, process in self._running.items() if process.poll() is not None), None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            for process in self._running.values():
                process.send_signal(signal.SIGTERM)
            until = time.monotonic() + PATIENCE
            for process in self._running.values():
                with suppress(subprocess.TimeoutExpired):
                    process.wait(max(0.1, until - time.monotonic()))
        finally:
            for process in self._running.values():
                _end_session(process)
            self._log.close()


def _end_session(process: subprocess.Popen[bytes]) -> None:
    """End whoever is left of a child's process group; the workers' own groups end with `work`."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
