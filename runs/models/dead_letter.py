"""DeadLetter: a step that gave up, as a case with an owner and an end."""

from django.conf import settings
from django.db import models

from automations.fields import JSONTextField
from automations.models import Workflow
from runs.models.run import Run
from runs.states import DeadLetterState


class DeadLetter(models.Model):
    """One per step; a replay that fails again opens the same one again."""

    class Cause(models.TextChoices):
        INPUT = "input", "The input"
        RECEIVER = "receiver", "The receiver"
        DEFINITION = "definition", "The definition"
        PERMISSION = "permission", "A permission"
        LIMIT = "limit", "A limit"

    workflow = models.ForeignKey(Workflow, models.CASCADE, related_name="dead_letters")
    run = models.ForeignKey(Run, models.CASCADE, related_name="dead_letters")
    step = models.CharField(max_length=60)
    index = models.IntegerField(default=-1)
    state = models.CharField(max_length=10, choices=DeadLetterState.choices, default=DeadLetterState.OPEN)
    fingerprint = models.CharField(max_length=64)
    subject_type = models.CharField(max_length=60, blank=True)
    subject_key = models.CharField(max_length=200, blank=True)
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)
    replays = models.PositiveIntegerField(default=0)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    cause = models.CharField(max_length=12, choices=Cause.choices, blank=True)
    fixed_in = models.CharField(max_length=60, blank=True)
    note = models.TextField(blank=True)
    error = JSONTextField()

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["run", "step", "index"], name="dead_letter_once_per_step")]
        indexes = [
            models.Index(fields=["state", "-id"], name="dead_letter_by_state"),
            models.Index(fields=["fingerprint"], name="dead_letter_by_fingerprint"),
        ]

    def __str__(self) -> str:
        return f"dead letter {self.pk}"
