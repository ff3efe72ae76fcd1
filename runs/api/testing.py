"""`workflows/{id}/run-test`, and the runs of scenarios."""

from __future__ import annotations

from django.db.models import Q
from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from automations.api.base import Api, Body, find
from automations.api.fields import AnyJSON, JSONObject, Text
from automations.models import Scenario
from automations.permissions import visible_to
from runs import scenarios
from runs.models import ScenarioResult
from runs.simulation import run_test


class RunTestBody(Body):
    payload = AnyJSON()
    headers = JSONObject(required=False)
    trigger = Text(required=False, max_length=60)
    version = serializers.JSONField(required=False, help_text="`draft` (default), `current`, or a number.")
    outputs = JSONObject(required=False, help_text="Samples by step, or `{error: …}`.")
    as_user = Text(required=False, max_length=150)
    reads = serializers.ChoiceField(["live"], required=False)


class TestedRunSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    url = serializers.CharField(allow_blank=True)
    status = serializers.CharField()
    mode = serializers.CharField()
    version = serializers.IntegerField(allow_null=True)
    checksum = serializers.CharField()


class TestedTriggerSerializer(serializers.Serializer):
    key = serializers.CharField()
    matched = serializers.BooleanField()
    reason = serializers.CharField(allow_blank=True)
    values = JSONObject()


class PermissionSerializer(serializers.Serializer):
    allowed = serializers.BooleanField()
    missing = serializers.ListField(child=serializers.CharField())

    def get_fields(self) -> dict[str, serializers.Field]:
        return {"as": serializers.CharField(allow_blank=True), **super().get_fields()}  # `as` cannot be an attribute


class CandidateSerializer(serializers.Serializer):
    action = serializers.CharField()
    kind = serializers.CharField()
    decision = serializers.ChoiceField(["run", "await_approval"])
    risk = serializers.CharField()
    reason = serializers.CharField(allow_blank=True)
    values = JSONObject()
    input = AnyJSON()
    idempotency_key = serializers.CharField()
    permission = PermissionSerializer()


class SkippedSerializer(serializers.Serializer):
    action = serializers.CharField()
    reason = serializers.CharField()
    values = JSONObject()


class BlockedSerializer(serializers.Serializer):
    action = serializers.CharField()
    reason = serializers.CharField()


class EffectsSerializer(serializers.Serializer):
    external_calls = serializers.IntegerField()
    rows_written = serializers.IntegerField()
    external_reads = serializers.IntegerField()


class RunTestSerializer(serializers.Serializer):
    run = TestedRunSerializer(allow_null=True)
    matched = serializers.BooleanField()
    trigger = TestedTriggerSerializer(allow_null=True)
    triggers = TestedTriggerSerializer(many=True)
    candidates = CandidateSerializer(many=True)
    skipped = SkippedSerializer(many=True)
    blocked = BlockedSerializer(many=True)
    logs = serializers.ListField(child=JSONObject())
    effects = EffectsSerializer()
    errors = serializers.ListField(child=JSONObject())  # type: ignore[assignment]


class DifferenceSerializer(serializers.Serializer):
    path = serializers.CharField()
    expected = AnyJSON()
    got = AnyJSON()


class ScenarioResultSerializer(serializers.Serializer):
    scenario = serializers.IntegerField()
    name = serializers.CharField()
    kind = serializers.ChoiceField(ScenarioResult.Kind.choices)
    passed = serializers.BooleanField()
    run = serializers.IntegerField(allow_null=True)
    differences = DifferenceSerializer(many=True)


RESULTS = inline_serializer("ScenarioResults", {"results": ScenarioResultSerializer(many=True)})


class RunTest(Api):
    @extend_schema(request=RunTestBody, responses=RunTestSerializer)
    def post(self, request: Request, id: str) -> Response:
        """What would this payload do, and why? Nothing outside is touched."""
        workflow, body = self.workflow(id), RunTestBody.read(request)
        return Response(run_test(workflow, by=request.user, **body))


class RunScenario(Api):
    @extend_schema(request=None, responses=ScenarioResultSerializer)
    def post(self, request: Request, id: int) -> Response:
        """Run one scenario against the draft."""
        mine = Scenario.objects.filter(workflow__in=visible_to(request.user)).select_related("workflow")
        return Response(scenarios.run(find(mine, Q(pk=id)), by=request.user))


class RunScenarios(Api):
    @extend_schema(request=None, responses=RESULTS)
    def post(self, request: Request, id: str) -> Response:
        """Run all scenarios of a workflow; answers when all have run."""
        return Response({"results": scenarios.run_all(self.workflow(id), by=request.user)})
