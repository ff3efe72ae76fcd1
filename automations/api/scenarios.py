"""`workflows/{id}/scenarios`."""

from __future__ import annotations

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from automations import documents
from automations.api.base import Body, ListApi
from automations.api.fields import AnyJSON, JSONObject, Text
from automations.models import Scenario


class ScenarioSerializer(serializers.ModelSerializer):
    workflow = serializers.IntegerField(source="workflow_id")
    payload = AnyJSON()
    headers = JSONObject(allow_null=True)
    outputs = JSONObject(allow_null=True)
    expect = JSONObject()

    class Meta:
        model = Scenario
        fields = ["id", "workflow", "name", "trigger", "payload", "headers", "as_user", "outputs", "expect"]


class ScenarioBody(Body):
    """As in a definition document."""

    name = Text(max_length=200)
    trigger = Text(max_length=60, required=False)
    payload = AnyJSON(required=False)
    headers = JSONObject(required=False)
    as_user = Text(max_length=150, required=False)
    outputs = JSONObject(required=False)
    expect = JSONObject(required=False)


class Scenarios(ListApi):
    serializer_class = ScenarioSerializer

    def get_queryset(self) -> QuerySet[Scenario]:
        if self.described_only:
            return Scenario.objects.none()
        return Scenario.objects.filter(workflow=self.workflow(self.kwargs["id"]))

    @extend_schema(request=ScenarioBody, responses={201: ScenarioSerializer})
    def post(self, request: Request, id: str) -> Response:
        """Add a scenario to the draft."""
        scenario = documents.add_scenario(self.workflow(id), ScenarioBody.read(request), by=request.user)
        return Response(ScenarioSerializer(scenario).data, status=201)
