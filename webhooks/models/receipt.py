"""Receipt: one delivery to an endpoint, with its verdict, stored before it is answered."""

from django.db import models

from automations.fields import JSONTextField
from runs.models import Event
from webhooks.models.endpoint import Endpoint


class Verdict(models.TextChoices):
    """What became of a delivery (CONTRACT 1)."""

    ACCEPTED = "accepted", "Accepted"
    DUPLICATE = "duplicate", "Duplicate"
    BAD_SIGNATURE = "bad_signature", "Bad signature"
    STALE = "stale", "Stale"
    UNSIGNED = "unsigned", "Unsigned"
    TOO_LARGE = "too_large", "Too large"
    MALFORMED = "malformed", "Malformed"
    DISABLED = "disabled", "Disabled"


class Receipt(models.Model):
    """Body and headers exactly as they came (credentials masked), for every delivery, refused ones too."""

    endpoint = models.ForeignKey(Endpoint, models.SET_NULL, null=True, related_name="receipts")
    slug = models.CharField(max_length=100)  # as addressed; an unknown endpoint leaves a trace too
    verdict = models.CharField(max_length=14, choices=Verdict.choices)
    reason = models.TextField(blank=True)
    dedupe_id = models.CharField(max_length=300, blank=True)
    matched_secret = models.PositiveSmallIntegerField(null=True)  # 0 the current, 1 the previous
    event = models.ForeignKey(Event, models.SET_NULL, null=True, related_name="receipts")
    received_at = models.DateTimeField(auto_now_add=True)
    remote = models.CharField(max_length=60, blank=True)
    size = models.PositiveIntegerField(default=0)  # bytes of the body
    headers = JSONTextField(default=dict)
    body = models.BinaryField(default=b"")

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"receipt {self.pk}"
