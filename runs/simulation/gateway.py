"""The gateway of a simulation: nothing passes but reads, and those only where a test asks for live ones."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from django.db import connections, transaction

from automations.engine.errors import StepError
from automations.kinds import ActionKind, Call, Effects, HttpAnswer, HttpCall, Mail
from runs.executor.effects import LiveEffects, Services, open_network
from runs.executor.perform import STEP_TIMEOUT


@dataclass(slots=True)
class Touched:
    """What left the simulation, counted where it leaves."""

    external_calls: int = 0
    rows_written: int = 0
    external_reads: int = 0

    def as_dict(self) -> dict[str, int]:
        return asdict(self)


@dataclass(slots=True)
class Gateway:
    """`live_reads`: steps of risk `read` are really performed."""

    live_reads: bool = False
    touched: Touched = field(default_factory=Touched)

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Code of a kind runs in here: its statements may read the database; any other is refused."""
        with ExitStack() as stack:
            for connection in connections.all(initialized_only=True):
                if connection.in_atomic_block:  # a refused statement must not break the caller's transaction
                    stack.enter_context(transaction.atomic(using=connection.alias))
                stack.enter_context(connection.execute_wrapper(_only_reads))
            yield

    def read(self, kind: ActionKind, call: Call) -> Any:
        """Perform a step of risk `read`. Raises StepError."""
        services = Services()
        if call.input.get("connection"):
            services.read(call.input["connection"])  # here, where the database may be asked
        return asyncio.run(self._read(kind, call, services))

    async def _read(self, kind: ActionKind, call: Call, services: Services) -> Any:
        seconds = call.timeout or STEP_TIMEOUT
        try:
            async with open_network() as network, asyncio.timeout(seconds):
                live = LiveEffects(network, services, asyncio.to_thread, lambda: None)
                return await kind.perform(call, _Reads(live, self.touched))
        except TimeoutError as error:
            raise StepError("timeout", f"No outcome within {seconds:g} s.", retryable=False) from error


class _Reads:
    """Calls of steps that only read go out and are counted; nothing else exists here."""

    def __init__(self, live: Effects, touched: Touched) -> None:
        self.live = live
        self.touched = touched

    async def http(self, call: HttpCall) -> HttpAnswer:
        self.touched.external_reads += 1
        return await self.live.http(call)

    async def mail(self, mail: Mail) -> None:
        raise StepError("simulation", "A step that only reads cannot send an e-mail.", retryable=False)


def _only_reads(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
    if sql.lstrip()[:6].upper() != "SELECT":
        message = "The kind tried to write to the database while it was simulated."
        raise StepError("simulation", message, retryable=False, cause=sql[:200])
    return execute(sql, params, many, context)
