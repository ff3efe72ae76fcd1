"""Health, readiness and metrics, outside /api."""

from django.urls import path

from runs.health import healthz, readyz
from runs.metrics import metrics

urlpatterns = [
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
    path("metrics", metrics, name="metrics"),
]
