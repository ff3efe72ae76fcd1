"""Subject: the business object something is about, as in "order 7"."""

from django.db import models
from django.db.models.functions import Lower

from automations.fields import JSONTextField

#: Statuses, in any case, that say that nothing is left to do.
CLOSED = ("done", "closed", "resolved", "completed", "cancelled", "canceled")


class SubjectQuerySet(models.QuerySet["Subject"]):
    def open(self) -> "SubjectQuerySet":
        """Those with something left to do."""
        return self.annotate(lower_status=Lower("status")).exclude(lower_status__in=CLOSED)


class Subject(models.Model):
    """What arrived, was decided, done and not done about one object hangs together by (type, key)."""

    type = models.CharField(max_length=60)
    key = models.CharField(max_length=200)
    status = models.CharField(max_length=60, blank=True)
    assignee = models.CharField(max_length=150, blank=True)
    due_at = models.DateTimeField(null=True, blank=True)
    attributes = JSONTextField(default=dict, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = SubjectQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["type", "key"], name="subject_once")]

    def __str__(self) -> str:
        return f"{self.type} {self.key}"
