"""Snapshots: the draft as an immutable Version without a number, for tests, scenarios and simulated runs."""

from __future__ import annotations

from typing import Any

from automations.documents.export import document_of
from automations.models import Version, Workflow
from automations.plans import compile_document, resolve


def snapshot(workflow: Workflow, by: Any = None) -> Version:
    """The draft's snapshot: one per behaviour, made when first asked for. Raises DefinitionError if it is wrong."""
    document = resolve(document_of(workflow))
    version, _ = Version.objects.get_or_create(
        workflow=workflow,
        number=None,
        checksum=compile_document(document).checksum,
        defaults={"document": document, "created_by": by},
    )
    return version
