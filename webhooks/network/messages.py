"""What is sent, what comes back, and what can go wrong: Request, Response, NetworkError."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal[
    "refused_address",  # the policy forbids the address
    "invalid_request",  # the request itself is not allowed or not HTTP; nothing was sent
    "dns",  # the name has no address
    "connect",  # nobody answered at the address
    "tls",  # the certificate or the handshake failed
    "timeout",  # the deadline passed
    "too_large",  # the answer exceeds max_bytes
    "redirect",  # a redirect that may not be followed, or too many
    "protocol",  # the connection broke, or the answer is not HTTP
]

DEFAULT_TIMEOUT = 30.0  # seconds
DEFAULT_MAX_BYTES = 1_000_000
MAX_REDIRECTS = 5


@dataclass(frozen=True)
class Request:
    """One HTTP request. Its repr shows no address, header or body: they may hold secrets.

    `timeout`: seconds for everything, from the name look-up to the last byte, redirects included.
    `max_bytes`: of the answer's body, counted after decompression. `allow_private`: the connection's own
    permission for private addresses. `follow_redirects`: 0 (a 3xx is just a response) to 5.
    `credential_headers`: names to drop, besides Authorization and Cookie, when a redirect leaves the origin.
    `ssl_context`: for a private CA or a client certificate; share one per connection, it is part of the pool key.
    """

    method: str
    url: str = field(repr=False)
    headers: Sequence[tuple[str, str]] = field(default=(), repr=False)
    body: bytes | None = field(default=None, repr=False)
    timeout: float = DEFAULT_TIMEOUT
    max_bytes: int = DEFAULT_MAX_BYTES
    allow_private: bool = False
    follow_redirects: int = 0
    credential_headers: frozenset[str] = frozenset()
    ssl_context: ssl.SSLContext | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Response:
    """One answer, whatever its status. `headers`: lower-case names, repeated ones joined by ", ".

    `body`: decompressed. `url`: the address that answered, after redirects. `elapsed`: seconds.
    """

    status: int
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    url: str = field(repr=False)
    elapsed: float


class NetworkError(Exception):
    """The request got no usable answer.

    `message`: for people; names host and port, never a path, query, header or body. `kind`: see Kind.
    `retryable`: the same request may succeed later. `sent`: False when it surely did not reach the
    receiver, True when it may have. `status`: of an answer that began and could not be used, else None.
    """

    def __init__(
        self, message: str, *, kind: Kind, retryable: bool = False, sent: bool = False, status: int | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.kind: Kind = kind
        self.retryable = retryable
        self.sent = sent
        self.status = status
