"""LogEntry: what a run's log says, in order."""

from django.db import models

from automations.fields import JSONTextField
from runs.models.run import Run


class LogEntry(models.Model):
    """`{at, level, step, message, data}`; from warning up data holds cause, context and retry_policy."""

    class Level(models.TextChoices):
        DEBUG = "debug", "Debug"
        INFO = "info", "Info"
        WARNING = "warning", "Warning"
        ERROR = "error", "Error"

    run = models.ForeignKey(Run, models.CASCADE, related_name="log")
    at = models.DateTimeField()
    level = models.CharField(max_length=8, choices=Level.choices)
    step = models.CharField(max_length=60, blank=True)
    message = models.TextField()
    data = JSONTextField(null=True)

    class Meta:
        ordering = ["id"]
        verbose_name_plural = "log entries"

    def __str__(self) -> str:
        return self.message
