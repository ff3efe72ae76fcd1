"""What arrives in the demo: deliveries signed as their senders sign them, and an event through the API."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from webhooks import signatures
from webhooks.demo.sample import ENDPOINTS, Vault
from webhooks.network import AllowList, OutboundClient, Request

INCIDENT = Path(__file__).with_name("incident.json")
_LOOPBACK = "127.0.0.0/8"
Told = tuple[int, str]


def breach(ticket: str) -> str:
    """The body by which a program reports that a ticket broke its SLA."""
    customer = {"name": "Nordlicht GmbH", "tier": "gold"}
    payload = {"ticket": ticket, "target": "first_answer", "minutes_late": 25, "customer": customer}
    return json.dumps({"type": "sla.breached", "payload": payload}, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Sender:
    """Sends to one installation; every method returns (status, answer as text)."""

    url: str
    vault: Vault

    def deliver(self, endpoint: str, body: bytes, *, id: str, headers: Mapping[str, str] | None = None) -> Told:
        """One delivery to `/hooks/{endpoint}`, signed with its secret."""
        signed = signatures.sign(
            ENDPOINTS[endpoint][1], self.vault.secret(endpoint), body, now=time.time(), message_id=id
        )
        return self._post(f"/hooks/{endpoint}", body, {**signed, **(headers or {})})

    def incident(self, id: str = "") -> Told:
        """An issue gets the label "incident", as GitHub reports it."""
        headers = {"X-GitHub-Event": "issues"}
        return self.deliver("github", INCIDENT.read_bytes(), id=id or str(uuid.uuid4()), headers=headers)

    def order(self, number: int, *, type: str = "order.paid", **fields: Any) -> Told:
        body = json.dumps({"type": type, "order": {"id": f"A-{number}", **fields}}).encode()
        return self.deliver("shop", body, id=f"demo-{type.replace('.', '-')}-{number}")

    def breach(self, ticket: str = "") -> Told:
        """A ticket breaks its SLA, as the help desk's program reports it through the API."""
        body = breach(ticket or f"T-{uuid.uuid4().hex[:6]}").encode()
        return self._post("/api/v1/events", body, {"Authorization": f"Token {self.vault.token}"})

    def _post(self, path: str, body: bytes, headers: Mapping[str, str]) -> Told:
        everything = {"Content-Type": "application/json", **headers}
        request = Request("POST", self.url + path, list(everything.items()), body)

        async def send() -> Told:
            async with OutboundClient(AllowList.parse([_LOOPBACK])) as client:
                answer = await client.send(request)
                return answer.status, answer.body.decode("utf-8", "replace")

        return asyncio.run(send())


def some_work(sender: Sender) -> None:
    """A morning's events: most of them end well, one order meets a warehouse that is down, some start nothing.

    Their ids are fixed, so the product itself keeps a second sending from starting anything.
    """
    sender.order(1001, customer="Nordlicht GmbH", country="DE", total=1840, warehouse="hamburg")
    sender.order(1002, customer="Ida Holm", country="NL", total=49.9, warehouse="hamburg")
    sender.order(1003, customer="Librairie Sorel", country="FR", total=2315.5, warehouse="lyon")
    sender.order(1004, customer="De Wit & Zonen", country="NL", total=4200, warehouse="hamburg")
    sender.order(1002, type="order.refunded", customer="Ida Holm", country="NL", total=49.9, warehouse="hamburg")
    sender.incident("demo-incident")
    push = {"ref": "refs/heads/main", "repository": {"name": "checkout", "full_name": "acme/checkout"}}
    sender.deliver("github", json.dumps(push).encode(), id="demo-push", headers={"X-GitHub-Event": "push"})
    forged = {"X-Hub-Signature-256": "sha256=" + "0" * 64, "X-GitHub-Event": "issues"}
    sender.deliver("github", INCIDENT.read_bytes(), id="demo-forged", headers=forged)
    sender.breach("T-2040")
