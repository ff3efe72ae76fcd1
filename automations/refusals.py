"""What a domain function may refuse, besides PermissionDenied and DefinitionError; the edges turn it into answers.

A class's docstring is its default message, written for the person who reads it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from automations.engine.errors import AutomationError


class Refusal(AutomationError):
    """This is not possible."""

    def __init__(self, message: str = "", *, errors: Iterable[tuple[str, str]] = ()) -> None:
        super().__init__(message)
        self.errors = [{"path": path, "message": text} for path, text in errors]


class Invalid(Refusal):
    """What was sent is not right."""

    @classmethod
    def at(cls, path: str, message: str) -> Invalid:
        """One thing is wrong, at this path."""
        return cls(message, errors=[(path, message)])


class Conflict(Refusal):
    """Its state does not allow this."""


class Stale(Refusal):
    """Somebody else has changed this in the meantime. Load it again, then repeat your change."""


class GateClosed(Conflict):
    """The gate is closed: something is still missing for a release."""

    def __init__(self, items: Iterable[Any]) -> None:
        self.items = list(items)
        super().__init__(errors=[(item.key, f"{item.message} {item.fix}".strip()) for item in self.items])
