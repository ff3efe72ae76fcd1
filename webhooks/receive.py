"""Receiving a delivery: verify the raw bytes, store it with what it starts, and only then answer.

413 → 401 (bad, stale or missing signature, unknown or disabled endpoint alike, with an empty body) → 400 → duplicate
200 → 202. A receipt with its verdict is kept for every delivery.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from django.conf import settings

from automations.engine.errors import AutomationError
from automations.engine.json_core import loads_json
from automations.models import Epoch
from runs.asking import Arrival, Prepared, prepare
from runs.dispatch import Dispatched
from webhooks import signatures
from webhooks.models import Endpoint, Verdict

log = logging.getLogger("automation.hooks")

#: Bytes a body may have where the endpoint says nothing.
BODY_LIMIT = 1_000_000
#: Bytes kept of the body of a delivery to an address that does not exist.
STRANGER_LIMIT = 10_000
#: Options of an endpoint that are the door's, not its scheme's.
OWN_OPTIONS = frozenset({"max_bytes", "content_types"})
MASKED = frozenset({"authorization", "cookie", "proxy-authorization", "x-gitlab-token"})
#: Header names that prove a sender: kept on the receipt, of no use to a workflow.
_PROOFS = ("signature", "hmac", "token")


@dataclass(frozen=True, slots=True)
class Delivery:
    """One POST to `/hooks/{slug}`. Header names are lower-case; `url` is the address the sender signed."""

    slug: str
    headers: Mapping[str, str]
    body: bytes
    remote: str = ""
    url: str = ""
    received_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    too_large: bool = False  # its body was not read to the end


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Judged:
    """A delivery with its verdict; `prepared` is there when it is to start something."""

    delivery: Delivery
    verdict: Verdict
    epoch: int
    reason: str = ""
    endpoint: int | None = None
    dedupe_id: str = ""
    matched: int | None = None
    prepared: Prepared | None = None

    @property
    def kept_body(self) -> bytes:
        return self.delivery.body if self.endpoint else self.delivery.body[:STRANGER_LIMIT]


class Endpoints:
    """Endpoints by slug, kept while the definitions' epoch stands still. Shared by the threads of a process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.epoch = -1
        self._known: dict[str, Endpoint | None] = {}

    def get(self, slug: str) -> tuple[int, Endpoint | None]:
        with self._lock:
            if slug in self._known:
                return self.epoch, self._known[slug]
        epoch = Epoch.current()
        endpoint = Endpoint.objects.filter(slug=slug).first() if "\x00" not in slug else None
        with self._lock:
            if epoch != self.epoch or len(self._known) > 10_000:
                self.epoch, self._known = epoch, {}
            self._known[slug] = endpoint
        return epoch, endpoint

    def forget(self) -> None:
        with self._lock:
            self.epoch, self._known = -1, {}


endpoints = Endpoints()


def body_limit(slug: str) -> int:
    """Bytes a delivery to this address may have."""
    endpoint = endpoints.get(slug)[1]
    return int((endpoint.options.get("max_bytes") if endpoint else 0) or BODY_LIMIT)


def judge(delivery: Delivery) -> Judged:
    """The verdict on a delivery, and whom it would start. Outside any transaction."""
    epoch, endpoint = endpoints.get(delivery.slug)
    judged = Judged(delivery, Verdict.ACCEPTED, epoch, endpoint=endpoint.pk if endpoint else None)
    if delivery.too_large or len(delivery.body) > body_limit(delivery.slug):
        return _refuse(judged, Verdict.TOO_LARGE, f"more than {body_limit(delivery.slug):,} bytes")
    signed = _verify(delivery, endpoint)
    if endpoint is None or not endpoint.enabled:
        return _refuse(judged, Verdict.DISABLED, "there is no such endpoint" if endpoint is None else "it is disabled")
    judged.matched, judged.dedupe_id = signed.matched, (signed.dedupe_id or "")[:300]
    if not signed.ok:
        return _refuse(judged, Verdict(signed.code), signed.reason)
    try:
        payload = parse(delivery)
    except AutomationError as error:
        return _refuse(judged, Verdict.MALFORMED, str(error))
    judged.prepared = prepare(
        Arrival(
            route=f"hooks/{delivery.slug}",
            payload=payload,
            received_at=delivery.received_at,
            source=f"hooks/{delivery.slug}",
            type=event_type(delivery.headers),
            headers=plain_headers(delivery.headers),
            dedupe=(f"endpoint:{endpoint.pk}", judged.dedupe_id) if judged.dedupe_id else None,
        )
    )
    return judged


def _refuse(judged: Judged, verdict: Verdict, reason: str) -> Judged:
    judged.verdict, judged.reason = verdict, reason
    return judged


def _verify(delivery: Delivery, endpoint: Endpoint | None) -> signatures.Verdict:
    """Verify; for an unknown endpoint too, with a secret nobody has, so that it takes the same path and time."""
    scheme = endpoint.scheme if endpoint else "github"
    return signatures.verify(
        scheme,
        secrets_of(endpoint, delivery.received_at) if endpoint else ["there is no such endpoint"],
        delivery.headers,
        delivery.body,
        now=time.time() if endpoint is None else delivery.received_at.timestamp(),
        url=delivery.url,
        options={
            name: value for name, value in (endpoint.options if endpoint else {}).items() if name not in OWN_OPTIONS
        },
    )


def secrets_of(endpoint: Endpoint, now: datetime) -> list[str]:
    """The secrets that count now, the current one first."""
    alive = [endpoint.secret]
    if endpoint.previous_secret and endpoint.previous_valid_until and endpoint.previous_valid_until > now:
        alive.append(endpoint.previous_secret)
    return [secret for secret in alive if secret]


class Malformed(AutomationError):
    """The body cannot be read."""


def parse(delivery: Delivery) -> Any:
    """The event of a delivery: parsed JSON, or a form as an object of strings. Raises AutomationError (Malformed)."""
    content_type = delivery.headers.get("content-type", "application/json").split(";")[0].strip().lower()
    if content_type == "application/x-www-form-urlencoded":
        return _form(delivery.body)
    if content_type == "application/json" or content_type.endswith("+json"):
        return loads_json(delivery.body) if delivery.body.strip() else {}
    raise Malformed(f"The content type {content_type[:100]} is not understood: send application/json or a form.")


def _form(body: bytes) -> dict[str, str]:
    try:
        pairs = dict(parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=1000, errors="strict"))
    except ValueError as error:
        raise Malformed(f"The form cannot be read: {error}") from error
    if any("\x00" in text for pair in pairs.items() for text in pair):
        raise Malformed("The form holds a NUL character.")
    return pairs


def event_type(headers: Mapping[str, str]) -> str:
    """What the sender calls this kind of event, where a header says so."""
    for name in ("x-github-event", "x-gitlab-event", "x-shopify-topic", "ce-type", "sentry-hook-resource"):
        if name in headers:
            return headers[name]
    return ""


def plain_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """What a workflow may see: no credentials, no signatures."""
    return {
        name: value
        for name, value in headers.items()
        if name not in MASKED and not any(proof in name for proof in _PROOFS)
    }


def masked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """What a receipt keeps: everything, credentials masked."""
    return {name: "••••" if name in MASKED else value for name, value in headers.items()}


def answer(judged: Judged, receipt: int, dispatched: Dispatched | None, first_receipt: int | None = None) -> Answer:
    """What the sender is told, once everything is committed."""
    if judged.verdict == Verdict.TOO_LARGE:
        return Answer(413, {"title": "Too large", "detail": judged.reason, "status": 413})
    if judged.verdict == Verdict.MALFORMED:
        return Answer(400, {"title": "Malformed", "detail": judged.reason, "status": 400})
    if dispatched is None:
        return Answer(401)
    told = {"receipt": first_receipt or receipt, "event": dispatched.event_id, "runs": dispatched.runs}
    return Answer(200 if dispatched.duplicate else 202, told)


def signed_url(slug: str) -> str:
    """The public address of an endpoint, as a sender sees (and Twilio signs) it."""
    return f"{settings.PUBLIC_URL}/hooks/{slug}"


def encode(body: Mapping[str, Any] | None) -> bytes:
    return b"" if body is None else json.dumps(body).encode()
