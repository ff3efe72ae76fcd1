"""Connection: a named outside service; actions name it, never raw secrets."""

from django.db import models
from simple_history.models import HistoricalRecords

from automations.fields import EncryptedJSONField, JSONTextField
from automations.models.workflow import SLUG


class Connection(models.Model):
    """Base URLs, credentials (write-only, encrypted), limits."""

    slug = models.SlugField(max_length=100, unique=True, validators=[SLUG])
    name = models.CharField(max_length=200, blank=True)
    base_urls = JSONTextField(default=list, help_text='As in ["https://crm.example.com/api"].')
    auth = EncryptedJSONField(null=True, blank=True, editable=False)
    timeout = models.CharField(max_length=20, blank=True, help_text="Of one call, as in 30s (the default).")
    max_concurrency = models.PositiveIntegerField(null=True, blank=True)
    rate = models.FloatField(null=True, blank=True, help_text="Calls per second.")
    allow_private = models.BooleanField(default=False, help_text="May reach addresses of private networks.")
    expires_at = models.DateTimeField(null=True, blank=True, help_text="When its credential ends.")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    history = HistoricalRecords(excluded_fields=["auth"])

    class Meta:
        ordering = ["slug"]
        permissions = [
            ("user", "May name it in a workflow"),
            ("allow_private_connection", "May let a connection reach private networks"),
        ]

    def __str__(self) -> str:
        return self.name or self.slug
