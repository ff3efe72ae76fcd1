"""Batch: many replays, paced, stoppable, each with its own result."""

from django.conf import settings
from django.db import models

from automations.fields import JSONTextField
from runs.models.dead_letter import DeadLetter
from runs.states import BatchState


class Batch(models.Model):
    """The dead letters are chosen once, when the batch is made; its agenda row paces them."""

    state = models.CharField(max_length=10, choices=BatchState.choices, default=BatchState.RUNNING)
    filter = JSONTextField(default=dict)
    rate = models.FloatField(null=True)  # replays per second; null: as fast as they go
    stop_after = models.PositiveIntegerField(null=True)  # failures after which it stops by itself
    forgiven = models.PositiveIntegerField(default=0)  # failures that a resume has set aside
    simulate = models.BooleanField(default=False)  # a rehearsal: simulated runs instead of reopened ones
    reason = models.TextField(blank=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "batches"

    def __str__(self) -> str:
        return f"batch {self.pk}"


class BatchItem(models.Model):
    """One dead letter of a batch."""

    class State(models.TextChoices):
        PENDING = "pending", "Pending"
        REPLAYING = "replaying", "Replaying"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"
        SKIPPED = "skipped", "Skipped"  # somebody else had replayed, resolved or discarded it by then

    batch = models.ForeignKey(Batch, models.CASCADE, related_name="items")
    dead_letter = models.ForeignKey(DeadLetter, models.CASCADE, related_name="batch_items")
    state = models.CharField(max_length=10, choices=State.choices, default=State.PENDING)
    message = models.TextField(blank=True)

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["batch", "dead_letter"], name="batch_item_once")]
        indexes = [models.Index(fields=["batch", "state"], name="batch_item_by_state")]

    def __str__(self) -> str:
        return f"{self.dead_letter} in {self.batch}"
