"""Scenario: a saved payload with the expected outcome, run in simulate mode."""

from django.db import models
from simple_history.models import HistoricalRecords

from automations.fields import JSONTextField
from automations.models.workflow import Workflow


class Scenario(models.Model):
    """Positive: an action with an effect is a candidate. Negative: none is, or an injected failure took its path."""

    workflow = models.ForeignKey(Workflow, models.CASCADE, related_name="scenarios")
    position = models.PositiveIntegerField(default=0)
    name = models.CharField(max_length=200)
    trigger = models.CharField(max_length=60, blank=True)
    payload = JSONTextField(default=dict, blank=True)
    headers = JSONTextField(null=True, blank=True)
    as_user = models.CharField(max_length=150, blank=True, help_text="Empty: the built-in account `probe`.")
    outputs = JSONTextField(null=True, blank=True, help_text="Samples and injected failures by step.")
    expect = JSONTextField(default=dict, blank=True)

    history = HistoricalRecords()

    class Meta:
        ordering = ["position", "id"]
        constraints = [models.UniqueConstraint(fields=["workflow", "name"], name="scenario_name_once_per_workflow")]

    def __str__(self) -> str:
        return self.name
