"""The error object of runs, steps and dead letters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from automations.api.fields import JSONObject

#: What may quote the payload or the receiver's answer.
QUOTES = ("cause", "context")


class ErrorObjectSerializer(serializers.Serializer):
    type = serializers.CharField()
    message = serializers.CharField()
    cause = serializers.CharField(allow_null=True, allow_blank=True)
    step = serializers.CharField(allow_blank=True)
    attempt = serializers.IntegerField()
    attempts = serializers.IntegerField()
    retryable = serializers.BooleanField()
    next_retry_at = serializers.DateTimeField(allow_null=True)
    retry_policy = JSONObject(allow_null=True)
    context = JSONObject(allow_null=True)  # type: ignore[assignment]
    fingerprint = serializers.CharField()
    hint = serializers.CharField(allow_blank=True)


def error_shown(error: Any, payload: bool) -> Any:
    """The error as stored; without the right to see payloads, without what may quote them."""
    if not isinstance(error, Mapping) or payload:
        return error
    return {name: None if name in QUOTES else value for name, value in error.items()}
