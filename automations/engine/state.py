"""What `decide` looks at and what it answers. Nothing here knows a database."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from automations.engine.conditions import Verdict

SUCCEEDED = frozenset({"succeeded", "simulated"})
FINISHED = SUCCEEDED | {"skipped", "failed", "cancelled"}
ACTIVE = frozenset({"running", "retrying", "waiting", "awaiting_approval", "unknown"})


@dataclass(slots=True)
class StepState:
    """How far one action of a run has got.

    `attempt` counts the calls made; `ready_at` is fixed when the step is first performed (it is `now` in its
    templates); `not_reached` marks a skip that only says the run ended before: a reopened run makes it pending.
    """

    status: str
    attempt: int = 0
    output: Any = None
    items: list[Any] | None = None
    reason: str = ""
    due_at: datetime | None = None
    ready_at: datetime | None = None
    finished_at: datetime | None = None
    error: dict[str, Any] | None = None
    not_reached: bool = False


@dataclass(frozen=True, slots=True)
class Finish:
    """How a run ends; `warnings` counts tolerated failures."""

    status: Literal["succeeded", "failed", "cancelled", "timed_out"]
    warnings: int = 0
    reason: str = ""


@dataclass(slots=True)
class RunState:
    """A run as far as it is known; a step that is absent is pending.

    `stopped` is what an action `run.stop` asked for.
    """

    steps: dict[str, StepState]
    event: Any
    trigger: dict[str, Any]
    run: dict[str, Any]
    workflow: dict[str, Any]
    created_at: datetime
    deadline: datetime | None = None
    cancelled: bool = False
    stopped: Finish | None = None


@dataclass(frozen=True, slots=True)
class Ready:
    """Perform this step now; `verdict` is that of its `when`, None without one and on a retry."""

    key: str
    ready_at: datetime
    verdict: Verdict | None = None


@dataclass(frozen=True, slots=True)
class Skip:
    """Record this step as skipped, finished at the `now` that was passed to `decide`."""

    key: str
    reason: str
    values: dict[str, Any] = field(default_factory=dict)
    not_reached: bool = False


@dataclass(frozen=True, slots=True)
class Cancel:
    """Record this step as cancelled: it had begun, and the run does not wait for it."""

    key: str
    reason: str


@dataclass(frozen=True, slots=True)
class Undecidable:
    """This step's `when` cannot be answered; `open` says a sample would help, not another event."""

    key: str
    reason: str
    path: str = ""
    values: dict[str, Any] = field(default_factory=dict)
    open: bool = False


@dataclass(frozen=True, slots=True)
class Blocked:
    """This step cannot be reached in this simulation, because a step it needs is blocked."""

    key: str
    reason: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do next. Everything in one decision holds together; record all of it, then decide again.

    `due` names waiting steps whose time has come. `wake_at` is the next moment after `now` at which
    something changes by itself, None if only an outcome, a person or an event can change it.
    """

    perform: tuple[Ready, ...] = ()
    skip: tuple[Skip, ...] = ()
    cancel: tuple[Cancel, ...] = ()
    undecidable: tuple[Undecidable, ...] = ()
    blocked: tuple[Blocked, ...] = ()
    due: tuple[str, ...] = ()
    wake_at: datetime | None = None
    finish: Finish | None = None
