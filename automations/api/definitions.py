"""Definitions: `definition`, `import`, `rename-step`, `check`, `definition-schema`, `kinds`."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from automations import documents, plans
from automations.api.base import IF_MATCH, STALE, Api, Body, etag, expected_revision
from automations.api.fields import FindingSerializer, JSONObject, Text
from automations.api.parsers import DEFINITION_PARSERS, Written
from automations.api.renderers import DEFINITION_RENDERERS
from automations.api.workflows import SavedSerializer
from automations.documents import references
from automations.documents.schema import definition_schema
from automations.engine.errors import Problem
from automations.engine.operators import OPERATORS
from automations.kinds import ActionKind, TriggerKind, actions, triggers

IN_ALL_FORMS = {"application/json": OpenApiTypes.OBJECT, "application/yaml": OpenApiTypes.STR}
INCOMPLETE = OpenApiParameter(
    "incomplete", str, enum=["allow"], description="`allow`: settings, endpoints and connections may be missing."
)


class RenameBody(Body):
    to = Text(max_length=100)

    def get_fields(self) -> dict[str, serializers.Field]:
        return {"from": Text(max_length=100), **super().get_fields()}  # `from` cannot be an attribute


class CheckSerializer(FindingSerializer):
    rule = serializers.CharField()


class KindSerializer(serializers.Serializer):
    name = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    icon = serializers.CharField()
    schema = JSONObject(help_text="JSON Schema of its config.")


class ActionKindSerializer(KindSerializer):
    group = serializers.CharField()
    pure = serializers.BooleanField(help_text="Computed in a simulation too: it touches nothing.")
    output_schema = JSONObject(allow_null=True)


class OperatorSerializer(serializers.Serializer):
    name = serializers.CharField()
    words = serializers.CharField()
    takes = serializers.CharField(help_text="What `value` must be.")
    has_value = serializers.BooleanField()


class KindsSerializer(serializers.Serializer):
    triggers = KindSerializer(many=True)
    actions = ActionKindSerializer(many=True)
    operators = OperatorSerializer(many=True)


class Definition(Api):
    parser_classes = DEFINITION_PARSERS
    renderer_classes = DEFINITION_RENDERERS

    @extend_schema(
        responses={(200, "application/json"): OpenApiTypes.OBJECT, (200, "application/yaml"): OpenApiTypes.STR}
    )
    def get(self, request: Request, id: str) -> Response:
        """The definition document: JSON, or YAML by `Accept`."""
        workflow = self.workflow(id)
        return Response(documents.document_of(workflow), headers=etag(workflow))

    @extend_schema(parameters=[IF_MATCH], request=IN_ALL_FORMS, responses={200: SavedSerializer, 412: STALE})
    def put(self, request: Request, id: str) -> Response:
        """Replace the draft: JSON or YAML by `Content-Type`. What is wrong is refused, what is missing is a finding."""
        workflow, written = self.workflow(id), _written(request)
        saved = documents.save(
            written.document,
            by=request.user,
            workflow=workflow,
            incomplete=True,
            lines=written.lines,
            revision=expected_revision(request),
            reason="definition replaced",
        )
        return Response(SavedSerializer(saved).data, headers=etag(saved.workflow))


class Import(Api):
    parser_classes = DEFINITION_PARSERS

    @extend_schema(
        parameters=[INCOMPLETE, IF_MATCH],
        request=IN_ALL_FORMS,
        responses={200: SavedSerializer, 201: SavedSerializer, 412: STALE},
    )
    def post(self, request: Request) -> Response:
        """Create a workflow (201), or replace the draft of the one with this slug (200)."""
        incomplete = request.query_params.get("incomplete")
        if incomplete not in (None, "allow"):
            raise ValidationError({"incomplete": "Only `allow` is possible."})
        written = _written(request)
        saved = documents.save(
            written.document,
            by=request.user,
            incomplete=incomplete == "allow",
            lines=written.lines,
            revision=expected_revision(request),
            reason="imported",
        )
        headers = etag(saved.workflow)
        return Response(SavedSerializer(saved).data, status=201 if saved.created else 200, headers=headers)


class RenameStep(Api):
    @extend_schema(parameters=[IF_MATCH], request=RenameBody, responses={200: SavedSerializer, 412: STALE})
    def post(self, request: Request, id: str) -> Response:
        """Give an action another key, and change every place that reads it."""
        workflow, body = self.workflow(id), RenameBody.read(request)
        saved = documents.rename_step(
            workflow, body["from"], body["to"], by=request.user, revision=expected_revision(request)
        )
        return Response(SavedSerializer(saved).data, headers=etag(saved.workflow))


class Check(Api):
    @extend_schema(responses=CheckSerializer(many=True))
    def get(self, request: Request, id: str) -> Response:
        """What stands in the way of a release, as far as the definition goes."""
        document = documents.document_of(self.workflow(id))
        found = [*plans.problems(document), *references.problems(document)]
        return Response([_finding(problem) for problem in found])


class DefinitionSchema(Api):
    @extend_schema(responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        """JSON Schema (2020-12) of the definition document, with this installation's kinds."""
        return Response(definition_schema())


class Kinds(Api):
    @extend_schema(responses=KindsSerializer)
    def get(self, request: Request) -> Response:
        """Trigger kinds, action kinds and operators."""
        data = {
            "triggers": [_kind(kind) for kind in triggers.values()],
            "actions": [_action_kind(kind) for kind in actions.values()],
            "operators": [
                {"name": o.name, "words": o.words, "takes": o.takes, "has_value": o.has_value}
                for o in OPERATORS.values()
            ],
        }
        return Response(data)


def _finding(problem: Problem) -> dict[str, Any]:
    severity = "warning" if problem.severity == "warning" else "error"  # what is incomplete blocks a release too
    return {"rule": problem.severity, **problem.as_dict(), "severity": severity}


def _kind(kind: TriggerKind | ActionKind) -> dict[str, Any]:
    return {"name": kind.name, "label": kind.label, "icon": kind.icon, "schema": kind.schema}


def _action_kind(kind: ActionKind) -> dict[str, Any]:
    return {**_kind(kind), "group": kind.group, "pure": kind.pure, "output_schema": kind.output_schema}


def _written(request: Request) -> Written:
    # An empty body reaches no parser.
    return request.data if isinstance(request.data, Written) else Written(None, {})
