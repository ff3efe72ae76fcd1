"""Endpoint: an inbound webhook address."""

from django.core.exceptions import ValidationError
from django.db import models
from simple_history.models import HistoricalRecords

from automations.fields import EncryptedJSONField, JSONTextField
from automations.models.workflow import SLUG
from webhooks import signatures


def scheme_choices() -> list[tuple[str, str]]:
    return [(name, name) for name in signatures.SCHEMES]


class Endpoint(models.Model):
    """`POST /hooks/{slug}`. Up to two secrets are alive while one is being rotated; neither is ever shown."""

    slug = models.SlugField(max_length=100, unique=True, validators=[SLUG])
    name = models.CharField(max_length=200, blank=True)
    scheme = models.CharField(max_length=20, choices=scheme_choices, default="standard")
    enabled = models.BooleanField(default=True)
    options = JSONTextField(default=dict, blank=True, help_text="Window, size limit, header names (docs/webhooks.md).")
    secret = EncryptedJSONField(null=True, blank=True, editable=False)
    previous_secret = EncryptedJSONField(null=True, blank=True, editable=False)
    previous_valid_until = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    history = HistoricalRecords(excluded_fields=["secret", "previous_secret"])

    class Meta:
        ordering = ["slug"]
        permissions = [("user", "May name it in a workflow")]

    def __str__(self) -> str:
        return self.name or self.slug

    def clean(self) -> None:
        """Fail closed: an endpoint without a secret is not switched on unless it says `none` in so many words."""
        if self.enabled and self.scheme != "none" and not self.secret:
            raise ValidationError({"enabled": "Set a secret first, or choose the scheme `none` (unsigned)."})
