"""Version and Release: what runs are pinned to, and the act that made a version current."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from automations.fields import JSONTextField
from automations.models.workflow import Workflow


class Version(models.Model):
    """An immutable definition document. Without a number it is a snapshot of a draft that was never released."""

    workflow = models.ForeignKey(Workflow, models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField(null=True)
    checksum = models.CharField(max_length=64)
    document = JSONTextField()
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    note = models.TextField(blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["workflow", "number"], name="version_number_once_per_workflow"),
            models.UniqueConstraint(
                fields=["workflow", "checksum"], condition=Q(number=None), name="snapshot_once_per_checksum"
            ),
        ]

    def __str__(self) -> str:
        return f"version {self.number}" if self.number else f"draft {self.checksum[:8]}"


class Release(models.Model):
    """One release or rollback, with the evidence it rested on. Never changed afterwards."""

    class Kind(models.TextChoices):
        RELEASE = "release", "Release"
        ROLLBACK = "rollback", "Rollback"

    workflow = models.ForeignKey(Workflow, models.CASCADE, related_name="releases")
    version = models.ForeignKey(Version, models.PROTECT, related_name="releases")
    previous = models.ForeignKey(Version, models.PROTECT, null=True, related_name="+")
    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.RELEASE)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    at = models.DateTimeField(auto_now_add=True)
    note = models.TextField(blank=True)
    evidence = JSONTextField(default=dict)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} of {self.version}"
