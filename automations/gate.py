"""The gate: what a release to execute wants, item by item, each with what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

from django.urls import NoReverseMatch, reverse

from automations import plans, ports
from automations.abilities import uncarried_paths
from automations.documents import document_of, references
from automations.engine.errors import DefinitionError, Problem
from automations.engine.plan import checksum
from automations.models import Workflow
from automations.permissions import require


@dataclass(frozen=True, slots=True)
class Item:
    """`chapter` is that of the guide, `url` where it can be put right."""

    key: str
    chapter: int
    ok: bool
    message: str
    fix: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class Gate:
    """`fingerprint` is the behaviour all of it is about."""

    ready: bool
    fingerprint: str
    items: list[Item]
    evidence: list[ports.Evidence]

    @property
    def missing(self) -> list[Item]:
        return [item for item in self.items if not item.ok]

    def as_dict(self) -> dict[str, Any]:
        """`{ready, fingerprint, items: [{key, chapter, ok, message, fix, url}]}`"""
        return {"ready": self.ready, "fingerprint": self.fingerprint, "items": [asdict(item) for item in self.items]}


@dataclass(frozen=True, slots=True)
class _Case:
    """What the checks look at."""

    workflow: Workflow
    problems: list[Problem]
    evidence: list[ports.Evidence]
    url: str


def gate(workflow: Workflow, *, by: Any = None) -> Gate:
    """Look at the draft as it is now. Raises PermissionDenied."""
    require(by, "view", workflow)
    document = document_of(workflow)
    fingerprint = checksum(plans.resolve(document))
    case = _Case(
        workflow,
        [found for found in (*plans.problems(document), *references.problems(document)) if found.severity != "warning"],
        ports.evidence(workflow, fingerprint),
        _url(workflow),
    )
    items = [check(case) for check in CHECKS]
    return Gate(all(item.ok for item in items), fingerprint, items, case.evidence)


def _url(workflow: Workflow) -> str:
    try:
        return reverse("admin:automations_workflow_change", args=[workflow.pk])
    except NoReverseMatch:  # an installation without the admin
        return ""


def _definition(case: _Case) -> Item:
    if not case.problems:
        return Item("definition", 1, True, "The definition is complete.", url=case.url)
    first, more = case.problems[0], len(case.problems) - 1
    message = f"{first.path}: {first.message}" + (f" And {more} more." if more else "")
    return Item("definition", 1, False, message, first.fix or "Complete the definition.", case.url)


def _carried(case: _Case) -> Item:
    try:
        paths = uncarried_paths(plans.plan_of_draft(case.workflow))
    except DefinitionError:
        paths = []  # what is wrong is said by the item before
    if not paths:
        return Item("carried", 4, True, "Every setting is carried out.", url=case.url)
    message = f"This installation does not carry out {', '.join(paths[:5])} yet."
    fix = "Take these settings out; a step is never performed without them."
    return Item("carried", 4, False, message, fix, case.url)


def _owner(case: _Case) -> Item:
    owner = case.workflow.owner
    if owner and owner.is_active:
        return Item("owner", 1, True, f"{owner.get_username()} owns it.", url=case.url)
    message = "Its owner's account is not active." if owner else "Nobody owns it."
    return Item("owner", 1, False, message, "Name an owner who answers for it.", case.url)


def _scenario(kind: str, wanted: str) -> Callable[[_Case], Item]:
    def check(case: _Case) -> Item:
        key = f"{kind}_scenario"
        passed = [found.name for found in case.evidence if found.kind == kind and found.passed]
        if passed:
            return Item(key, 3, True, f"Passed: {', '.join(passed[:5])}.", url=case.url)
        failed = [found.name for found in case.evidence if found.kind == kind]
        message = f"No {kind} scenario has passed for this behaviour."
        if failed:
            message = f"The {kind} scenario {failed[0]} did not pass."
        return Item(key, 3, False, message, f"Run a scenario in which {wanted}.", case.url)

    return check


def _run_as(case: _Case) -> Item:
    account = case.workflow.run_as
    if account and account.is_active:
        return Item("run_as", 4, True, f"Its actions act as {account.get_username()}.", url=case.url)
    message = "Its run-as account is not active." if account else "It has no run-as account."
    return Item("run_as", 4, False, message, "Name the account whose permissions its actions use.", case.url)


def _alerts(case: _Case) -> Item:
    named = sorted(key for key, value in (case.workflow.alerts or {}).items() if key != "notify" and value is not None)
    if named:
        return Item("alerts", 6, True, f"It alerts by {', '.join(named)}.", url=case.url)
    return Item("alerts", 6, False, "It would fail silently: there is no alert threshold.",
                "Set one, as in alerts: {failure_rate: 0.1}.", case.url)  # fmt: skip


#: In the order of the guide's chapters.
CHECKS: Iterable[Callable[[_Case], Item]] = (
    _definition,
    _carried,
    _owner,
    _scenario("positive", "an action with an effect is a candidate"),
    _scenario("negative", "no action with an effect is a candidate, or a failure takes its path"),
    _run_as,
    _alerts,
)
