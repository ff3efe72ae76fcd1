"""`connections`, `connections/{slug}`."""

from __future__ import annotations

from django.db.models import Q, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from automations import connections
from automations.api.base import CONFLICT, Api, Body, ListApi, find
from automations.api.fields import JSONObject, Text
from automations.models import Connection
from automations.permissions import listed_for, require_manage


class ConnectionSerializer(serializers.ModelSerializer):
    """`auth` goes in and never comes out."""

    base_urls = serializers.ListField(child=serializers.CharField())

    class Meta:
        model = Connection
        fields = [
            *("slug", "name", "base_urls", "timeout", "max_concurrency", "rate", "allow_private", "expires_at"),
            *("created_at", "updated_at"),
        ]


class ConnectionChanges(Body):
    name = Text(required=False, allow_blank=True, max_length=200)
    base_urls = serializers.ListField(child=Text(max_length=2_000), required=False, min_length=1, max_length=50)
    auth = JSONObject(
        required=False, allow_null=True, write_only=True, help_text="`{type: none|basic|bearer|header|query, …}`"
    )
    timeout = Text(required=False, allow_blank=True, max_length=20)
    max_concurrency = serializers.IntegerField(required=False, allow_null=True, min_value=1, max_value=100_000)
    rate = serializers.FloatField(required=False, allow_null=True, max_value=1e9, help_text="Calls per second.")
    allow_private = serializers.BooleanField(required=False)
    expires_at = serializers.DateTimeField(required=False, allow_null=True)


class ConnectionBody(ConnectionChanges):
    slug = Text(max_length=100)
    base_urls = serializers.ListField(child=Text(max_length=2_000), min_length=1, max_length=50)


class Connections(ListApi):
    serializer_class = ConnectionSerializer

    def get_queryset(self) -> QuerySet[Connection]:
        if self.described_only:
            return Connection.objects.none()
        return listed_for(self.request.user, Connection).defer("auth")

    @extend_schema(request=ConnectionBody, responses={201: ConnectionSerializer})
    def post(self, request: Request) -> Response:
        """Make a connection; you may name and change it."""
        require_manage(request.user, "add", Connection)
        connection = connections.create(by=request.user, **ConnectionBody.read(request))
        return Response(ConnectionSerializer(connection).data, status=201)


class OneConnection(Api):
    def connection(self, slug: str) -> Connection:
        return find(listed_for(self.request.user, Connection).defer("auth"), Q(slug=slug))

    @extend_schema(responses=ConnectionSerializer)
    def get(self, request: Request, slug: str) -> Response:
        return Response(ConnectionSerializer(self.connection(slug)).data)

    @extend_schema(request=ConnectionChanges, responses=ConnectionSerializer)
    def patch(self, request: Request, slug: str) -> Response:
        """Change a connection; `auth` replaces the credential as a whole."""
        connection, changes = self.connection(slug), ConnectionChanges.read(request)
        return Response(ConnectionSerializer(connections.update(connection, by=request.user, **changes)).data)

    @extend_schema(responses={204: None, 409: CONFLICT})
    def delete(self, request: Request, slug: str) -> Response:
        """Delete a connection no workflow names."""
        connections.delete(self.connection(slug), by=request.user)
        return Response(status=204)
