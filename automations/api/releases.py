"""Gate, release, rollback, mode, releases and versions."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from automations import plans, releases
from automations.api.base import CONFLICT, Api, Body, ListApi, ProblemSerializer, etag, find
from automations.api.fields import AnyJSON, JSONObject, Text
from automations.api.workflows import WorkflowSerializer
from automations.differences import differences
from automations.documents import document_of
from automations.models import Release, Version, Workflow
from automations.permissions import visible_to

CLOSED = OpenApiResponse(ProblemSerializer, "The gate is closed: `items` are what is missing.")


class GateItemSerializer(serializers.Serializer):
    key = serializers.CharField()
    chapter = serializers.IntegerField(help_text="Of the guide, 1 to 6.")
    ok = serializers.BooleanField()
    message = serializers.CharField()
    fix = serializers.CharField(allow_blank=True)
    url = serializers.CharField(allow_blank=True)


class GateSerializer(serializers.Serializer):
    ready = serializers.BooleanField()
    fingerprint = serializers.CharField(help_text="Of the behaviour all of it is about.")
    items = GateItemSerializer(many=True)


class NoteBody(Body):
    note = Text(required=False, allow_blank=True, default="", max_length=10_000)


class RollbackBody(NoteBody):
    version = serializers.IntegerField(min_value=1, help_text="Number of a released version.")
    runs = serializers.ChoiceField(
        ["finish", "cancel"], default="finish", help_text="What becomes of unfinished runs of the present version."
    )


class ModeBody(NoteBody):
    mode = serializers.ChoiceField(["draft", "simulate"])


class ReleaseSerializer(serializers.ModelSerializer):
    workflow = serializers.IntegerField(source="workflow_id")
    version = serializers.IntegerField(source="version.number")
    previous = serializers.IntegerField(source="previous.number", default=None, allow_null=True)
    by = serializers.CharField(source="by.username", default=None, allow_null=True)

    class Meta:
        model = Release
        fields = ["id", "workflow", "version", "previous", "kind", "by", "at", "note"]


class ReleaseDetailSerializer(ReleaseSerializer):
    evidence = JSONObject(help_text="The gate as it was, and the scenarios it rested on; empty for a rollback.")

    class Meta(ReleaseSerializer.Meta):
        fields = [*ReleaseSerializer.Meta.fields, "evidence"]


class VersionSerializer(serializers.ModelSerializer):
    workflow = serializers.IntegerField(source="workflow_id")
    created_by = serializers.CharField(source="created_by.username", default=None, allow_null=True)

    class Meta:
        model = Version
        fields = ["id", "workflow", "number", "checksum", "created_at", "created_by", "note"]


class VersionDetailSerializer(VersionSerializer):
    document = JSONObject()

    class Meta(VersionSerializer.Meta):
        fields = [*VersionSerializer.Meta.fields, "document"]


class ChangeSerializer(serializers.Serializer):
    path = serializers.CharField()
    before = AnyJSON(required=False)
    after = AnyJSON(required=False)


class DiffSerializer(serializers.Serializer):
    version = serializers.IntegerField(allow_null=True)
    against = serializers.CharField(help_text="Number of a version, or draft.")
    changes = ChangeSerializer(many=True)


class Gate(Api):
    @extend_schema(responses=GateSerializer)
    def get(self, request: Request, id: str) -> Response:
        """What a release of the draft still wants."""
        return Response(releases.gate(self.workflow(id), by=request.user).as_dict())


class MakeRelease(Api):
    @extend_schema(request=NoteBody, responses={200: ReleaseDetailSerializer, 409: CLOSED})
    def post(self, request: Request, id: str) -> Response:
        """Make the draft the next version, current and executed."""
        workflow, body = self.workflow(id), NoteBody.read(request)
        return _released(releases.release(workflow, by=request.user, note=body["note"]))


class Rollback(Api):
    @extend_schema(request=RollbackBody, responses={200: ReleaseDetailSerializer, 409: CONFLICT})
    def post(self, request: Request, id: str) -> Response:
        """Make an older released version current again; never gated."""
        workflow, body = self.workflow(id), RollbackBody.read(request)
        return _released(releases.rollback(workflow, by=request.user, **body))


class ChangeMode(Api):
    @extend_schema(request=ModeBody, responses=WorkflowSerializer)
    def post(self, request: Request, id: str) -> Response:
        """Take the workflow back to draft or simulate; execute is reached by a release."""
        workflow, body = self.workflow(id), ModeBody.read(request)
        changed = releases.set_mode(workflow, body["mode"], by=request.user, note=body["note"])
        return Response(WorkflowSerializer(changed).data, headers=etag(changed))


class Releases(ListApi):
    serializer_class = ReleaseSerializer

    def get_queryset(self) -> QuerySet[Release]:
        if self.described_only:
            return Release.objects.none()
        return _releases().filter(workflow=self.workflow(self.kwargs["id"])).defer("evidence")


class OneRelease(Api):
    @extend_schema(responses=ReleaseDetailSerializer)
    def get(self, request: Request, id: int) -> Response:
        """A release with the evidence it rested on."""
        mine = _releases().filter(workflow__in=visible_to(request.user))
        return Response(ReleaseDetailSerializer(find(mine, Q(pk=id))).data)


class Versions(ListApi):
    serializer_class = VersionSerializer

    def get_queryset(self) -> QuerySet[Version]:
        if self.described_only:
            return Version.objects.none()
        numbered = Version.objects.filter(workflow=self.workflow(self.kwargs["id"]), number__isnull=False)
        return numbered.select_related("created_by").defer("document")


class OneVersion(Api):
    @extend_schema(responses=VersionDetailSerializer)
    def get(self, request: Request, id: int) -> Response:
        """A version with its definition document, shared conditions written out."""
        return Response(VersionDetailSerializer(_version(request, id)).data)


class VersionDiff(Api):
    @extend_schema(
        parameters=[OpenApiParameter("against", str, required=True, description="Number of a version, or `draft`.")],
        responses=DiffSerializer,
    )
    def get(self, request: Request, id: int) -> Response:
        """What changes from `against` to this version."""
        version = _version(request, id)
        against = request.query_params.get("against", "")
        changes = differences(_other(version.workflow, against), version.document)
        return Response({"version": version.number, "against": against, "changes": changes})


def _released(made: Release) -> Response:
    return Response(ReleaseDetailSerializer(made).data)


def _releases() -> QuerySet[Release]:
    documents = ("version__document", "previous__document")
    return Release.objects.select_related("version", "previous", "by").defer(*documents)


def _version(request: Request, id: int) -> Version:
    mine = Version.objects.filter(workflow__in=visible_to(request.user)).select_related("workflow", "created_by")
    return find(mine, Q(pk=id))


def _other(workflow: Workflow, against: str) -> dict[str, Any]:
    if against == "draft":
        return plans.resolve(document_of(workflow))  # a version has the text of its shared conditions
    number = int(against) if against.isascii() and against.isdigit() and len(against) < 10 else 0
    found = workflow.versions.filter(number=number).values_list("document", flat=True).first()
    if found is None:
        raise ValidationError({"against": "Give the number of a version of this workflow, or draft."})
    return found
