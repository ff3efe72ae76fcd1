"""Releases: the act that makes a version current in execute mode, and the way back, which is never gated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Max

from automations import plans, ports
from automations.differences import differences
from automations.documents import document_of
from automations.engine.paths import Path, read
from automations.engine.plan import behaviour, checksum
from automations.gate import Gate, Item, gate
from automations.history import keep
from automations.listeners import write_listeners
from automations.models import Epoch, Mode, Release, Version, Workflow
from automations.permissions import may, require
from automations.refusals import Conflict, GateClosed, Invalid

__all__ = [
    "Gate",
    "GateClosed",
    "Item",
    "gate",
    "release",
    "rollback",
    "set_mode",
    "unreleased_changes",
    "write_listeners",
]


@transaction.atomic
def release(workflow: Workflow, *, by: Any, note: str) -> Release:
    """Make the draft the next version, current and executed. Raises PermissionDenied, GateClosed."""
    locked = _locked(workflow)
    require(by, "release", locked)
    Epoch.advance()  # first: what the gate looks at is what is released, shared conditions included
    checked = gate(locked, by=by)
    if not checked.ready:
        raise GateClosed(checked.missing)
    version = Version.objects.create(
        workflow=locked,
        number=(locked.versions.aggregate(last=Max("number"))["last"] or 0) + 1,
        checksum=checked.fingerprint,
        document=plans.resolve(document_of(locked)),
        created_by=by,
        note=note,
    )
    evidence = {**checked.as_dict(), "scenarios": [found.as_dict() for found in checked.evidence]}
    return _make_current(locked, version, Release.Kind.RELEASE, by=by, note=note, evidence=evidence)


@transaction.atomic
def rollback(
    workflow: Workflow, *, version: int, by: Any, note: str, runs: Literal["finish", "cancel"] = "finish"
) -> Release:
    """Make an older released version current again; `runs` says what becomes of unfinished runs of the present one.

    Raises PermissionDenied, Invalid (no such version), Conflict (it is current and executed already).
    """
    locked = _locked(workflow)
    require(by, "rollback", locked)
    target = locked.versions.filter(number=version, releases__isnull=False).first()
    if target is None:
        raise Invalid.at("version", f"Version {version} was never released.")
    left = locked.current_version
    if left == target and locked.mode == Mode.EXECUTE:
        raise Conflict(f"Version {version} is the current one.")
    made = _make_current(locked, target, Release.Kind.ROLLBACK, by=by, note=note, evidence={})
    if runs == "cancel" and left is not None and left != target:
        ports.cancel_runs(locked, left, by, note or f"rolled back to version {version}")
    return made


@transaction.atomic
def set_mode(workflow: Workflow, mode: str, *, by: Any, note: str = "") -> Workflow:
    """Take the workflow back to draft or simulate; execute is reached by a release only.

    From execute this is a brake, which operators and releasers may pull; else it is the builder's.
    Raises PermissionDenied, Invalid, DefinitionError (a wrong draft cannot simulate).
    """
    locked = _locked(workflow)
    _require_mode_change(by, locked)
    if mode not in (Mode.DRAFT, Mode.SIMULATE):
        raise Invalid.at("mode", "Only draft and simulate can be set; execute is reached by a release.")
    if mode != locked.mode:
        locked.mode = mode
        Epoch.advance()
        keep(locked, by=by, reason=note or f"set to {mode}")
        write_listeners(locked)
    return locked


def _require_mode_change(by: Any, workflow: Workflow) -> None:
    verbs = ("hold", "release") if workflow.mode == Mode.EXECUTE else ("edit", "hold")
    if not any(may(by, verb, workflow) for verb in verbs):
        raise PermissionDenied("You may not change the mode of this workflow.")


def unreleased_changes(workflow: Workflow) -> list[dict[str, Any]]:
    """How the draft's behaviour differs from the current version, `[{path, before?, after?, shared?}]`.

    `shared` names the shared condition whose text has changed. Empty before a first release.
    """
    version = workflow.current_version
    if version is None:
        return []
    draft = document_of(workflow)
    resolved = plans.resolve(draft)
    if checksum(resolved) == version.checksum:
        return []
    changes = differences(behaviour(version.document), behaviour(resolved))
    return [change | _shared(read(change["path"]) or (), draft) for change in changes]


def _shared(path: Path, draft: Mapping[str, Any]) -> dict[str, str]:
    if path[:1] != ("conditions",) or len(path) < 2:
        return {}
    used = plans.used_by((draft.get("conditions") or {}).get(path[1]))
    return {"shared": used} if used else {}


def _locked(workflow: Workflow) -> Workflow:
    """Two releases at once come one after the other."""
    return Workflow.objects.select_for_update().get(pk=workflow.pk)


def _make_current(workflow: Workflow, version: Version, kind: str, *, by: Any, note: str, evidence: Any) -> Release:
    made = Release.objects.create(
        workflow=workflow,
        version=version,
        previous=workflow.current_version,
        kind=kind,
        by=by,
        note=note,
        evidence=evidence,
    )
    workflow.current_version, workflow.mode = version, Mode.EXECUTE
    keep(workflow, by=by, reason=f"{kind} of version {version.number}")
    write_listeners(workflow)
    Epoch.advance()
    return made
