"""Runs that have failed, made as rows: for the verbs that people use on them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone

from automations.models import Version, Workflow
from runs.models import DeadLetter, Event, Run, Step

ERROR = {"type": "http_status", "message": "The receiver answered 500.", "fingerprint": "f" * 16}


def event(payload: Any = None) -> Event:
    return Event.objects.create(type="order.paid", payload={"id": 7} if payload is None else payload)


def run_of(workflow: Workflow, *, version: Version | None = None, payload: Any = None, **fields: Any) -> Run:
    """A run that has failed a minute ago, unless `fields` say otherwise."""
    now = timezone.now()
    values = {
        "mode": "execute",
        "status": "failed",
        "trigger": "by_hand",
        "created_at": now - timedelta(minutes=1),
        "started_at": now - timedelta(minutes=1),
        "finished_at": now,
        "error": ERROR,
        **fields,
    }
    return Run.objects.create(
        workflow=workflow, version=version or workflow.current_version, event=event(payload), **values
    )


def step(run: Run, key: str, status: str = "succeeded", **fields: Any) -> Step:
    action = next(one for one in run.version.document["actions"] if one["key"] == key)
    now = timezone.now()
    values = {"attempt": 1, "started_at": now, "finished_at": now, "ready_at": run.created_at, **fields}
    if status in ("skipped", "pending"):
        values |= {"attempt": 0, "started_at": None}
    return Step.objects.create(run=run, action=key, kind=action["kind"], status=status, **values)


def letter(run: Run, key: str, *, state: str = "open", status: str = "failed", **fields: Any) -> DeadLetter:
    """A step that gave up, with what it sent, and its dead letter."""
    step(run, key, status, error=ERROR, input={"json": {"id": 7}})
    values = {"fingerprint": ERROR["fingerprint"], "opened_at": timezone.now(), "error": ERROR, **fields}
    return DeadLetter.objects.create(workflow=run.workflow, run=run, step=key, state=state, **values)
