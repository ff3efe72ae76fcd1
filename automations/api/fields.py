"""Fields used by many answers."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers


@extend_schema_field({"description": "Any JSON value."})
class AnyJSON(serializers.Field):
    """A JSON value as it is; the parser has looked at it already."""

    def to_internal_value(self, data: Any) -> Any:
        return data

    def to_representation(self, value: Any) -> Any:
        return value


@extend_schema_field({"type": "object", "additionalProperties": {}})
class JSONObject(serializers.Field):
    """A JSON object."""

    default_error_messages = {"type": "This must be an object."}

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, dict):
            self.fail("type")
        return data

    def to_representation(self, value: Any) -> Any:
        return value


@extend_schema_field({"type": "string", "description": "A username."})
class Username(serializers.Field):
    """A user by name; unknown names are refused."""

    default_error_messages = {"unknown": "There is no user {name}."}

    def to_internal_value(self, data: Any) -> Any:
        user = get_user_model()._default_manager.filter(username=data).first() if isinstance(data, str) else None
        if user is None:
            self.fail("unknown", name=str(data)[:150])
        return user

    def to_representation(self, value: Any) -> str:
        return value.get_username()


class Text(serializers.CharField):
    """Text as it was sent: neither trimmed nor made from a number."""

    default_error_messages = {"type": "This must be text."}

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"trim_whitespace": False, **options})

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("type")
        return super().to_internal_value(data)


class NotAppliedSerializer(serializers.Serializer):
    path = serializers.CharField()
    message = serializers.CharField()


class FindingSerializer(serializers.Serializer):
    """What a draft still lacks."""

    path = serializers.CharField()
    message = serializers.CharField()
    fix = serializers.CharField(required=False)
    severity = serializers.CharField()
