"""The one outbound HTTP client. Everything the product sends over HTTP goes through `OutboundClient.send`."""

from __future__ import annotations

import asyncio
import io
from contextvars import ContextVar
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Self

import aiohttp
from aiohttp.abc import AbstractResolver
from multidict import CIMultiDict
from yarl import URL

from .addresses import AllowList
from .bodies import ACCEPT_ENCODING, read_body
from .checks import check_limits, checked_headers, checked_method, checked_url, origin, place
from .connections import current_host, guarded_connector
from .failures import Unrepeated, network_error, timed_out
from .messages import NetworkError, Request, Response

USER_AGENT = "automations"
REDIRECTS = frozenset({301, 302, 303, 307, 308})
CREDENTIALS = frozenset({"authorization", "cookie"})
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
STREAM_ABOVE = 262_144  # bytes; larger bodies are written in pieces so that the loop stays responsive


@dataclass
class _Progress:
    """How far one send has come, for `sent` and `status` of an error and for the place it names."""

    place: str = ""
    sent: bool = False
    reused: bool = False
    status: int | None = None


_current: ContextVar[_Progress] = ContextVar("current_progress")


@dataclass
class _Hop:
    """One request of a chain of redirects."""

    method: str
    url: URL
    headers: CIMultiDict[str]
    body: bytes | None
    allow_private: bool


class OutboundClient:
    """Sends requests under the address policy. One per event loop; any number of sends at a time.

    `allow`: what OUTBOUND_ALLOW lists. `limit_per_host`: connections per host and port, 0 for no limit;
    waiting for one counts against the request's timeout. `ports`: the only ports allowed, None for all.
    `resolver`: for tests. Use it as a context manager, or call `close()`.
    """

    def __init__(
        self,
        allow: AllowList | None = None,
        *,
        limit_per_host: int = 0,
        ports: frozenset[int] | None = None,
        resolver: AbstractResolver | None = None,
        user_agent: str = USER_AGENT,
    ) -> None:
        self._allow = allow or AllowList()
        self._limit_per_host = limit_per_host
        self._ports = ports
        self._resolver = resolver
        self._user_agent = user_agent
        self._sessions: dict[bool, aiohttp.ClientSession] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections; a later send raises RuntimeError."""
        self._closed = True
        sessions, self._sessions = list(self._sessions.values()), {}
        for session in sessions:
            await session.close()

    async def send(self, request: Request) -> Response:
        """Send one request and read its answer, whatever the status.

        Raises NetworkError for whatever can go wrong between here and the receiver; RuntimeError only for a
        client that is closed or belongs to another event loop.
        A request is never silently repeated, except a GET, HEAD or OPTIONS whose kept-alive connection
        turned out to be closed. Cookies are neither kept nor sent.
        """
        check_limits(request)
        hop = _Hop(
            method=checked_method(request.method),
            url=checked_url(request.url, self._ports),
            headers=checked_headers(request),
            body=request.body,
            allow_private=request.allow_private,
        )
        progress = _Progress(place=place(hop.url))
        failure: Exception
        try:
            async with asyncio.timeout(request.timeout):
                return await self._follow(request, hop, progress)
        except TimeoutError:
            raise timed_out(progress.place, request.timeout, sent=progress.sent, status=progress.status) from None
        except (NetworkError, Unrepeated, aiohttp.ClientError, OSError, ValueError) as exc:
            failure = exc
        # Outside the except block and without a cause: aiohttp's exceptions hold the request, headers and all.
        raise network_error(failure, progress.place, sent=progress.sent, status=progress.status) from None

    async def _follow(self, request: Request, hop: _Hop, progress: _Progress) -> Response:
        began = asyncio.get_running_loop().time()
        for followed in range(request.follow_redirects + 1):
            response = await self._exchange(request, hop, progress)
            location = response.headers.get("location")
            if response.status not in REDIRECTS or not location or not request.follow_redirects:
                return replace(response, elapsed=asyncio.get_running_loop().time() - began)
            if followed < request.follow_redirects:
                hop = _next_hop(hop, response.status, location, request.credential_headers, self._ports)
                progress.place = place(hop.url)
        raise NetworkError(f"More than {request.follow_redirects} redirects.", kind="redirect")

    async def _exchange(self, request: Request, hop: _Hop, progress: _Progress) -> Response:
        current_host.set(hop.url.raw_host or "")
        _current.set(progress)
        progress.status = None
        answer = await self._session(hop.allow_private).request(
            hop.method,
            hop.url,
            headers=hop.headers,
            data=_payload(hop.body),
            skip_auto_headers=("Content-Type",),
            allow_redirects=False,
            ssl=request.ssl_context or True,
            trace_request_ctx=progress,
        )
        try:
            progress.status = answer.status
            body = await read_body(answer, request.max_bytes)
        except BaseException:
            answer.close()
            raise
        answer.release()
        headers = _joined(answer.headers)
        return Response(status=answer.status, headers=headers, body=body, url=str(hop.url), elapsed=0.0)

    def _session(self, allow_private: bool) -> aiohttp.ClientSession:
        loop = asyncio.get_running_loop()
        if self._closed or (self._loop is not None and self._loop is not loop):
            raise RuntimeError("the client is closed, or belongs to another event loop")
        self._loop = loop
        if allow_private not in self._sessions:
            self._sessions[allow_private] = self._new_session(allow_private)
        return self._sessions[allow_private]

    def _new_session(self, allow_private: bool) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=guarded_connector(
                self._allow,
                allow_private=allow_private,
                limit_per_host=self._limit_per_host,
                resolver=self._resolver,
            ),
            headers={"User-Agent": self._user_agent, "Accept-Encoding": ACCEPT_ENCODING},
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),  # one deadline: ours
            auto_decompress=False,
            trust_env=False,
            trace_configs=[_progress_trace()],
            middlewares=(_no_silent_repetition,),
        )


def _progress_trace() -> aiohttp.TraceConfig:
    """From the moment a connection is handed over, the request may reach the receiver."""

    async def connected(session: aiohttp.ClientSession, context: Any, params: Any) -> None:
        context.trace_request_ctx.sent = True
        context.trace_request_ctx.reused = False

    async def reused(session: aiohttp.ClientSession, context: Any, params: Any) -> None:
        context.trace_request_ctx.sent = context.trace_request_ctx.reused = True

    trace = aiohttp.TraceConfig()
    trace.on_connection_create_end.append(connected)
    trace.on_connection_reuseconn.append(reused)
    return trace


async def _no_silent_repetition(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """aiohttp repeats PUT and DELETE, and failed connects, on its own; one attempt must be one attempt."""
    try:
        return await handler(request)
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as exc:
        if request.method in SAFE_METHODS and _current.get().reused:
            raise  # aiohttp repeats it once, on a fresh connection
        raise Unrepeated(exc) from None


def _payload(body: bytes | None) -> Any:
    return io.BytesIO(body) if body is not None and len(body) > STREAM_ABOVE else body


def _joined(headers: Any) -> dict[str, str]:
    joined: dict[str, str] = {}
    for name, value in headers.items():
        key = name.lower()
        joined[key] = f"{joined[key]}, {value}" if key in joined else value
    return joined


def _next_hop(hop: _Hop, status: int, location: str, credentials: frozenset[str], ports: frozenset[int] | None) -> _Hop:
    """The request after a redirect (RFC 9110, 15.4): no credentials for another origin, no allow_private for a host."""
    try:
        url = checked_url(str(hop.url.join(URL(location, encoded=True))), ports)
    except (NetworkError, ValueError):
        raise NetworkError("A redirect leads to an address that cannot be used.", kind="redirect") from None
    if hop.url.scheme == "https" and url.scheme != "https":
        raise NetworkError("A redirect leads from https to http and is not followed.", kind="redirect")
    headers, method, body = hop.headers.copy(), hop.method, hop.body
    if (status == 303 and method != "HEAD") or (status in (301, 302) and method == "POST"):
        method, body = "GET", None
        headers = CIMultiDict(
            (name, value) for name, value in headers.items() if not name.lower().startswith("content-")
        )
    if origin(url) != origin(hop.url):
        secret = CREDENTIALS | {name.lower() for name in credentials}
        headers = CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in secret)
    same_host = origin(url)[1] == origin(hop.url)[1]
    return _Hop(method=method, url=url, headers=headers, body=body, allow_private=hop.allow_private and same_host)
