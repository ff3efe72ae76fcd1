"""The frozen parts of a Plan. Durations are seconds; `plan.parse` makes them from the definition document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from automations.engine.cel import Program
from automations.engine.conditions import Condition
from automations.engine.errors import Problem
from automations.engine.templates import Template

RISKS = ("none", "read", "reversible", "irreversible", "money")
SAFETIES = ("safe", "keyed", "unsafe")
"""What an action may say of itself; a kind may also answer `exactly_once`."""

Join = Literal["all", "any"] | int


@dataclass(frozen=True, slots=True)
class RulesPlace:
    """Where a kind's config holds decision rows (engine/rules.py).

    `setting` is the list of `{when, then}`, `otherwise` names the settings that count only where no row matched.
    """

    setting: str
    otherwise: tuple[str, ...] = ()


class KindInfo(Protocol):
    """What the plan asks of a kind. Trigger kinds need `name`, `schema` and `check` only.

    The methods see a config that fits the schema; required settings may still be missing, templates are not yet
    filled in. Three optional members: `references(config)`, the paths that expressions inside the config read;
    `rules`, a RulesPlace where the config holds decision rows; and for trigger kinds `dedupe_required`, true where a
    trigger without `dedupe` is incomplete.
    """

    name: str
    schema: dict[str, Any]
    """JSON Schema of `config`; a template may stand wherever a value is expected."""
    pure: bool
    """No effect and no input but the rendered config: computed for real in a simulation."""

    def risk(self, config: Mapping[str, Any]) -> str:
        """Return `none read reversible irreversible money` for this config, templates still in it."""

    def safety(self, config: Mapping[str, Any]) -> str:
        """Return `safe keyed unsafe exactly_once` for this config, templates still in it."""

    def check(self, config: Mapping[str, Any]) -> list[Problem]:
        """Return what the schema cannot say; paths are relative to the config."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and when a step is performed again; `attempts` counts all calls, the first included."""

    attempts: int = 1
    delay: float = 2.0
    factor: float = 2.0
    max_delay: float = 600.0
    jitter: bool = True

    def as_dict(self) -> dict[str, Any]:
        """Return the policy as the API shows it, delays in milliseconds."""
        return {
            "attempts": self.attempts,
            "delay": round(self.delay * 1_000),
            "factor": self.factor,
            "max_delay": round(self.max_delay * 1_000),
            "jitter": self.jitter,
        }


@dataclass(frozen=True, slots=True)
class RepeatPlan:
    """Perform again every `every` seconds until `until` is true of `output`, at most `max` times."""

    until: Program
    every: float = 30.0
    max: int = 20


@dataclass(frozen=True, slots=True)
class CapPlan:
    """At most `count` performances, or a total of `max_sum`, in any window of `per` seconds."""

    per: float
    count: int | None = None
    sum: Program | None = None
    max_sum: float | None = None


@dataclass(frozen=True, slots=True)
class ApprovalPlan:
    """Who decides a step before it is performed; `when` None means always."""

    approvers: tuple[str, ...]
    quorum: int = 1
    when: Condition | None = None
    expires: float | None = None
    on_expiry: Literal["reject", "escalate"] = "reject"
    remind: float | None = None
    escalate_to: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ActionPlan:
    """One node of the graph, ready to be decided and rendered."""

    key: str
    kind: str
    config: Template
    raw_config: Mapping[str, Any]
    needs: tuple[str, ...] = ()
    join: Join = "all"
    after_skip: Literal["skip", "run"] = "skip"
    when: Condition | None = None
    on_unknown: Literal["fail", "skip"] = "fail"
    for_each: Program | None = None
    parallel: int = 1
    repeat: RepeatPlan | None = None
    retry: RetryPolicy = RetryPolicy()
    timeout: float | None = None
    valid_for: float | None = None
    patience: float = 86_400.0
    approval: ApprovalPlan | None = None
    risk: str = "none"
    safety: str = "safe"
    pure: bool = False
    cap: CapPlan | None = None
    owner: str = ""
    replaces: Mapping[str, Any] | None = None
    if_it_fails: str = ""
    on_failure: Literal["stop", "continue", "compensate"] = "stop"
    compensate: ActionPlan | None = None
    position: int = 0
    """Place in the document, from 0."""
    ancestors: frozenset[str] = frozenset()
    reads: frozenset[str] = frozenset()
    """Keys of the steps whose output, status or items this action refers to."""


@dataclass(frozen=True, slots=True)
class SubjectPlan:
    """The business object a trigger is about: `key` gives its key from the event."""

    type: str
    key: Program


@dataclass(frozen=True, slots=True)
class ThrottlePlan:
    """At most `count` runs started in any window of `per` seconds."""

    count: int
    per: float


@dataclass(frozen=True, slots=True)
class TriggerPlan:
    """What starts a run; `contract` is a JSON Schema validator (`.is_valid`, `.iter_errors`)."""

    key: str
    kind: str
    config: Mapping[str, Any]
    filter: Condition | None = None
    dedupe: Program | None = None
    subject: SubjectPlan | None = None
    contract: Any = None
    debounce: float | None = None
    throttle: ThrottlePlan | None = None
    position: int = 0


@dataclass(frozen=True, slots=True)
class ConcurrencyPlan:
    """At most `limit` runs at a time, for each value of `key` where one is given."""

    limit: int
    key: Program | None = None
    on_limit: Literal["queue", "skip", "cancel_oldest"] = "queue"
    count: Literal["open", "active"] = "open"


@dataclass(frozen=True, slots=True)
class Plan:
    """A definition, checked and compiled.

    `actions` are in topological order, ties in document order. `by_key` also holds each compensation,
    under `<key>.compensate`. `checksum` covers the behaviour only.
    """

    slug: str
    name: str
    actions: tuple[ActionPlan, ...]
    triggers: tuple[TriggerPlan, ...]
    conditions: Mapping[str, Condition]
    run_as: str
    timeout: float | None
    concurrency: ConcurrencyPlan | None
    priority: int
    checksum: str
    document: Mapping[str, Any]
    by_key: Mapping[str, ActionPlan]
    trigger_by_key: Mapping[str, TriggerPlan]
