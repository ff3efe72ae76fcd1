"""Connections and endpoints a document names: naming one needs the right to use it."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from automations import ports
from automations.engine.errors import Problem
from automations.engine.paths import Path, show
from automations.models import Connection, Workflow
from automations.permissions import may_use

NOUNS = ("connection", "endpoint")


@dataclass(frozen=True, slots=True)
class Reference:
    """`holder` is the list and key of the trigger or action whose config names it."""

    path: Path
    noun: str
    slug: str
    holder: tuple[str, Any]

    @property
    def place(self) -> tuple[Any, ...]:
        """The same place in any version of the document, wherever its step stands."""
        return (*self.holder, *self.path[2:], self.slug)


def references(document: Any) -> Iterator[Reference]:
    """Every connection and endpoint named by a config, a compensation's too."""
    for name in ("triggers", "actions"):
        parts = document.get(name) if isinstance(document, Mapping) else None
        for index, part in enumerate(parts if isinstance(parts, list) else ()):
            if isinstance(part, Mapping):
                yield from _in_part(part, (name, index), (name, part.get("key")))


def _in_part(part: Mapping[str, Any], path: Path, holder: tuple[str, Any]) -> Iterator[Reference]:
    config = part.get("config")
    named = config if isinstance(config, Mapping) else {}
    for noun in NOUNS:
        slug = named.get(noun)
        if isinstance(slug, str) and slug:
            yield Reference((*path, "config", noun), noun, slug, holder)
    if isinstance(part.get("compensate"), Mapping):
        yield from _in_part(part["compensate"], (*path, "compensate"), holder)


def problems(document: Any) -> list[Problem]:
    """Names that are computed (nobody's right could be checked) or lead nowhere."""
    found = list(references(document))
    slugs = {reference.slug for reference in found if reference.noun == "connection"}
    known = set(Connection.objects.filter(slug__in=slugs).values_list("slug", flat=True))
    return [problem for reference in found if (problem := _problem(reference, known))]


def _problem(reference: Reference, known: set[str]) -> Problem | None:
    path, noun, slug = show(reference.path), reference.noun, reference.slug
    if "{{" in slug:
        return Problem(path, f"The {noun} is computed, but it must be named.", fix=f"Write the {noun}'s slug.")
    if noun == "connection" and slug not in known:
        message = f"There is no connection {slug[:100]}."
        return Problem(path, message, fix="Create it under Connections.", severity="incomplete")
    return None


def without_forbidden(
    document: dict[str, Any], before: Mapping[str, Any], by: Any
) -> tuple[dict[str, Any], list[Reference]]:
    """The document without the names `by` may not use, and these; what a step named before stays."""
    kept = {reference.place for reference in references(before)}
    named = [reference for reference in references(document) if reference.place not in kept]
    forbidden = _forbidden(named, by) if by is not None else []
    if not forbidden:
        return document, []
    document = copy.deepcopy(document)
    for reference in forbidden:
        node: Any = document
        for part in reference.path[:-1]:
            node = node[part]
        del node[reference.path[-1]]
    return document, forbidden


def _forbidden(named: list[Reference], by: Any) -> list[Reference]:
    connections = Connection.objects.filter(slug__in={r.slug for r in named if r.noun == "connection"})
    usable = {("connection", row.slug): may_use(by, row) for row in connections}
    endpoints = ports.usable_endpoints({r.slug for r in named if r.noun == "endpoint"}, by)
    usable |= {("endpoint", slug): may for slug, may in endpoints.items()}
    # What does not exist is a finding, not a matter of rights.
    return [reference for reference in named if not usable.get((reference.noun, reference.slug), True)]


def naming(noun: str, slug: str) -> list[str]:
    """The slugs of the workflows whose draft or current version names this connection or endpoint."""
    from automations.documents.export import document_of

    found = []
    for workflow in Workflow.objects.select_related("current_version", "owner", "deputy", "team", "run_as"):
        documents = [document_of(workflow)]
        if workflow.current_version:
            documents.append(workflow.current_version.document)
        if any((r.noun, r.slug) == (noun, slug) for document in documents for r in references(document)):
            found.append(workflow.slug)
    return found
