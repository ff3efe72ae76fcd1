"""Rows ↔ definition document (docs/definition.md): the only bridge between the draft and its written form."""

from automations.documents.export import document_of
from automations.documents.rename import rename_step
from automations.documents.save import Saved, add_scenario, change, duplicate, save
from automations.documents.snapshots import snapshot
from automations.documents.text import read_text, write_text

__all__ = [
    "Saved",
    "add_scenario",
    "change",
    "document_of",
    "duplicate",
    "read_text",
    "rename_step",
    "save",
    "snapshot",
    "write_text",
]
