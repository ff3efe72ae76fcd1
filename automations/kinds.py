"""Contracts of triggers and actions, and the registries that hold one of each kind.

A kind is one file under actions/ or triggers/ (or in an app of a host project): a subclass whose instance is given to
`actions.register` or `triggers.register`. README, "How to add a kind".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, Literal, Protocol, TypeVar

from automations.engine.errors import AutomationError, Problem
from automations.engine.parts import RulesPlace

Risk = Literal["none", "read", "reversible", "irreversible", "money"]
Safety = Literal["safe", "keyed", "unsafe", "exactly_once"]
RISKS: tuple[Risk, ...] = ("none", "read", "reversible", "irreversible", "money")


class DuplicateKind(AutomationError):
    """A kind of this name is registered already: choose another name."""


class UnknownKind(AutomationError):
    """No kind of this name is registered here."""


@dataclass(frozen=True, slots=True)
class HttpCall:
    """One outgoing call, before the connection's address and credentials are added.

    `path` belongs to the connection's base URL; without a connection `url` is whole. `timeout` in seconds.
    """

    method: str
    connection: str = ""
    path: str = ""
    url: str = ""
    query: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    timeout: float | None = None


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """`headers` with lower-case names; `body` at most the output limit."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Mail:
    to: list[str]
    subject: str
    text: str
    cc: list[str] = field(default_factory=list)
    html: str = ""


class Effects(Protocol):
    """The only way an action reaches anything outside its run. In simulate mode another gateway stands here."""

    async def http(self, call: HttpCall) -> HttpAnswer:
        """Raises StepError (connect, timeout, refused_address, too_large); any status is an answer."""

    async def mail(self, mail: Mail) -> None:
        """Raises StepError (mail)."""


@dataclass(slots=True)
class Call:
    """What one attempt of a step is handed: its rendered input and who, when, under which key.

    `workflow` is a slug, `subject` the (type, key) the run is about, both "" where it is about nothing.
    """

    run: int
    step: str
    index: int
    attempt: int
    input: dict[str, Any]
    idempotency_key: str
    now: datetime
    timeout: float | None = None  # seconds
    run_as: str = ""
    workflow: str = ""
    subject: tuple[str, str] = ("", "")
    notes: list[tuple[str, str]] = field(default_factory=list)

    def log(self, level: str, message: str) -> None:
        """Add an entry to the run's log; written together with the step's outcome."""
        self.notes.append((level, message))


#: What `simulate` returns when nobody can know the output: a later template that reads it gets a marker.
OPEN: Any = object()


class ActionKind:
    """What an action can be.

    `pure` kinds are computed in both modes. `transactional` kinds act in our own database, in one transaction with
    the step's record, so exactly once. All others act through `effects` alone.
    """

    name: str = ""
    label: str = ""  # in the picker: "Send an e-mail"
    group: str = "Other"
    icon: str = "bolt"  # a Material Symbols name
    schema: Mapping[str, Any] = {"type": "object"}  # JSON Schema of config
    input_schema: Mapping[str, Any] | None = None  # of the rendered config, where `schema` does not fit it
    rules: RulesPlace | None = None  # where the config holds decision rows (engine/rules.py)
    output_schema: Mapping[str, Any] | None = None
    pure: bool = False
    transactional: bool = False
    contract: int = 1  # raised by hand when the kind's effect changes: the gate asks for evidence anew

    def risk(self, config: Mapping[str, Any]) -> str:
        return "none" if self.pure else "reversible"

    def safety(self, config: Mapping[str, Any]) -> str:
        if self.transactional:
            return "exactly_once"
        return "safe" if self.risk(config) in ("none", "read") else "keyed"

    def check(self, config: Mapping[str, Any]) -> list[Problem]:
        """Problems the schema cannot say; paths relative to config."""
        return []

    def sentence(self, config: Mapping[str, Any]) -> str:
        """One line for people: what this action does."""
        return self.label

    def compute(self, call: Call) -> Any:
        """Of a pure kind: the output. Raises StepError."""
        raise NotImplementedError

    def transact(self, call: Call) -> Any:
        """Of a transactional kind: act in the caller's transaction, and return the output. Raises StepError."""
        raise NotImplementedError

    async def perform(self, call: Call, effects: Effects) -> Any:
        """Of any other kind: act, and return the output (JSON). Raises StepError."""
        raise NotImplementedError

    def simulate(self, call: Call) -> Any:
        """Of a kind that is not pure: a plausible output without acting, or OPEN."""
        return OPEN


class TriggerKind:
    """What can start a workflow. `routes` says which arrivals it listens to."""

    name: str = ""
    label: str = ""
    icon: str = "play_arrow"
    schema: Mapping[str, Any] = {"type": "object"}

    def check(self, config: Mapping[str, Any]) -> list[Problem]:
        return []

    def routes(self, config: Mapping[str, Any]) -> list[str]:
        """Routes as in Listener; an unfinished config has none."""
        return []

    def sentence(self, config: Mapping[str, Any]) -> str:
        return self.label


K = TypeVar("K", ActionKind, TriggerKind)


class Registry(Mapping[str, K], Generic[K]):
    """Kinds by name, in the order of registration. Refuses duplicates; unknown names raise UnknownKind."""

    def __init__(self) -> None:
        self._kinds: dict[str, K] = {}

    def register(self, kind: K) -> K:
        if kind.name in self._kinds:
            raise DuplicateKind(f"The kind {kind.name} is registered already: choose another name.")
        self._kinds[kind.name] = kind
        return kind

    @contextmanager
    def temporarily(self, kind: K) -> Iterator[K]:
        """For tests: registered inside the block only."""
        self.register(kind)
        try:
            yield kind
        finally:
            del self._kinds[kind.name]

    def __getitem__(self, name: str) -> K:
        try:
            return self._kinds[name]
        except KeyError:
            raise UnknownKind(f"There is no kind {name} here.") from None

    def __contains__(self, name: object) -> bool:
        return name in self._kinds

    def __iter__(self) -> Iterator[str]:
        return iter(self._kinds)

    def __len__(self) -> int:
        return len(self._kinds)


actions: Registry[ActionKind] = Registry()
triggers: Registry[TriggerKind] = Registry()
