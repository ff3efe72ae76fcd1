"""Action: one node of a workflow's graph."""

from django.db import models
from simple_history.models import HistoricalRecords

from automations.fields import JSONTextField
from automations.models.workflow import Workflow


class Action(models.Model):
    """Kind and config, what it needs, when it is performed, and what happens when it fails.

    A field left empty is absent from the definition document; its default is the document's.
    """

    workflow = models.ForeignKey(Workflow, models.CASCADE, related_name="actions")
    position = models.PositiveIntegerField(default=0)
    key = models.CharField(max_length=60)
    kind = models.CharField(max_length=60)
    config = JSONTextField(default=dict, blank=True)
    needs = JSONTextField(default=list, blank=True, help_text="Keys of the actions that come before.")
    join = JSONTextField(null=True, blank=True, help_text='"all" (default), "any", or how many.')
    after_skip = models.CharField(max_length=10, blank=True, choices=[("run", "run anyway")])
    when = JSONTextField(null=True, blank=True, help_text="A condition's name, `not NAME`, or a tree.")
    on_unknown = models.CharField(max_length=10, blank=True, choices=[("fail", "fail"), ("skip", "skip")])
    for_each = models.CharField(max_length=1000, blank=True)
    parallel = models.PositiveIntegerField(null=True, blank=True)
    repeat = JSONTextField(null=True, blank=True)
    retry = JSONTextField(null=True, blank=True, help_text='As in {"attempts": 5, "delay": "2s"}.')
    timeout = models.CharField(max_length=20, blank=True)
    valid_for = models.CharField(max_length=20, blank=True)
    patience = models.CharField(max_length=20, blank=True)
    approval = JSONTextField(null=True, blank=True)
    risk = models.CharField(
        max_length=20, blank=True, choices=[(r, r) for r in ("none", "read", "reversible", "irreversible", "money")]
    )
    safety = models.CharField(max_length=10, blank=True, choices=[(s, s) for s in ("safe", "keyed", "unsafe")])
    cap = JSONTextField(null=True, blank=True)
    owner = models.CharField(max_length=150, blank=True, help_text="Who owns this piece of the process.")
    replaces = JSONTextField(null=True, blank=True, help_text="The manual work this removes.")
    if_it_fails = models.TextField(blank=True)
    on_failure = models.CharField(
        max_length=12, blank=True, choices=[("stop", "stop"), ("continue", "continue"), ("compensate", "compensate")]
    )
    compensate = JSONTextField(null=True, blank=True)

    history = HistoricalRecords()

    class Meta:
        ordering = ["position", "id"]
        constraints = [models.UniqueConstraint(fields=["workflow", "key"], name="action_key_once_per_workflow")]

    def __str__(self) -> str:
        return f"{self.key} ({self.kind})"
