"""A drain inside one process: the pipe from its supervisor, beginning anew after a burial, leaving in good order."""

from __future__ import annotations

import asyncio
import logging
import os
import select
import signal
import threading
import time

from runs.executor.drain import Buried, Drain

log = logging.getLogger("automation.process")

#: Environment variable that holds the read end of the supervisor's pipe.
PIPE = "AUTOMATION_PIPE"
#: Seconds an unsupervised, idle drain stays before it makes room for django-q2's own stop.
STAY = 30.0


def pipe() -> int | None:
    """The descriptor of the supervisor's pipe, None without a supervisor."""
    value = os.environ.get(PIPE)
    return int(value) if value else None


def read_pipe(descriptor: int, timeout: float) -> str | None:
    """`"finish"` when a byte lies in the pipe, `"gone"` at its end, None when neither came within `timeout` seconds.

    The byte is never taken out: every process of the group is to see it.
    """
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    for _, event in poll.poll(timeout * 1000):
        return "gone" if event & (select.POLLHUP | select.POLLERR) else "finish"
    return None


def end_group() -> None:
    """The supervisor is gone: end every process of this group, this one included, so that no orphan runs old code."""
    os.killpg(os.getpgid(0), signal.SIGKILL)


def run_drains() -> None:
    """Carry runs until the supervisor says finish; after a burial begin anew as another incarnation."""
    descriptor = pipe()
    while True:
        drain = Drain(stay=None if descriptor is not None else STAY)
        over = threading.Event()
        if descriptor is not None:
            threading.Thread(target=_obey, args=(descriptor, drain, over), daemon=True, name="pipe").start()
        try:
            asyncio.run(drain.run())
            return
        except Buried:
            log.warning("this worker was taken for dead; it begins anew")
            time.sleep(0.2)
        finally:
            over.set()


def _obey(descriptor: int, drain: Drain, over: threading.Event) -> None:
    """Pass the supervisor's word on to the drain."""
    while not over.is_set():
        word = read_pipe(descriptor, 0.5)
        if word == "gone":
            end_group()
        if word == "finish" and drain.ready.wait(1):
            drain.finish()
            return
