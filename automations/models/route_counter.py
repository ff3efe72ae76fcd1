"""RouteCounter: how far the turns of one assign.route step have got."""

from django.db import models

from automations.fields import JSONTextField
from automations.models.workflow import Workflow


class RouteCounter(models.Model):
    """One row per step and pool; it belongs to the workflow, so that a release does not begin the turns anew.

    Written only in the transaction that records the step (automations/actions/assign_route.py).
    """

    workflow = models.ForeignKey(Workflow, models.CASCADE, related_name="+")
    step = models.CharField(max_length=80)
    pool = models.CharField(max_length=20, blank=True)  # "" for the step's own, "rule 2" for that of a row
    state = JSONTextField(default=dict)  # engine.fairness.Counters

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workflow", "step", "pool"], name="route_counter_once")]

    def __str__(self) -> str:
        return f"turns of {self.step}" + (f", {self.pool}" if self.pool else "")
