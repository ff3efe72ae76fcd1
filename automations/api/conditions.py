"""`conditions`: the shared ones."""

from __future__ import annotations

from django.db.models import Q, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from automations import shared_conditions
from automations.api.base import CONFLICT, Api, Body, ListApi, find
from automations.api.fields import AnyJSON, JSONObject, Text
from automations.models import Condition


class ConditionSerializer(serializers.ModelSerializer):
    """A workflow uses it by `{use: team/name}`."""

    team = serializers.CharField(source="team.name")
    tree = JSONObject()

    class Meta:
        model = Condition
        fields = ["id", "team", "name", "tree"]


class ConditionBody(Body):
    team = Text(max_length=150)
    name = Text(max_length=100)
    tree = AnyJSON()


class TreeBody(Body):
    tree = AnyJSON()


class UserSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    slug = serializers.CharField()
    name = serializers.CharField()


class Conditions(ListApi):
    serializer_class = ConditionSerializer

    def get_queryset(self) -> QuerySet[Condition]:
        return Condition.objects.none() if self.described_only else shared_conditions.listed(self.request.user)

    @extend_schema(request=ConditionBody, responses={201: ConditionSerializer})
    def post(self, request: Request) -> Response:
        """Share a condition in the name of a team you belong to."""
        condition = shared_conditions.create(by=request.user, **ConditionBody.read(request))
        return Response(ConditionSerializer(condition).data, status=201)


class OneCondition(Api):
    @extend_schema(responses=ConditionSerializer)
    def get(self, request: Request, id: int) -> Response:
        return Response(ConditionSerializer(_condition(request, id)).data)

    @extend_schema(request=TreeBody, responses=ConditionSerializer)
    def patch(self, request: Request, id: int) -> Response:
        """Change the rule: drafts that use it follow at once, released versions keep their text."""
        condition, body = _condition(request, id), TreeBody.read(request)
        return Response(ConditionSerializer(shared_conditions.update(condition, body["tree"], by=request.user)).data)

    @extend_schema(responses={204: None, 409: CONFLICT})
    def delete(self, request: Request, id: int) -> Response:
        """Delete a condition that no draft uses."""
        shared_conditions.delete(_condition(request, id), by=request.user)
        return Response(status=204)


class UsedBy(Api):
    @extend_schema(responses=UserSerializer(many=True))
    def get(self, request: Request, id: int) -> Response:
        """The workflows you may see whose drafts use it."""
        found = shared_conditions.using(_condition(request, id), by=request.user)
        return Response([{"id": row.pk, "slug": row.slug, "name": row.name} for row in found])


def _condition(request: Request, id: int) -> Condition:
    return find(shared_conditions.listed(request.user), Q(pk=id))
