"""People and small builders for the tests."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What only PostgreSQL can show is not collected on SQLite: a skip would say that something is missing here."""
    if os.environ.get("TEST_DATABASE", "sqlite") != "postgres":
        apart = [item for item in items if item.get_closest_marker("postgres")]
        items[:] = [item for item in items if item not in apart]
        config.hook.pytest_deselected(items=apart)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, pytest.TestReport]:
    """With FORBID_SKIPS a skipped test fails, unless it says that files beside the repository are absent."""
    report = yield
    if report.skipped and os.environ.get("FORBID_SKIPS") and not hasattr(report, "wasxfail"):
        reason = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)
        if "../shared" not in reason:
            report.outcome = "failed"
            report.longrepr = f"skipping is forbidden here: {reason}"
    return report


@pytest.fixture(autouse=True)
def fresh_caches(request: pytest.FixtureRequest) -> Iterator[None]:
    """Definitions cached by id must not outlive the database they came from."""
    yield
    from automations import plans
    from runs import keys
    from runs.asking import listeners
    from webhooks.receive import endpoints

    plans.plan_by_id.cache_clear()
    keys.installation.cache_clear()
    listeners.forget()
    endpoints.forget()


@pytest.fixture
def person(db: None) -> Callable[..., User]:
    """Make somebody: `person("ana")`, `person("root", is_superuser=True)`."""

    def make(username: str, **fields: Any) -> User:
        user, _ = User.objects.get_or_create(username=username, defaults=fields)
        user.set_password("correct horse")
        user.save()
        return user

    return make


@pytest.fixture
def ana(person: Callable[..., User]) -> User:
    """Owns the workflows of the tests."""
    return person("ana")


@pytest.fixture
def ben(person: Callable[..., User]) -> User:
    """Holds whatever role a test gives him."""
    return person("ben")


@pytest.fixture
def carl(person: Callable[..., User]) -> User:
    """A stranger: must see nothing."""
    return person("carl")


@pytest.fixture
def root(person: Callable[..., User]) -> User:
    """A superuser."""
    return person("root", is_superuser=True, is_staff=True)


@pytest.fixture
def svc(person: Callable[..., User]) -> User:
    """The run-as account of the tests' workflows."""
    return person("svc-orders")
