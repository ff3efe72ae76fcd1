"""Execution, one noun per file; import them from here."""

from runs.models.agenda import Agenda
from runs.models.approval import Approval, Approver
from runs.models.batch import Batch, BatchItem
from runs.models.dead_letter import DeadLetter
from runs.models.event import DedupeKey, Evaluation, Event
from runs.models.log import LogEntry
from runs.models.run import Run
from runs.models.scenario_result import ScenarioResult
from runs.models.step import Step
from runs.models.worker import Worker

__all__ = [
    "Agenda",
    "Approval",
    "Approver",
    "Batch",
    "BatchItem",
    "DeadLetter",
    "DedupeKey",
    "Evaluation",
    "Event",
    "LogEntry",
    "Run",
    "ScenarioResult",
    "Step",
    "Worker",
]
