"""Condition: a named yes/no rule, of one workflow or shared by a team."""

from django.contrib.auth.models import Group
from django.db import models
from django.db.models import Q
from simple_history.models import HistoricalRecords

from automations.fields import JSONTextField
from automations.models.workflow import Workflow


class Condition(models.Model):
    """A tree of (field, operator, value) under all/any/none, or one CEL expression."""

    workflow = models.ForeignKey(Workflow, models.CASCADE, null=True, blank=True, related_name="conditions")
    team = models.ForeignKey(Group, models.CASCADE, null=True, blank=True, related_name="conditions")
    position = models.PositiveIntegerField(default=0)
    name = models.CharField(max_length=100)
    tree = JSONTextField(help_text='As in {"all": [{"field": "event.order.total", "operator": "gt", "value": 100}]}.')

    history = HistoricalRecords()

    class Meta:
        ordering = ["position", "id"]
        constraints = [
            models.UniqueConstraint(fields=["workflow", "name"], name="condition_name_once_per_workflow"),
            models.UniqueConstraint(
                fields=["team", "name"], condition=Q(workflow=None), name="shared_condition_name_once_per_team"
            ),
            models.CheckConstraint(
                condition=Q(workflow__isnull=False) | Q(team__isnull=False), name="condition_belongs_somewhere"
            ),
        ]

    def __str__(self) -> str:
        return self.name if self.workflow_id else f"{self.team}/{self.name}"
