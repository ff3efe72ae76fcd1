"""`endpoints`, `endpoints/{slug}`, `endpoints/{slug}/rotate`."""

from __future__ import annotations

from django.db.models import Q, QuerySet
from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from automations.api.base import CONFLICT, Api, Body, ListApi, find
from automations.api.fields import JSONObject, Text
from automations.permissions import listed_for, require_manage
from webhooks import endpoints, signatures
from webhooks.models import Endpoint

ROTATED = inline_serializer(
    "SecretRotated",
    {
        "secret": serializers.CharField(help_text="Shown this once."),
        "previous_valid_until": serializers.DateTimeField(help_text="Until then the old one is accepted too."),
    },
)


class EndpointSerializer(serializers.ModelSerializer):
    """`POST /hooks/{slug}`; the secret goes in and never comes out."""

    options = JSONObject()
    has_secret = serializers.SerializerMethodField()

    class Meta:
        model = Endpoint
        fields = [
            *("slug", "name", "scheme", "enabled", "options", "has_secret", "previous_valid_until"),
            *("created_at", "updated_at"),
        ]

    def get_has_secret(self, endpoint: Endpoint) -> bool:
        return bool(endpoint.secret)


class NewEndpointSerializer(EndpointSerializer):
    secret = serializers.CharField(required=False, help_text="Only here, and only if the product made it.")

    class Meta(EndpointSerializer.Meta):
        fields = [*EndpointSerializer.Meta.fields, "secret"]


class EndpointChanges(Body):
    name = Text(required=False, allow_blank=True, max_length=200)
    scheme = serializers.ChoiceField(list(signatures.SCHEMES), required=False)
    secret = Text(required=False, write_only=True, max_length=1000)
    enabled = serializers.BooleanField(required=False)
    options = JSONObject(required=False, help_text="Of the scheme; `max_bytes` of any.")


class EndpointBody(EndpointChanges):
    slug = Text(max_length=100)


class Endpoints(ListApi):
    serializer_class = EndpointSerializer

    def get_queryset(self) -> QuerySet[Endpoint]:
        return Endpoint.objects.none() if self.described_only else listed_for(self.request.user, Endpoint)

    @extend_schema(request=EndpointBody, responses={201: NewEndpointSerializer})
    def post(self, request: Request) -> Response:
        """Make an endpoint. Without a `secret` one is made and shown this once; you may name and change it."""
        require_manage(request.user, "add", Endpoint)
        endpoint, secret = endpoints.create(by=request.user, **EndpointBody.read(request))
        data = EndpointSerializer(endpoint).data
        return Response(data | ({"secret": secret} if secret else {}), status=201)


class OneEndpoint(Api):
    @extend_schema(responses=EndpointSerializer)
    def get(self, request: Request, slug: str) -> Response:
        return Response(EndpointSerializer(_endpoint(request, slug)).data)

    @extend_schema(request=EndpointChanges, responses=EndpointSerializer)
    def patch(self, request: Request, slug: str) -> Response:
        """Change an endpoint; a `secret` replaces the old one at once."""
        endpoint, changes = _endpoint(request, slug), EndpointChanges.read(request)
        return Response(EndpointSerializer(endpoints.update(endpoint, by=request.user, **changes)).data)

    @extend_schema(responses={204: None, 409: CONFLICT})
    def delete(self, request: Request, slug: str) -> Response:
        """Delete an endpoint no workflow names; its receipts stay."""
        endpoints.delete(_endpoint(request, slug), by=request.user)
        return Response(status=204)


class Rotate(Api):
    @extend_schema(request=None, responses={200: ROTATED, 409: CONFLICT})
    def post(self, request: Request, slug: str) -> Response:
        """Make a new secret; both are accepted until the old one ends."""
        secret, until = endpoints.rotate(_endpoint(request, slug), by=request.user)
        return Response({"secret": secret, "previous_valid_until": until})


def _endpoint(request: Request, slug: str) -> Endpoint:
    return find(listed_for(request.user, Endpoint), Q(slug=slug))
