"""Definitions, one noun per file; import them from here."""

from automations.models.action import Action
from automations.models.condition import Condition
from automations.models.connection import Connection
from automations.models.epoch import Epoch
from automations.models.listener import Listener
from automations.models.route_counter import RouteCounter
from automations.models.scenario import Scenario
from automations.models.subject import Subject
from automations.models.trigger import Trigger
from automations.models.version import Release, Version
from automations.models.workflow import Mode, Workflow

__all__ = [
    "Action",
    "Condition",
    "Connection",
    "Epoch",
    "Listener",
    "Mode",
    "Release",
    "RouteCounter",
    "Scenario",
    "Subject",
    "Trigger",
    "Version",
    "Workflow",
]
