"""Worker: one incarnation of a process that drains the agenda."""

from django.db import models
from django.db.models import Q

from automations.fields import JSONTextField


class Worker(models.Model):
    """The lease is the worker's: while its beat moves (or its lock is held on this host) what it owns is its own."""

    host = models.CharField(max_length=200)
    pid = models.PositiveIntegerField()
    beat = models.BigIntegerField(default=0)
    hands = models.PositiveIntegerField(default=0)  # runs in hand at the last beat
    memory = models.BigIntegerField(default=0)  # bytes resident at the last beat
    counts = JSONTextField(default=dict)  # runs it finished by status, steps that gave up ("errors"); kept for /metrics
    started_at = models.DateTimeField(auto_now_add=True)
    stopped_at = models.DateTimeField(null=True)  # it ended by itself
    buried_at = models.DateTimeField(null=True)  # another found it dead

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["id"], condition=Q(stopped_at=None, buried_at=None), name="worker_living"),
        ]

    def __str__(self) -> str:
        return f"worker {self.pk} on {self.host}"
