"""The guard where it counts: on the addresses a name resolves to, and on the one a socket is opened for.

aiohttp connects to the very addresses the resolver returned; there is no second look-up a hostile name
server could answer differently. The resolver refuses a name that mixes public and refused addresses, and
the socket factory judges whatever is about to be connected to, literals included.
"""

from __future__ import annotations

import errno
import socket
from contextvars import ContextVar
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from .addresses import AllowList, refusal

# The host of the request being sent: connections are opened inside its task, or in tasks that copy its context.
current_host: ContextVar[str] = ContextVar("current_host", default="")

DNS_SECONDS = 10  # how long an answer is kept; a kept one is judged again when a socket is opened
IDLE_SECONDS = 4.0  # shorter than the five seconds after which many servers close an idle connection


class AddressRefused(OSError):
    """The policy forbids this address; `strerror` is the sentence for people."""

    def __init__(self, message: str) -> None:
        super().__init__(errno.EACCES, message)


class GuardedResolver(AbstractResolver):
    """Asks the inner resolver once and judges every answer.

    A public name with one inner address is a trick, and is refused as a whole. Where the good answers are
    inner ones that were allowed (`localhost` with 127.0.0.1 listed and ::1 not), they are used alone.
    """

    def __init__(self, inner: AbstractResolver, allow: AllowList, *, allow_private: bool) -> None:
        self._inner = inner
        self._allow = allow
        self._allow_private = allow_private

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        problems = [self._problem(answer["host"], host) for answer in found]
        kept = [answer for answer, problem in zip(found, problems, strict=True) if problem is None]
        refused = next(filter(None, problems), None)
        if refused and (not kept or any(refusal(answer["host"]) is None for answer in kept)):
            raise AddressRefused(refused)
        return kept

    def _problem(self, address: str, host: str) -> str | None:
        return refusal(address, allow=self._allow, host=host, allow_private=self._allow_private)

    async def close(self) -> None:
        await self._inner.close()


def guarded_connector(
    allow: AllowList, *, allow_private: bool, limit_per_host: int, resolver: AbstractResolver | None
) -> aiohttp.TCPConnector:
    """A connection pool for one answer to "may it be private?": pooled connections never cross that line."""

    def open_socket(info: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _, address = info
        problem = refusal(str(address[0]), allow=allow, host=current_host.get(), allow_private=allow_private)
        if problem:
            raise AddressRefused(problem)
        return socket.socket(family=family, type=kind, proto=protocol)

    return aiohttp.TCPConnector(
        limit=0,
        limit_per_host=limit_per_host,
        resolver=GuardedResolver(resolver or aiohttp.ThreadedResolver(), allow, allow_private=allow_private),
        ttl_dns_cache=DNS_SECONDS,
        keepalive_timeout=IDLE_SECONDS,
        socket_factory=open_socket,
    )
