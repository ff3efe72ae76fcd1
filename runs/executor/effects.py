"""The live Effects gateway: the one way from an action to the world, with addresses and credentials of connections."""

from __future__ import annotations

import asyncio
import base64
import smtplib
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol, cast
from urllib.parse import urlencode, urlsplit

from django.core.mail import EmailMultiAlternatives
from django.core.mail.message import BadHeaderError

from automations.engine.durations import parse as seconds
from automations.engine.errors import StepError
from automations.kinds import HttpAnswer, HttpCall, Mail
from automations.models import Connection, Epoch

#: Seconds one call may take where neither the action nor its connection says.
CALL_TIMEOUT = 30.0
#: Bytes of an answer that are read; a step's output is at most this.
ANSWER_LIMIT = 256 * 1024


class Network(Protocol):
    """What the wire offers: one outbound call. Raises StepError; any status is an answer."""

    async def call(
        self,
        method: str,
        url: str,
        headers: list[tuple[str, str]],
        body: bytes | None,
        *,
        timeout: float,
        max_bytes: int,
        allow_private: bool,
        credentials: frozenset[str],
    ) -> HttpAnswer: ...


_network: Callable[[], AbstractAsyncContextManager[Network]] | None = None


def use_network(factory: Callable[[], AbstractAsyncContextManager[Network]]) -> None:
    """The port by which the wire gives its outbound client; one is opened for each drain."""
    global _network
    _network = factory


def open_network() -> AbstractAsyncContextManager[Network]:
    assert _network is not None, "no network was registered: is the app `webhooks` installed?"
    return _network()


@dataclass(frozen=True, slots=True)
class Service:
    """What a call needs of a connection; read once per epoch of the definitions."""

    base_url: str
    auth: dict[str, Any]
    timeout: float | None
    allow_private: bool


class Services:
    """Connections by slug, cached while the definitions' epoch stands still."""

    def __init__(self) -> None:
        self.epoch = -1
        self._known: dict[str, Service] = {}

    def at(self, epoch: int) -> None:
        """Forget everything once the epoch has moved."""
        if epoch != self.epoch:
            self.epoch, self._known = epoch, {}

    def known(self, slug: str) -> Service | None:
        return self._known.get(slug)

    def read(self, slug: str) -> Service:
        """Read from the database. Raises StepError (missing_connection)."""
        epoch = Epoch.current()
        row = Connection.objects.filter(slug=slug).first()
        if row is None or not row.base_urls:
            raise StepError("missing_connection", f"There is no usable connection {slug}.", retryable=False)
        service = Service(
            base_url=row.base_urls[0].rstrip("/"),
            auth=cast("dict[str, Any]", row.auth or {}),
            timeout=seconds(row.timeout) if row.timeout else None,
            allow_private=row.allow_private,
        )
        if self.epoch in (-1, epoch):
            self.epoch = epoch
            self._known[slug] = service
        return service


class LiveEffects:
    """Acts. `database` runs a function on the drain's database thread."""

    def __init__(
        self, network: Network, services: Services, database: Callable[..., Awaitable[Any]], alive: Callable[[], None]
    ) -> None:
        self.network = network
        self.services = services
        self.database = database
        self.alive = alive  # raises when this worker may have been buried: then nothing may be sent any more

    async def http(self, call: HttpCall) -> HttpAnswer:
        service = None
        if call.connection:
            service = self.services.known(call.connection) or await self.database(self.services.read, call.connection)
        url, headers, credentials = address(call, service)
        self.alive()
        return await self.network.call(
            call.method,
            url,
            headers,
            call.body,
            timeout=call.timeout or (service and service.timeout) or CALL_TIMEOUT,
            max_bytes=ANSWER_LIMIT,
            allow_private=bool(service and service.allow_private),
            credentials=credentials,
        )

    async def mail(self, mail: Mail) -> None:
        self.alive()
        await asyncio.to_thread(send_mail, mail)


def address(call: HttpCall, service: Service | None) -> tuple[str, list[tuple[str, str]], frozenset[str]]:
    """(URL, headers, names of headers that are credentials). Credentials stay bound to the connection's host.

    Raises StepError (invalid_config) for a path that would leave it.
    """
    url, headers, query = call.url, list(call.headers.items()), dict(call.query)
    credentials: frozenset[str] = frozenset()
    if service:
        path = call.path
        if path and not path.startswith(("/", "?")):
            path = "/" + path
        url = service.base_url + path
        if urlsplit(url).netloc != urlsplit(service.base_url).netloc or "\\" in path or "/../" in f"{path}/":
            raise StepError("invalid_config", f"The path {path} leaves the connection.", retryable=False)
        extra, extra_query = authenticate(service.auth)
        headers += extra
        query |= extra_query
        credentials = frozenset(name for name, _ in extra)
    if query:
        pairs = {name: _text(value) for name, value in query.items()}
        url += ("&" if "?" in url else "?") + urlencode(pairs, doseq=True)
    return url, headers, credentials


def _text(value: Any) -> Any:
    """A query value as JSON clients write it: true, not True; nothing for null."""
    if isinstance(value, list):
        return [_text(item) for item in value]
    if value is None or isinstance(value, bool):
        return "" if value is None else str(value).lower()
    return value


def authenticate(auth: dict[str, Any]) -> tuple[list[tuple[str, str]], dict[str, str]]:
    """Headers and query parameters of a connection's credentials (types none, basic, bearer, header, query)."""
    match auth.get("type", "none"):
        case "basic":
            pair = f"{auth.get('username', '')}:{auth.get('password', '')}".encode()
            return [("Authorization", "Basic " + base64.b64encode(pair).decode())], {}
        case "bearer":
            return [("Authorization", f"Bearer {auth.get('token', '')}")], {}
        case "header":
            return [(auth["name"], auth["value"])], {}
        case "query":
            return [], {auth["name"]: auth["value"]}
    return [], {}


def send_mail(mail: Mail) -> None:
    """Hand one message to the mail server. Raises StepError: retryable only where the server took nothing for sure."""
    try:
        message = EmailMultiAlternatives(mail.subject, mail.text, to=mail.to, cc=mail.cc)
        if mail.html:
            message.attach_alternative(mail.html, "text/html")
        message.send()
    except BadHeaderError as error:
        raise StepError("invalid_config", f"A header of the e-mail is not allowed: {error}", retryable=False) from error
    except smtplib.SMTPResponseException as error:
        later = 400 <= error.smtp_code < 500  # RFC 5321: transient negative completion
        text = error.smtp_error.decode("utf-8", "replace") if isinstance(error.smtp_error, bytes) else str(error)
        message_text = f"The mail server answered {error.smtp_code}."
        raise StepError("mail", message_text, retryable=later, cause=text) from error
    except (smtplib.SMTPConnectError, smtplib.SMTPHeloError, ConnectionRefusedError) as error:
        raise StepError("mail", "The mail server could not be reached.", retryable=True, cause=str(error)) from error
    except (smtplib.SMTPException, OSError) as error:
        raise StepError("mail", "The e-mail could not be sent.", retryable=False, cause=str(error)) from error
