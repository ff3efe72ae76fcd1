"""Agenda: one narrow row per thing that will need a worker."""

from django.db import models
from django.db.models import Q


class Agenda(models.Model):
    """A row is *asleep* (`wake_at`, or null), *ready* (`rank`), *blocked* (`blocked_by`) or *owned* (`owner`).

    Only runs/agenda.py and runs/executor write it, each by one guarded statement. A finished thing has no row.
    """

    kind = models.CharField(max_length=12)  # "run", "batch", …: which code performs it
    target = models.BigIntegerField()  # the id of the run, batch, …
    wake_at = models.DateTimeField(null=True)  # the earliest of its times; null: only a person or an event moves it
    rank = models.FloatField(null=True)  # set when ready; lower is sooner (seconds since 1970 less its head start)
    place = models.FloatField(default=0)  # the rank it had, kept while it has none
    head_start = models.FloatField(default=0)  # seconds its priority puts it ahead
    blocked_by = models.CharField(max_length=200, null=True)  # the limit that stopped it
    limit_key = models.CharField(max_length=200, null=True)  # what its limit counts by
    limit_count = models.PositiveIntegerField(null=True)  # how many of that key may hold a slot
    limit_open = models.BooleanField(default=True)  # the slot lasts from start to end; false: only while owned
    slot = models.BooleanField(default=False)  # it holds one of its limit's slots
    owner = models.BigIntegerField(null=True)  # the worker incarnation that carries it
    claim = models.BigIntegerField(default=0)  # raised by every claim: a late worker's write finds another number
    signals = models.BigIntegerField(default=0)  # raised by every wake: the release that missed one makes it ready
    strikes = models.PositiveSmallIntegerField(default=0)  # burials since the last committed outcome
    alone = models.PositiveSmallIntegerField(default=0)  # of these, how many while its worker carried nothing else

    class Meta:
        constraints = [models.UniqueConstraint(fields=["kind", "target"], name="agenda_once_per_thing")]
        indexes = [
            models.Index(fields=["rank"], condition=Q(rank__isnull=False), name="agenda_ready"),
            models.Index(fields=["wake_at"], condition=Q(wake_at__isnull=False), name="agenda_asleep"),
            models.Index(fields=["owner"], condition=Q(owner__isnull=False), name="agenda_owned"),
            models.Index(fields=["limit_key"], condition=Q(limit_key__isnull=False), name="agenda_limited"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.target}"
