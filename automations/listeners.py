"""Listeners: who is asked when something arrives, written whenever a mode, a draft or a release changes."""

from __future__ import annotations

from automations.kinds import triggers
from automations.models import Listener, Mode, Version, Workflow

LONGEST_ROUTE = 300  # the column's


def write_listeners(workflow: Workflow) -> None:
    """Let the armed version listen: execute → the current version, simulate → the draft's snapshot, draft → nothing.

    Call inside the transaction of the change. Raises DefinitionError if the draft to be armed is wrong.
    """
    version = _armed(workflow)
    wanted = {
        route: Listener(route=route, workflow=workflow, version=version, execute=workflow.mode == Mode.EXECUTE)
        for route in (_routes(version) if version else ())
    }
    workflow.listeners.all().delete()
    Listener.objects.bulk_create(wanted.values())


def _armed(workflow: Workflow) -> Version | None:
    from automations.documents.snapshots import snapshot

    if workflow.mode == Mode.EXECUTE:
        return workflow.current_version
    return snapshot(workflow) if workflow.mode == Mode.SIMULATE else None


def _routes(version: Version) -> list[str]:
    parts = version.document.get("triggers") or []
    known = [part for part in parts if part["kind"] in triggers]
    routes = [route for part in known for route in triggers[part["kind"]].routes(part.get("config") or {})]
    return [route for route in routes if len(route) <= LONGEST_ROUTE]  # nothing arrives by a name nobody can have
