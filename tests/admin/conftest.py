"""A signed-in browser without a browser, and one of everything to look at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from automations import documents, permissions
from automations.documents import snapshot
from automations.models import Workflow
from runs.models import DeadLetter, Evaluation, Event, LogEntry, Run, Step
from tests.automations.definitions import orders

HOSTILE = "<script>alert(1)</script>"
ERROR = {
    "type": "http_status",
    "message": "The receiver answered 500.",
    "cause": "database is down",
    "step": "announce",
    "attempt": 3,
    "attempts": 3,
    "retryable": True,
    "next_retry_at": None,
    "retry_policy": {"attempts": 3, "delay": 2000, "factor": 2.0, "max_delay": 600000, "jitter": True},
    "context": {"status": 500, "body": "secret of the receiver"},
    "fingerprint": "9f2c1e77ab01cd34",
    "hint": "The service itself failed.",
}


@pytest.fixture
def browse(client: Client) -> Callable[[User], Client]:
    """`browse(ana)`: a client signed in as ana."""

    def sign_in(user: User) -> Client:
        client.force_login(user)
        return client

    return sign_in


@pytest.fixture
def workflow(ana: User, svc: User) -> Workflow:
    """ana's workflow; nobody else holds a role on it."""
    return documents.save(orders(), by=None).workflow


@dataclass
class World:
    """One run that failed, and what hangs together with it."""

    workflow: Workflow
    event: Event
    run: Run
    evaluation: Evaluation
    letter: DeadLetter


def make_run(workflow: Workflow, number: int = 7, status: str = "failed", mode: str = "execute") -> Run:
    """A run with its event, evaluation, steps and log, as the executor leaves them."""
    now = timezone.now()
    event = Event.objects.create(
        type="order.paid",
        source="api",
        subject_type="order",
        subject_key=str(number),
        simulated=mode == "simulate",
        headers={"x-sender": HOSTILE},
        payload={"order": {"id": number, "total": 250, "note": HOSTILE}},
    )
    run = Run.objects.create(
        workflow=workflow,
        version=snapshot(workflow),
        event=event,
        trigger="paid",
        mode=mode,
        status=status,
        subject_type="order",
        subject_key=str(number),
        created_at=now,
        started_at=now,
        finished_at=now + timedelta(seconds=2) if status != "running" else None,
    )
    Evaluation.objects.create(
        event=event, workflow=workflow, trigger="paid", result="fired", reason="it fits", values={"a": HOSTILE}, run=run
    )
    Step.objects.create(
        run=run, action="message", kind="transform", status="succeeded", attempt=1, started_at=now,
        finished_at=now + timedelta(milliseconds=20), input={"values": {"text": HOSTILE}}, output={"text": HOSTILE},
    )  # fmt: skip
    Step.objects.create(
        run=run, action="announce", kind="email.send", status="failed", attempt=3, started_at=now,
        finished_at=now + timedelta(seconds=2), input={"to": "ops@example.com"}, error=ERROR,
        reason="event.order.total = 250, needed > 100", values={"event.order.total": 250},
    )  # fmt: skip
    LogEntry.objects.create(
        run=run, at=now, level="error", step="announce", message="<b>It failed</b>", data={"a": HOSTILE}
    )
    return run


@pytest.fixture
def world(workflow: Workflow) -> World:
    run = make_run(workflow)
    letter = DeadLetter.objects.create(
        workflow=workflow, run=run, step="announce", fingerprint=ERROR["fingerprint"], subject_type="order",
        subject_key="7", opened_at=timezone.now(), error=ERROR,
    )  # fmt: skip
    return World(workflow, run.event, run, run.evaluations.get(), letter)


@pytest.fixture
def holding(workflow: Workflow) -> Callable[[User, str], User]:
    """`holding(ben, "viewer")`: ben with that role on the workflow."""

    def give(user: User, role: str) -> User:
        permissions.grant(workflow, user, role)
        return user

    return give


def posted(response: Any) -> dict[str, Any]:
    """What the browser would send back from the form of this page, nothing changed."""
    forms = [response.context["adminform"].form]
    data: dict[str, Any] = {}
    for inline in response.context["inline_admin_formsets"]:
        forms += [inline.formset.management_form, *inline.formset.forms]
    for form in forms:
        for field in form:
            value = field.value()
            data[field.html_name] = "" if value is None else value
    return data
