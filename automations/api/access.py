"""`workflows/{id}/access`."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from automations.access import access_of, set_access
from automations.api.base import Api, Body
from automations.api.fields import Text
from automations.permissions import ROLES


class AccessSerializer(Body):
    """One grant, to a user or to a group."""

    user = Text(required=False, max_length=150)
    group = Text(required=False, max_length=150)
    role = serializers.ChoiceField(ROLES)


class Access(Api):
    @extend_schema(responses=AccessSerializer(many=True))
    def get(self, request: Request, id: str) -> Response:
        """Who holds which role. The owner of the workflow holds all and is not listed."""
        return Response(access_of(self.workflow(id), by=request.user))

    @extend_schema(request=AccessSerializer(many=True), responses=AccessSerializer(many=True))
    def put(self, request: Request, id: str) -> Response:
        """Replace all grants."""
        workflow = self.workflow(id)
        entries = AccessSerializer(data=request.data, many=True)
        entries.is_valid(raise_exception=True)
        return Response(set_access(workflow, entries.validated_data, by=request.user))
