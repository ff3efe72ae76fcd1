"""The outbound client as the executor's network: NetworkError becomes the step's error."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from django.conf import settings

from automations.engine.errors import StepError
from automations.kinds import HttpAnswer
from webhooks.network import AllowList, NetworkError, OutboundClient, Request


class Wire:
    """One outbound client of one drain."""

    def __init__(self, client: OutboundClient) -> None:
        self.client = client

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
    ) -> HttpAnswer:
        request = Request(
            method,
            url,
            headers,
            body,
            timeout=timeout,
            max_bytes=max_bytes,
            allow_private=allow_private,
            credential_headers=credentials,
        )
        try:
            answer = await self.client.send(request)
        except NetworkError as error:
            raise StepError(
                "invalid_config" if error.kind == "invalid_request" else error.kind,
                error.message,
                retryable=error.retryable,
                cause=str(error.__cause__ or ""),
                context={"sent": error.sent, **({"status": error.status} if error.status else {})},
            ) from error
        return HttpAnswer(answer.status, answer.headers, answer.body)


@asynccontextmanager
async def open_wire() -> AsyncIterator[Wire]:
    async with OutboundClient(AllowList.parse(settings.OUTBOUND_ALLOW)) as client:
        yield Wire(client)
