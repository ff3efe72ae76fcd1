"""Trigger: what starts a workflow."""

from django.db import models
from simple_history.models import HistoricalRecords

from automations.fields import JSONTextField
from automations.models.workflow import Workflow


class Trigger(models.Model):
    """Kind, config, filter, dedupe key, subject and payload contract (CONTRACT: definition document)."""

    workflow = models.ForeignKey(Workflow, models.CASCADE, related_name="triggers")
    position = models.PositiveIntegerField(default=0)
    key = models.CharField(max_length=60)
    kind = models.CharField(max_length=60)
    config = JSONTextField(default=dict, blank=True)
    filter = JSONTextField(null=True, blank=True, help_text="An expression, a condition's name, or a condition tree.")
    dedupe = models.CharField(max_length=1000, blank=True, help_text="An expression; the same value starts one run.")
    subject = JSONTextField(null=True, blank=True, help_text='As in {"type": "order", "key": "event.order.id"}.')
    contract = JSONTextField(null=True, blank=True, help_text="JSON Schema of the payload.")
    debounce = models.CharField(max_length=20, blank=True)
    throttle = JSONTextField(null=True, blank=True)

    history = HistoricalRecords()

    class Meta:
        ordering = ["position", "id"]
        constraints = [models.UniqueConstraint(fields=["workflow", "key"], name="trigger_key_once_per_workflow")]

    def __str__(self) -> str:
        return f"{self.key} ({self.kind})"
