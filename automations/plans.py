"""Plans: a definition, checked and compiled, with this installation's kinds and shared conditions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from django.db import connection
from django.db.models import Q

from automations import kinds
from automations.engine import plan as engine
from automations.engine.errors import Problem
from automations.engine.parts import Plan
from automations.engine.paths import Path
from automations.models import Condition, Version, Workflow

CACHED = 512  # plans; the largest known to us takes about a megabyte, a usual one some ten kilobytes


def plan_of(version: Version) -> Plan:
    """The plan of a version, compiled once per process. Raises DefinitionError if a kind is not known here."""
    return plan_by_id(version.pk)


def plan_by_id(version_id: int) -> Plan:
    """The plan of a version by its id; raises like `plan_of`, Version.DoesNotExist for an unknown id."""
    # An id met in a transaction that is rolled back may be given to another version: only what is committed is kept.
    return _compiled(version_id) if connection.in_atomic_block else _kept(version_id)


def _compiled(version_id: int) -> Plan:
    return compile_document(Version.objects.values_list("document", flat=True).get(pk=version_id))


_kept = lru_cache(maxsize=CACHED)(_compiled)  # versions never change, so the id alone is the key
plan_by_id.cache_clear = _kept.cache_clear  # type: ignore[attr-defined]


def plan_of_draft(workflow: Workflow) -> Plan:
    """The plan of what the rows say now. Raises DefinitionError if something in them is wrong."""
    from automations.documents import document_of

    return compile_document(resolve(document_of(workflow)))


def compile_document(document: Mapping[str, Any]) -> Plan:
    """The plan of a document whose shared conditions are resolved. Raises DefinitionError with all that is wrong."""
    return engine.parse(document, **_kinds())


def _kinds() -> dict[str, Any]:
    return {"actions": dict(kinds.actions), "triggers": dict(kinds.triggers)}


def problems(document: Any, lines: Mapping[Path, int] | None = None) -> list[Problem]:
    """All that is wrong or incomplete in a document, in its order."""
    return engine.check(document, **_kinds(), shared=shared_conditions(document), lines=lines)


def resolve(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document with the text of its shared conditions in place of `{use: team/name}`."""
    shared = shared_conditions(document)
    if not shared:
        return dict(document)
    named = {name: shared.get(used_by(tree), tree) for name, tree in document["conditions"].items()}
    return {**document, "conditions": named}


def shared_conditions(document: Any) -> dict[str, Any]:
    """`{"team/name": tree}` of the shared conditions this document uses."""
    conditions = document.get("conditions") if isinstance(document, Mapping) else None
    trees = conditions.values() if isinstance(conditions, Mapping) else ()
    wanted = {tuple(name.rsplit("/", 1)) for name in map(used_by, trees) if "/" in name}  # a team may have one too
    return {str(row): row.tree for row in _rows(wanted)} if wanted else {}


def _rows(wanted: Iterable[tuple[str, ...]]) -> Iterable[Condition]:
    matching = Q()
    for team, name in wanted:
        matching |= Q(team__name=team, name=name)
    return Condition.objects.filter(matching, workflow=None).select_related("team")


def used_by(tree: Any) -> str:
    """The `team/name` a condition uses, "" if it has a text of its own."""
    used = tree.get("use") if isinstance(tree, Mapping) else None
    return used if isinstance(used, str) else ""
