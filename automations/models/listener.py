"""Listener: which version of which workflow listens to what, written when a mode, a draft or a release changes."""

from django.db import models

from automations.models.version import Version
from automations.models.workflow import Workflow


class Listener(models.Model):
    """The door finds by `route` ("hooks/shop", "event:sla.breached") whom to ask, without reading definitions."""

    route = models.CharField(max_length=300, db_index=True)
    workflow = models.ForeignKey(Workflow, models.CASCADE, related_name="listeners")
    version = models.ForeignKey(Version, models.CASCADE, related_name="+")
    execute = models.BooleanField()  # else what it starts is simulated

    class Meta:
        constraints = [models.UniqueConstraint(fields=["route", "workflow"], name="listener_once_per_route")]

    def __str__(self) -> str:
        return f"{self.workflow} on {self.route}"
