"""Event and Evaluation: what arrived, and whether (and why) each trigger fired for it."""

from django.db import models

from automations.fields import JSONTextField
from automations.models import Workflow
from runs.states import EvaluationResult


class Event(models.Model):
    """What arrived. One event may start many runs; the payload is read only where it is shown or needed."""

    type = models.CharField(max_length=200, blank=True)
    source = models.CharField(max_length=200, blank=True)  # "hooks/shop", "api", "manual"
    dedupe_key = models.CharField(max_length=300, blank=True)
    subject_type = models.CharField(max_length=60, blank=True)
    subject_key = models.CharField(max_length=200, blank=True)
    received_at = models.DateTimeField(auto_now_add=True)
    simulated = models.BooleanField(default=False)  # made by a test, not by the world
    attributes = JSONTextField(null=True)  # CloudEvents attributes
    headers = JSONTextField(null=True)  # lower-case names, secrets left out
    payload = JSONTextField(null=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"event {self.pk}"


class Evaluation(models.Model):
    """The recorded answer to: did this trigger fire for this event, and why (not)?"""

    event = models.ForeignKey(Event, models.CASCADE, related_name="evaluations")
    workflow = models.ForeignKey(Workflow, models.CASCADE, related_name="evaluations")
    trigger = models.CharField(max_length=60)
    result = models.CharField(max_length=12, choices=EvaluationResult.choices)
    reason = models.TextField(blank=True)
    values = JSONTextField(null=True)  # path -> value read
    run = models.ForeignKey("automations_runs.Run", models.SET_NULL, null=True, related_name="evaluations")
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.trigger}: {self.get_result_display()}"


class DedupeKey(models.Model):
    """An id that was seen. Kept longer than any provider redelivers (30 days), whatever happens to the event."""

    scope = models.CharField(max_length=120)  # "endpoint:4", "trigger:12:paid", "api"
    key = models.CharField(max_length=300)
    event_id = models.BigIntegerField(null=True)  # the first one's
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["scope", "key"], name="dedupe_key_once")]

    def __str__(self) -> str:
        return f"{self.scope} {self.key}"
