"""Health, readiness and metrics, outside /api."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
