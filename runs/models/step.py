"""Step: one action within one run. A step has a row from its first recorded moment on; before that it is pending."""

from django.db import models

from automations.fields import JSONTextField
from runs.models.run import Run
from runs.states import StepStatus


class Step(models.Model):
    """`index` is the item's under `for_each`, else -1 (no null: the unique constraint must see it)."""

    run = models.ForeignKey(Run, models.CASCADE, related_name="steps")
    action = models.CharField(max_length=60)
    index = models.IntegerField(default=-1)
    kind = models.CharField(max_length=60)
    status = models.CharField(max_length=20, choices=StepStatus.choices, default=StepStatus.PENDING)
    attempt = models.PositiveIntegerField(default=0)
    due_at = models.DateTimeField(null=True)  # next attempt, end of a wait
    ready_at = models.DateTimeField(null=True)  # when it could first be performed: its `now`
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    not_reached = models.BooleanField(default=False)  # skipped because of a failure; pending again when reopened
    reason = models.TextField(blank=True)
    values = JSONTextField(null=True)  # path -> value its decision read
    error = JSONTextField(null=True)
    input = JSONTextField(null=True)  # the rendered config, as sent
    output = JSONTextField(null=True)

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["run", "action", "index"], name="step_once_per_run")]

    def __str__(self) -> str:
        return f"step {self.action} of run {self.run_id}"
