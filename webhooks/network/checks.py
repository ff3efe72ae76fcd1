"""Is this request one we send at all? Method, address, headers, limits; before any socket is opened."""

from __future__ import annotations

import ipaddress
import math
import re

from multidict import CIMultiDict
from yarl import URL

from .messages import MAX_REDIRECTS, NetworkError, Request

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

# The client's own business: they frame the message or steer the connection.
FORBIDDEN_HEADERS = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "keep-alive", "proxy-connection"}
    | {"proxy-authorization", "te", "trailer", "upgrade", "expect", "http2-settings"}
)
MAX_URL = 8_192  # characters
MAX_HEADER_BYTES = 65_536  # names and values together

_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")  # all but the tab
_URL_CONTROL = re.compile(r"[\x00-\x20\x7f\\]")
_URL_READY = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+", re.ASCII)
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*)", re.ASCII)


def invalid(message: str) -> NetworkError:
    """A refusal before anything was sent."""
    return NetworkError(f"The request cannot be sent: {message}.", kind="invalid_request")


def check_limits(request: Request) -> None:
    """Raise NetworkError unless body, timeout, size and redirect limits make sense."""
    if request.body is not None and not isinstance(request.body, bytes):
        raise invalid("body must be bytes")
    if not math.isfinite(request.timeout) or request.timeout <= 0:
        raise invalid("timeout must be a number of seconds above zero")
    if request.max_bytes < 0:
        raise invalid("max_bytes must not be negative")
    if not 0 <= request.follow_redirects <= MAX_REDIRECTS:
        raise invalid(f"follow_redirects must be between 0 and {MAX_REDIRECTS}")


def checked_method(method: str) -> str:
    """The method in upper case; NetworkError for one outside the list (TRACE and CONNECT among them)."""
    name = method.upper() if isinstance(method, str) and method.isascii() else ""
    if name not in METHODS:
        raise invalid(f"method {str(method)[:20]!r} is not allowed; use one of {', '.join(sorted(METHODS))}")
    return name


def checked_url(text: str, ports: frozenset[int] | None = None) -> URL:
    """The address exactly as it will be sent: the same object is judged and used, so no two parsers can disagree.

    http and https only, no user or password inside, a plain host. NetworkError otherwise.
    """
    if not isinstance(text, str) or len(text) > MAX_URL or _URL_CONTROL.search(text):
        raise invalid("the URL is too long, or has blanks, control characters or backslashes in it")
    try:
        # What is valid already is sent byte for byte: re-quoting would break signed URLs.
        url = URL(text, encoded=bool(_URL_READY.fullmatch(text))).with_fragment(None)
        scheme, host, port = url.scheme.lower(), url.raw_host, url.port
        userinfo = url.raw_user is not None or url.raw_password is not None or "@" in url.raw_authority
    except (ValueError, UnicodeError) as exc:
        raise invalid("the URL cannot be read") from exc
    if scheme not in ("http", "https"):
        raise invalid("only http and https URLs are allowed")
    if userinfo:
        raise invalid("a user or password in the URL is not allowed; put credentials into the connection")
    if not host or not _is_host(host):
        raise invalid("the URL has no usable host name; write an address in its usual form, such as 192.0.2.1")
    if not port or (ports is not None and port not in ports):
        raise invalid(f"port {port} is not allowed")
    return url


def _is_host(host: str) -> bool:
    if ":" in host or host.rpartition(".")[2].isdigit():  # an address, or one of its disguises: 127.1, 2130706433
        try:
            ipaddress.ip_address(host)
        except ValueError:
            return False
        return "%" not in host
    return len(host) <= 253 and _HOST.fullmatch(host) is not None and ".." not in host


def checked_headers(request: Request) -> CIMultiDict[str]:
    """The headers to send. NetworkError for what could split the message or steer the connection.

    `Accept-Encoding` is left out: the client asks for what it can unpack.
    """
    headers: CIMultiDict[str] = CIMultiDict()
    size = 0
    for name, value in request.headers:
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise invalid(f"{str(name)[:40]!r} is not a header name")
        if name.lower() in FORBIDDEN_HEADERS:
            raise invalid(f"the header {name} is set by the client and cannot be given")
        if not isinstance(value, str) or _CONTROL.search(value) or not _encodable(value):
            raise invalid(f"the value of header {name} has a line break or another control character in it")
        size += len(name) + len(value.encode())
        if name.lower() != "accept-encoding":
            headers.add(name, value)
    if size > MAX_HEADER_BYTES:
        raise invalid(f"the headers are larger than {MAX_HEADER_BYTES} bytes")
    return headers


def _encodable(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:  # a lone surrogate
        return False
    return True


def origin(url: URL) -> tuple[str, str, int | None]:
    """Scheme, host and port: what credentials belong to."""
    return url.scheme.lower(), (url.raw_host or "").lower(), url.port


def place(url: URL) -> str:
    """host:port for messages; a path or query may hold secrets."""
    host = url.raw_host or ""
    return f"[{host}]:{url.port}" if ":" in host else f"{host}:{url.port}"
