"""Execution's screens, one file per noun; this is the table of contents."""

from runs.admin import approvals, batches, dead_letters, events, runs, workers, workflows  # noqa: F401
