"""Turns what aiohttp raises into a NetworkError: what happened, whether to try again, whether it was sent."""

from __future__ import annotations

import ssl

import aiohttp

from .connections import AddressRefused
from .messages import Kind, NetworkError


class Unrepeated(Exception):
    """Carries a failure past aiohttp's own silent repetition; `cause` is the failure."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


# First match wins: (exception, kind, retryable, sentence after the place).
_TABLE: tuple[tuple[type[BaseException], Kind, bool, str], ...] = (
    (aiohttp.ClientConnectorCertificateError, "tls", False, "its certificate is not trusted"),
    (aiohttp.ClientSSLError, "tls", True, "the TLS handshake failed"),
    (ssl.SSLError, "tls", True, "the TLS connection failed"),
    (aiohttp.ClientConnectorDNSError, "dns", True, "its name has no address"),
    (aiohttp.ClientConnectorError, "connect", True, "nobody answers there"),
    (aiohttp.InvalidURL, "invalid_request", False, "the URL cannot be used"),
    (aiohttp.ServerDisconnectedError, "protocol", True, "it closed the connection without an answer"),
    (aiohttp.ClientPayloadError, "protocol", True, "the answer broke off"),
    (aiohttp.ClientResponseError, "protocol", False, "the answer is not valid HTTP"),
    (aiohttp.ClientError, "protocol", True, "the connection broke"),
    (OSError, "protocol", True, "the connection broke"),
    (ValueError, "invalid_request", False, "the request cannot be sent"),
)


def network_error(failure: Exception, place: str, *, sent: bool, status: int | None) -> NetworkError:
    """`place`: host:port. A NetworkError passes through, completed with what is known here."""
    if isinstance(failure, Unrepeated):
        failure = failure.cause
    if isinstance(failure, NetworkError):
        kind, retryable = failure.kind, failure.retryable
        return NetworkError(failure.message, kind=kind, retryable=retryable, sent=sent or failure.sent, status=status)
    refused = _refused(failure)
    if refused is not None:
        return NetworkError(str(refused.strerror), kind="refused_address", sent=sent, status=status)
    for known, kind, retryable, sentence in _TABLE:
        if isinstance(failure, known):
            message = f"Calling {place} failed: {sentence}{_detail(failure)}."
            return NetworkError(message, kind=kind, retryable=retryable, sent=sent, status=status)
    raise failure


def timed_out(place: str, seconds: float, *, sent: bool, status: int | None) -> NetworkError:
    """The deadline passed."""
    stage = "the answer did not end" if status else "no answer came" if sent else "no connection was made"
    message = f"Calling {place} failed: {stage} within {seconds:g} s."
    return NetworkError(message, kind="timeout", retryable=True, sent=sent, status=status)


def _refused(failure: BaseException) -> AddressRefused | None:
    inner = getattr(failure, "os_error", failure)
    return inner if isinstance(inner, AddressRefused) else None


def _detail(failure: BaseException) -> str:
    """The system's own words; texts of aiohttp are left out, they may quote the URL or a header."""
    inner = getattr(failure, "os_error", None) or getattr(failure, "certificate_error", None)
    words = getattr(inner, "verify_message", "") or getattr(inner, "strerror", "") or ""
    return f" ({words})" if isinstance(words, str) and words else ""
