"""The one thread through which a drain touches the database, so that its loop never waits and its writes take turns."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.db import InterfaceError, OperationalError

from runs.database import disconnect
from runs.executor.workers import Incarnation

log = logging.getLogger("automation.drain")


class Buried(BaseException):
    """This worker was, or may have been, taken for dead: it owns nothing and must begin anew.

    No Exception, so that nothing on the way takes it for the failure of a step (as with asyncio.CancelledError).
    """


class DatabaseThread:
    """`await call(f, …)` runs f there; `await patient(f, …)` again and again while the database does not answer."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread = ThreadPoolExecutor(1, "database")
        self._beside: set[asyncio.Task[None]] = set()
        self.me: Incarnation | None = None

    async def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return await self._loop.run_in_executor(self._thread, function, *arguments)

    async def patient(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Raises Buried once this worker could not write for so long that others may have buried it."""
        while True:
            try:
                return await self.call(function, *arguments)
            except (OperationalError, InterfaceError) as error:
                log.warning("the database did not answer: %s", error)
                await self.call(disconnect)
                self.check_alive(error)
                await asyncio.sleep(0.1)

    def check_alive(self, cause: Exception | None = None) -> None:
        """Raise Buried when this worker may have been taken for dead: then nothing may be sent any more."""
        if self.me and self.me.stale:
            raise Buried from cause

    def aside(self, work: Coroutine[Any, Any, Any]) -> None:
        """Let something go on beside the loops; the loop itself keeps only a weak reference to a task."""
        task = self._loop.create_task(work)
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)

    def close(self) -> None:
        self._thread.submit(disconnect)
        self._thread.shutdown(wait=True)
