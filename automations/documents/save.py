"""Document → rows: all of it or nothing, in one transaction, rows updated in place so that their history goes on."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction

from automations import plans
from automations.documents import references
from automations.documents.columns import PARTS, PLAIN, taken, too_long
from automations.documents.export import document_of
from automations.documents.people import apply_people
from automations.engine.errors import DefinitionError, Problem
from automations.engine.paths import Path, read, show
from automations.history import assign, keep, remove
from automations.listeners import write_listeners
from automations.models import Epoch, Mode, Scenario, Workflow
from automations.permissions import may, may_create, require
from automations.refusals import Stale
from automations.slugs import FORM, is_slug

#: Not slugs: `workflows/import` is an address, and `workflows/7` means the number.
RESERVED = ("import", "add")


@dataclass(frozen=True, slots=True)
class Saved:
    """`not_applied` is `[{path, message}]`, `findings` what the draft still lacks."""

    workflow: Workflow
    created: bool
    not_applied: list[dict[str, str]] = field(default_factory=list)
    findings: list[Problem] = field(default_factory=list)


@transaction.atomic
def save(
    document: Any,
    *,
    by: Any,
    workflow: Workflow | None = None,
    incomplete: bool = False,
    mode_allowed: Collection[str] = (Mode.DRAFT, Mode.SIMULATE),
    lines: Mapping[Path, int] | None = None,
    revision: int | None = None,
    new: bool = False,
    reason: str = "",
) -> Saved:
    """Make the draft of `workflow` (else of the document's slug, created where it is new) say what the document says.

    `incomplete` accepts a document that lacks something. `revision` is the one the change was made on. `new` refuses
    a slug that is taken. `by` None is the system. Raises DefinitionError (all that is wrong), PermissionDenied, Stale.
    """
    target = _target(document, by, workflow)
    Epoch.advance()  # first: a change of a shared condition comes wholly before this one, or wholly after it
    created = target.pk is None
    if new and not created:
        raise _taken()
    if revision is not None and revision != target.revision:
        raise Stale()
    _refuse(_problems(document, target, lines), incomplete)
    before = {} if created else document_of(target)
    applied, forbidden = references.without_forbidden(document, before, by)
    not_applied = [{"path": show(r.path), "message": f"You may not use the {r.noun} {r.slug}."} for r in forbidden]
    not_applied += _save_workflow(target, applied, created, mode_allowed, by=by, reason=reason)
    _save_parts(target, applied, by=by, reason=reason)
    _save_conditions(target, applied.get("conditions") or {}, by=by, reason=reason)
    write_listeners(target)
    draft = document_of(target)
    return Saved(target, created, not_applied, [*plans.problems(draft), *references.problems(draft)])


@transaction.atomic
def change(workflow: Workflow, changes: Mapping[str, Any], *, by: Any, revision: int | None = None) -> Saved:
    """Replace some top-level keys of the draft's document; None takes a key out. Raises as `save` does."""
    locked = Workflow.objects.select_for_update().get(pk=workflow.pk)
    document = document_of(locked) | dict(changes)
    reason = f"changed {', '.join(changes)}"
    return save(document, by=by, workflow=locked, incomplete=True, revision=revision, reason=reason)


@transaction.atomic
def add_scenario(workflow: Workflow, scenario: Mapping[str, Any], *, by: Any) -> Scenario:
    """Add a scenario to the draft. Raises as `save` does, with paths inside the scenario."""
    locked = Workflow.objects.select_for_update().get(pk=workflow.pk)
    scenarios = [*(document_of(locked).get("scenarios") or ()), dict(scenario)]
    try:
        change(locked, {"scenarios": scenarios}, by=by)
    except DefinitionError as error:
        place = f"scenarios[{len(scenarios) - 1}]"
        own = [replace(p, path=p.path.removeprefix(place).lstrip(".")) for p in error.problems]
        raise DefinitionError(own) from None
    return locked.scenarios.get(name=scenario["name"])


def duplicate(workflow: Workflow, *, slug: str, name: str = "", by: Any) -> Saved:
    """A new draft with the same definition, owned by whoever makes it. Raises as `save` does."""
    require(by, "view", workflow)
    document = {**document_of(workflow), "workflow": slug, "name": name or f"{str(workflow)[:190]} (copy)"}
    document["mode"] = Mode.DRAFT.value
    document.pop("owner", None)
    return save(document, by=by, incomplete=True, new=True, reason=f"duplicated from {workflow.slug}")


# Checks ------------------------------------------------------------------------------------------------------------


def _problems(document: Any, target: Workflow, lines: Mapping[Path, int] | None) -> list[Problem]:
    found = plans.problems(document, lines)
    if any(problem.severity == "wrong" for problem in found):
        return found  # only a document of the right form can be compared with columns
    extra = [*_slug_problems(document["workflow"], target), *references.problems(document), *_unfit(document)]
    return found + [_with_line(problem, lines) for problem in extra]


def _refuse(problems: Iterable[Problem], incomplete: bool) -> None:
    allowed = ("warning", "incomplete") if incomplete else ("warning",)
    refused = [problem for problem in problems if problem.severity not in allowed]
    if refused:
        raise DefinitionError(refused)


def _slug_problems(slug: str, target: Workflow) -> list[Problem]:
    if target.pk and slug != target.slug:
        return [Problem("workflow", f"This is the definition of {target.slug}.", fix="Keep its slug.")]
    if not target.pk and (slug.isdigit() or slug in RESERVED):
        return [Problem("workflow", f"“{slug}” is kept for addresses.", fix="Choose another slug.")]
    if not is_slug(slug):
        return [Problem("workflow", f"“{slug[:100]}” cannot be a slug.", fix=FORM)]
    return []


def _taken() -> DefinitionError:
    return DefinitionError([Problem("workflow", "This slug is taken.", fix="Choose another one.")])


def _unfit(document: Mapping[str, Any]) -> Iterable[Problem]:
    """Texts that their columns cannot hold."""
    for name, message in too_long(Workflow, taken(Workflow, document, PLAIN)):
        yield Problem(name, message)
    for name, (model, key, columns) in PARTS.items():
        for index, part in enumerate(document.get(name) or ()):
            for column, message in too_long(model, taken(model, part, (key, *columns))):
                yield Problem(show((name, index, column)), message)


def _with_line(problem: Problem, lines: Mapping[Path, int] | None) -> Problem:
    path = read(problem.path) or ()
    line = next((lines[path[:n]] for n in range(len(path), -1, -1) if path[:n] in lines), None) if lines else None
    return replace(problem, line=line)


# Rows --------------------------------------------------------------------------------------------------------------


def _target(document: Any, by: Any, workflow: Workflow | None) -> Workflow:
    """The workflow to write, locked until the transaction ends; a new one has no id yet."""
    slug = document.get("workflow") if isinstance(document, Mapping) else None
    locked = Workflow.objects.select_for_update()
    found: Workflow | None = None
    if workflow is not None:
        found = locked.get(pk=workflow.pk)
    elif is_slug(slug):
        found = locked.filter(slug=slug).first()
    if found is None:
        if not may_create(by):
            raise PermissionDenied("You may not create workflows.")
        return Workflow(slug=str(slug), owner=by, created_by=by)
    if not may(by, "view", found):
        raise _taken()
    require(by, "edit", found)
    return found


def _save_workflow(
    workflow: Workflow, document: Mapping[str, Any], created: bool, allowed: Collection[str], *, by: Any, reason: str
) -> list[dict[str, str]]:
    people, missed = apply_people(workflow, document, by=by)
    values = {**taken(Workflow, document, PLAIN), **people}
    mode = document.get("mode") or Mode.DRAFT
    if created and mode in allowed:
        values["mode"] = mode
    elif created:
        missed.append({"path": "mode", "message": f"{mode} is reached by a release; it was created in draft."})
    assign(workflow, values)
    if not created:
        workflow.revision += 1
    try:
        with transaction.atomic():
            keep(workflow, by=by, reason=reason)
    except IntegrityError:  # somebody else took the slug a moment ago
        raise _taken() from None
    return missed


def _save_parts(workflow: Workflow, document: Mapping[str, Any], *, by: Any, reason: str) -> None:
    for name, (model, key, columns) in PARTS.items():
        parts = enumerate(document.get(name) or (), start=1)
        items = {part.get(key) or f"{name} {number}": taken(model, part, columns) for number, part in parts}
        _sync(workflow, getattr(workflow, name), key, items, by=by, reason=reason)


def _save_conditions(workflow: Workflow, trees: Mapping[str, Any], *, by: Any, reason: str) -> None:
    items = {name: {"tree": tree} for name, tree in trees.items()}
    _sync(workflow, workflow.conditions, "name", items, by=by, reason=reason)


def _sync(
    workflow: Workflow, rows: Any, key: str, items: Mapping[str, Mapping[str, Any]], *, by: Any, reason: str
) -> None:
    """Make the rows say what the items say: kept by key, changed where they differ, the rest removed."""
    existing = {getattr(row, key): row for row in rows.all()}
    for position, (name, values) in enumerate(items.items()):
        row = existing.pop(name, None) or rows.model(workflow=workflow, **{key: name})
        if assign(row, {**values, "position": position}) or row.pk is None:
            keep(row, by=by, reason=reason)
    for row in existing.values():
        remove(row, by=by, reason=reason)
