"""One workflow, and somebody for every role on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from automations import documents, permissions
from automations.models import Workflow
from tests.automations.definitions import orders

As = Callable[[User | None], APIClient]


@pytest.fixture
def as_() -> As:
    """A client that is signed in as somebody; None: as nobody."""

    def client(user: User | None) -> APIClient:
        made = APIClient()
        if user is not None:
            made.force_authenticate(User.objects.get(pk=user.pk))
        return made

    return client


@pytest.fixture
def workflow(ana: User, svc: User) -> Workflow:
    """Complete, in draft, owned by ana; it has a manual trigger too."""
    document = orders()
    document["triggers"].append({"key": "by_hand", "kind": "manual", "config": {}})
    return documents.save(document, by=None).workflow


@pytest.fixture
def cast(workflow: Workflow, ana: User, root: User, person: Callable[..., User]) -> dict[str, User | None]:
    """Role → who holds it on `workflow`; also nobody, a stranger, the owner and a superuser."""
    people: dict[str, User | None] = {"nobody": None, "stranger": person("stranger"), "owner": ana, "superuser": root}
    for role in ("viewer", "builder", "operator", "approver", "releaser"):
        people[role] = person(role)
        permissions.grant(workflow, people[role], role)
    return people


def paths(answer: Any) -> list[str]:
    """Where a problem says something is wrong."""
    return [error["path"] for error in answer.json()["errors"]]
