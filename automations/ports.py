"""What definitions must ask of the floors above them: each port is a function that a floor registers at start.

    @ports.evidence.register
    def evidence(workflow, checksum): ...

A port nobody has registered answers with its default: an installation without that floor.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Literal, ParamSpec, TypeVar

from automations.models import Version, Workflow

P = ParamSpec("P")
R = TypeVar("R")


class Port(Generic[P, R]):
    """A function that stands here until the real one is registered; the last registration counts."""

    def __init__(self, default: Callable[P, R]) -> None:
        self._answer = default
        self.__doc__ = default.__doc__

    def register(self, answer: Callable[P, R]) -> Callable[P, R]:
        self._answer = answer
        return answer

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self._answer(*args, **kwargs)


@dataclass(frozen=True, slots=True)
class Evidence:
    """The newest result of one scenario for one behaviour; `by_author`: run as whoever wrote the workflow."""

    scenario_id: int
    name: str
    kind: Literal["positive", "negative"]
    passed: bool
    as_user: str
    run_id: int | None
    at: datetime
    by_author: bool = False

    def as_dict(self) -> dict[str, Any]:
        return {
            "scenario": self.name,
            "kind": self.kind,
            "passed": self.passed,
            "as_user": self.as_user,
            "run": self.run_id,
            "at": self.at.isoformat(),
        }


@Port
def evidence(workflow: Workflow, checksum: str) -> list[Evidence]:
    """The newest result of each scenario of the workflow for exactly this behaviour."""
    return []


@Port
def usable_endpoints(slugs: Collection[str], by: Any) -> dict[str, bool]:
    """Which of these endpoints exist, and whether `by` (None: the system) may name them in a workflow."""
    return {}


@Port
def cancel_runs(workflow: Workflow, version: Version, by: Any, reason: str) -> int:
    """Cancel the unfinished runs of this version; returns how many."""
    return 0


@Port
def forget_workflow(workflow: Workflow) -> None:
    """Delete what the floor keeps about a workflow that is about to be deleted. Raises Conflict if it must stay."""


@Port
def asks(user: Any) -> bool:
    """Whether something above asks this user to decide, which is reason enough to let them sign in."""
    return False
