"""Definitions and what hangs together with them, for tests."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from guardian.shortcuts import assign_perm

from automations import releases
from automations.documents import save, snapshot
from automations.models import Connection, Epoch, Mode, Version, Workflow
from tests.builders_secret import SECRET
from webhooks.models import Endpoint


def action(key: str, kind: str = "transform", **fields: Any) -> dict[str, Any]:
    """An action of a definition document; a transform without config computes its own key."""
    config = fields.pop("config", {"values": {"key": key}} if kind == "transform" else {})
    return {"key": key, "kind": kind, "config": config, **fields}


def document(slug: str = "orders", *, actions: list[dict[str, Any]], **fields: Any) -> dict[str, Any]:
    """A definition document with a manual and an event trigger."""
    return {
        "workflow": slug,
        "name": slug.capitalize(),
        "owner": "ana",
        "run_as": "svc-orders",
        "alerts": {"failure_rate": 0.1},
        "triggers": [
            {"key": "by_hand", "kind": "manual"},
            {"key": "said", "kind": "event", "config": {"types": [f"{slug}.said"]}},
        ],
        "actions": actions,
        **fields,
    }


def workflow(*actions: dict[str, Any], slug: str = "orders", live: bool = True, **fields: Any) -> Workflow:
    """Save a definition; `live` makes it current and executed, past the gate (tests of the gate use the gate)."""
    for name in ("ana", "svc-orders"):
        User.objects.get_or_create(username=name)
    saved = save(document(slug, actions=list(actions), **fields), by=None)
    return go_live(saved.workflow) if live else saved.workflow


def go_live(made: Workflow) -> Workflow:
    """Make the draft current in execute mode without evidence."""
    draft = snapshot(made)
    version, _ = Version.objects.get_or_create(
        workflow=made,
        number=(made.versions.exclude(number=None).count() + 1),
        defaults={"checksum": draft.checksum, "document": draft.document},
    )
    made.current_version, made.mode = version, Mode.EXECUTE
    made.save()
    releases.write_listeners(made)
    Epoch.advance()
    return made


def connection(slug: str, url: str, **fields: Any) -> Connection:
    """A connection the tests' run-as account may use."""
    made = Connection.objects.create(slug=slug, base_urls=[url], allow_private=True, **fields)
    assign_perm("automations.user", User.objects.get_or_create(username="svc-orders")[0], made)
    Epoch.advance()
    return made


def endpoint(slug: str = "shop", scheme: str = "github", **fields: Any) -> Endpoint:
    made = Endpoint.objects.create(slug=slug, scheme=scheme, secret=SECRET, **fields)
    Epoch.advance()
    return made
