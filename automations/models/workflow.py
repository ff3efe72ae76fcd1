"""Workflow: the named automation; its editable rows are the draft."""

from django.conf import settings
from django.contrib.auth.models import Group
from django.core.validators import RegexValidator
from django.db import models
from simple_history.models import HistoricalRecords

from automations.fields import JSONTextField

SLUG = RegexValidator(r"^[a-z0-9][a-z0-9-]*\Z", "Use lower-case letters, digits and hyphens, as in order-routing.")


class Mode(models.TextChoices):
    """What a workflow's triggers do (docs/definition.md)."""

    DRAFT = "draft", "Draft"  # nothing fires
    SIMULATE = "simulate", "Simulate"  # triggers run the draft, nothing outside is touched
    EXECUTE = "execute", "Execute"  # triggers run the current version


class Workflow(models.Model):
    """Owner, team, mode, run-as account, limits. Steps and rules are rows of their own that point here."""

    slug = models.SlugField(max_length=100, unique=True, validators=[SLUG])
    name = models.CharField(max_length=200, blank=True)
    description = models.TextField(blank=True)
    process = models.CharField(max_length=100, blank=True, help_text="The business process it belongs to.")
    mode = models.CharField(max_length=10, choices=Mode.choices, default=Mode.DRAFT)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="owned_workflows"
    )
    deputy = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    team = models.ForeignKey(Group, models.SET_NULL, null=True, blank=True, related_name="workflows")
    run_as = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text="The account whose permissions the actions use.",
    )
    tags = JSONTextField(default=list, blank=True)
    priority = models.PositiveSmallIntegerField(null=True, blank=True, help_text="0 to 9, 9 is most urgent.")
    timeout = models.CharField(max_length=20, blank=True, help_text="For a whole run, as in 1h.")
    concurrency = JSONTextField(null=True, blank=True)
    sla = JSONTextField(null=True, blank=True)
    retention = models.CharField(max_length=20, blank=True, help_text="How long finished runs are kept, as in 90d.")
    sensitive = JSONTextField(default=list, blank=True)
    encrypt = models.CharField(max_length=20, blank=True)
    runbook = models.TextField(blank=True, help_text="What to do when it fails.")
    alerts = JSONTextField(null=True, blank=True)
    current_version = models.ForeignKey("Version", models.PROTECT, null=True, blank=True, related_name="+")
    revision = models.PositiveIntegerField(default=1, editable=False)  # of the draft; the ETag
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, editable=False, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    history = HistoricalRecords()

    class Meta:
        ordering = ["slug"]
        permissions = [
            ("viewer", "Viewer: sees the workflow"),
            ("builder", "Builder: edits and tests it"),
            ("operator", "Operator: runs, cancels, replays"),
            ("approver", "Approver: decides its risky steps"),
            ("releaser", "Releaser: releases and lifts holds"),
            ("owner", "Owner: all of it, and grants"),
        ]

    def __str__(self) -> str:
        return self.name or self.slug
