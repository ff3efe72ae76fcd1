"""The bell: a hint that something is ready. The watch looks by itself once a second, so a lost ring costs that much.

On one host a ring is a datagram to the socket files under `run_folder()`: `watch.sock` belongs to the drain on watch,
`helper-<id>.sock` to any other. Across hosts the watch finds out when it looks.
"""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

from django.db import transaction

from runs.database import run_folder

WATCH = "watch.sock"
HELPER = "helper-"


def ring_after_commit() -> None:
    """Ring once the current transaction has committed (now, outside of one)."""
    transaction.on_commit(ring)


def ring() -> None:
    """Wake the drain on watch. Never raises: a bell nobody hears is no error."""
    _send(run_folder() / WATCH)


def ring_helpers(mine: int) -> bool:
    """Wake every other drain of this host. Returns whether there was one."""
    heard = False
    for path in run_folder().glob(f"{HELPER}*.sock"):
        if path.name != helper_name(mine):
            heard = _send(path) or heard
    return heard


def helper_name(worker: int) -> str:
    return f"{HELPER}{worker}.sock"


def _send(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bell:
        bell.setblocking(False)
        try:
            bell.sendto(b"!", _short(path))
        except OSError as error:
            # A full queue means it will be heard anyway.
            return error.errno in (errno.EAGAIN, errno.ENOBUFS)
        return True


def _short(path: Path) -> str:
    """A socket's path may have 107 bytes (unix(7)): reach longer ones through the open folder."""
    whole = str(path)
    if len(whole.encode()) <= 100:
        return whole
    return os.path.relpath(whole)


def listen(name: str) -> socket.socket:
    """A bell of this name, in place of any that a dead process left behind. Non-blocking."""
    path = run_folder() / name
    bell = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    bell.setblocking(False)
    draft = path.with_name(f"{os.getpid()}.{name}")
    draft.unlink(missing_ok=True)
    bell.bind(_short(draft))
    os.replace(draft, path)  # atomically: there is no moment without a bell
    return bell


def silence(bell: socket.socket, name: str) -> None:
    """Close a bell of ours; remove its file unless another has put its own there."""
    bell.close()
    if name != WATCH:
        (run_folder() / name).unlink(missing_ok=True)
