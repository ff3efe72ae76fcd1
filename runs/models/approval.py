"""Approval: a decision of people, bound to the hash of one step's rendered input."""

from django.db import models
from django.db.models import Q

from automations.fields import JSONTextField
from automations.models import Workflow
from runs.models.run import Run
from runs.states import ApprovalState


class Approval(models.Model):
    """A request about one step; when what it asks about changes it is void, and another one is made."""

    workflow = models.ForeignKey(Workflow, models.CASCADE, related_name="approvals")
    run = models.ForeignKey(Run, models.CASCADE, related_name="approvals")
    step = models.CharField(max_length=60)
    index = models.IntegerField(default=-1)
    state = models.CharField(max_length=10, choices=ApprovalState.choices, default=ApprovalState.PENDING)
    input = JSONTextField()  # the rendered config, exactly as it will be performed
    input_hash = models.CharField(max_length=64)  # SHA-256 of its canonical JSON
    quorum = models.PositiveSmallIntegerField(default=1)
    policy = JSONTextField(default=dict)  # {expires, remind: seconds | null, on_expiry, escalate_to: [name]}
    decisions = JSONTextField(default=list)  # [{by, decision, comment, at, to?}]
    reason = models.TextField(blank=True)  # why it is no longer pending
    requested_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)
    notice_at = models.DateTimeField(null=True)  # when the next notice is due: the request first, then reminders
    escalated = models.BooleanField(default=False)
    decided_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["run", "step", "index"], condition=Q(state="pending"), name="approval_pending_once"
            )
        ]
        indexes = [models.Index(fields=["state", "-id"], name="approval_by_state")]

    def __str__(self) -> str:
        return f"approval {self.pk}"

    @property
    def approver_names(self) -> list[str]:
        """Users and groups who were named to decide it, in the order in which they were."""
        return [approver.name for approver in self.approvers.all()]


class Approver(models.Model):
    """A user or group, by name, who may decide this approval."""

    approval = models.ForeignKey(Approval, models.CASCADE, related_name="approvers")
    name = models.CharField(max_length=150)

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["approval", "name"], name="approver_once")]
        indexes = [models.Index(fields=["name"], name="approver_by_name")]

    def __str__(self) -> str:
        return self.name
