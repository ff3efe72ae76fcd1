"""Run: one execution of one version for one event."""

from django.conf import settings
from django.db import models

from automations.fields import JSONTextField
from automations.models import Version, Workflow
from runs.models.event import Event
from runs.states import RunStatus


class Run(models.Model):
    """Finished states change in one way only: a dead letter's replay reopens the run (`reopened` counts it)."""

    class Mode(models.TextChoices):
        SIMULATE = "simulate", "Simulate"
        EXECUTE = "execute", "Execute"

    workflow = models.ForeignKey(Workflow, models.CASCADE, related_name="runs")
    version = models.ForeignKey(Version, models.PROTECT, related_name="runs")  # numbered, or the draft's snapshot
    event = models.ForeignKey(Event, models.PROTECT, related_name="runs")
    trigger = models.CharField(max_length=60)
    mode = models.CharField(max_length=10, choices=Mode.choices)
    status = models.CharField(max_length=10, choices=RunStatus.choices, default=RunStatus.QUEUED)
    priority = models.PositiveSmallIntegerField(default=0)
    subject_type = models.CharField(max_length=60, blank=True)
    subject_key = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    deadline = models.DateTimeField(null=True)  # the run's timeout
    cancelled_at = models.DateTimeField(null=True)  # asked for; the owner carries it out
    cancel_reason = models.CharField(max_length=500, blank=True)
    warnings = models.PositiveIntegerField(default=0)  # tolerated failures
    reopened = models.PositiveIntegerField(default=0)
    replay_of = models.ForeignKey("self", models.SET_NULL, null=True, related_name="replays")
    origin_id = models.BigIntegerField(null=True)  # the first run of a chain of replays; null: this one
    generation = models.PositiveIntegerField(default=0)  # raised only by `again: true`; part of the idempotency key
    started_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    reason = models.TextField(blank=True)
    outputs = JSONTextField(null=True)  # samples and injected failures of a simulated run, by step
    error = JSONTextField(null=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["workflow", "-id"], name="run_of_workflow"),
            models.Index(fields=["status", "-id"], name="run_by_status"),
            models.Index(
                fields=["subject_type", "subject_key"], condition=~models.Q(subject_key=""), name="run_of_subject"
            ),
            models.Index(fields=["origin_id"], condition=~models.Q(origin_id=None), name="run_of_origin"),
        ]

    def __str__(self) -> str:
        return f"run {self.pk}"

    @property
    def origin(self) -> int:
        """The run whose id the idempotency keys carry."""
        return self.origin_id or self.pk
