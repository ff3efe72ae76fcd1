"""ScenarioResult: the evidence one run of a scenario gave for exactly one behaviour."""

from django.db import models

from automations.fields import JSONTextField
from automations.models import Scenario
from runs.models.run import Run


class ScenarioResult(models.Model):
    """Newest per scenario and checksum counts at the gate."""

    class Kind(models.TextChoices):
        POSITIVE = "positive", "Positive"
        NEGATIVE = "negative", "Negative"

    scenario = models.ForeignKey(Scenario, models.CASCADE, related_name="results")
    checksum = models.CharField(max_length=64)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    passed = models.BooleanField()
    as_user = models.CharField(max_length=150)
    run = models.ForeignKey(Run, models.SET_NULL, null=True, related_name="+")
    differences = JSONTextField(default=list)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["scenario", "checksum"], name="result_of_scenario")]

    def __str__(self) -> str:
        return f"{self.scenario}: {'passed' if self.passed else 'failed'}"
