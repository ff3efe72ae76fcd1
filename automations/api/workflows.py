"""`workflows`, `workflows/{id}`, `workflows/{id}/duplicate`."""

from __future__ import annotations

from typing import Any

import django_filters
from django.db.models import F, QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from automations import documents, releases, workflows
from automations.api.base import CONFLICT, IF_MATCH, STALE, Api, Body, ListApi, etag, expected_revision
from automations.api.fields import AnyJSON, FindingSerializer, NotAppliedSerializer, Text
from automations.models import Mode, Workflow
from automations.permissions import require, visible_to


class WorkflowSerializer(serializers.ModelSerializer):
    """The row; its triggers, conditions, actions and scenarios are in its definition."""

    owner = serializers.CharField(source="owner.username", default=None, allow_null=True)
    deputy = serializers.CharField(source="deputy.username", default=None, allow_null=True)
    team = serializers.CharField(source="team.name", default=None, allow_null=True)
    run_as = serializers.CharField(source="run_as.username", default=None, allow_null=True)
    created_by = serializers.CharField(source="created_by.username", default=None, allow_null=True)
    tags = serializers.ListField(child=serializers.CharField())
    version = serializers.SerializerMethodField(help_text="Number of the current version, null before a release.")

    class Meta:
        model = Workflow
        fields = [
            *("id", "slug", "name", "description", "process", "mode", "owner", "deputy", "team", "run_as", "tags"),
            *("priority", "version", "revision", "created_by", "created_at", "updated_at"),
        ]

    def get_version(self, workflow: Workflow) -> int | None:
        numbers = getattr(workflow, "version_number", None)
        if numbers is not None or workflow.current_version_id is None:
            return numbers
        return workflow.versions.values_list("number", flat=True).get(pk=workflow.current_version_id)


class UnreleasedSerializer(serializers.Serializer):
    """What the draft does otherwise than the current version."""

    path = serializers.CharField()
    before = AnyJSON(required=False)
    after = AnyJSON(required=False)
    shared = serializers.CharField(required=False, help_text="The shared condition whose text has changed.")


class OneWorkflowSerializer(WorkflowSerializer):
    unreleased_changes = serializers.SerializerMethodField()

    class Meta(WorkflowSerializer.Meta):
        fields = [*WorkflowSerializer.Meta.fields, "unreleased_changes"]

    @extend_schema_field(UnreleasedSerializer(many=True))
    def get_unreleased_changes(self, workflow: Workflow) -> Any:
        return releases.unreleased_changes(workflow)


class SavedSerializer(serializers.Serializer):
    """What a write made of the draft."""

    id = serializers.IntegerField(source="workflow.id")
    slug = serializers.CharField(source="workflow.slug")
    revision = serializers.IntegerField(source="workflow.revision")
    not_applied = NotAppliedSerializer(many=True)
    findings = FindingSerializer(many=True)


class SavedWorkflowSerializer(WorkflowSerializer):
    not_applied = NotAppliedSerializer(many=True)
    findings = FindingSerializer(many=True)

    class Meta(WorkflowSerializer.Meta):
        fields = [*WorkflowSerializer.Meta.fields, "not_applied", "findings"]


class DuplicateBody(Body):
    slug = Text(max_length=100)
    name = Text(max_length=200, required=False, allow_blank=True)


class WorkflowListFilter(django_filters.FilterSet):
    mode = django_filters.ChoiceFilter(choices=Mode.choices)
    owner = django_filters.CharFilter(field_name="owner__username", help_text="A username.")
    team = django_filters.CharFilter(field_name="team__name", help_text="A group's name.")
    process = django_filters.CharFilter()
    search = django_filters.CharFilter(method="with_text", help_text="Part of its slug or name.")

    def with_text(self, queryset: QuerySet, name: str, value: str) -> QuerySet:
        return queryset.filter(slug__icontains=value) | queryset.filter(name__icontains=value)


def answer(saved: documents.Saved, status: int = 200) -> Response:
    """The workflow as it is now, what was not applied and what it lacks."""
    data = WorkflowSerializer(saved.workflow).data
    told = SavedSerializer(saved).data
    data |= {"not_applied": told["not_applied"], "findings": told["findings"]}
    return Response(data, status=status, headers=etag(saved.workflow))


class Workflows(ListApi):
    serializer_class = WorkflowSerializer
    filterset_class = WorkflowListFilter

    def get_queryset(self) -> QuerySet[Workflow]:
        if self.described_only:
            return Workflow.objects.none()
        people = ("owner", "deputy", "team", "run_as", "created_by")
        return (
            visible_to(self.request.user).select_related(*people).annotate(version_number=F("current_version__number"))
        )

    @extend_schema(request=OpenApiTypes.OBJECT, responses={201: SavedWorkflowSerializer})
    def post(self, request: Request) -> Response:
        """Create a workflow. The body is a definition document, as far as it goes; `slug` may stand for `workflow`."""
        document = _document(request)
        if "slug" in document:
            document = {"workflow": document["slug"]} | {k: v for k, v in document.items() if k != "slug"}
        saved = documents.save(document, by=request.user, incomplete=True, new=True, reason="created")
        return answer(saved, 201)


class OneWorkflow(Api):
    @extend_schema(responses=OneWorkflowSerializer)
    def get(self, request: Request, id: str) -> Response:
        workflow = self.workflow(id)
        return Response(OneWorkflowSerializer(workflow).data, headers=etag(workflow))

    @extend_schema(
        parameters=[IF_MATCH], request=OpenApiTypes.OBJECT, responses={200: SavedWorkflowSerializer, 412: STALE}
    )
    def patch(self, request: Request, id: str) -> Response:
        """Replace some top-level keys of the definition document; null takes a key out."""
        workflow, changes = self.workflow(id), _document(request)
        if "mode" in changes:
            raise ValidationError({"mode": "The mode is changed by POST mode, release and rollback."})
        return answer(documents.change(workflow, changes, by=request.user, revision=expected_revision(request)))

    @extend_schema(parameters=[IF_MATCH], responses={204: None, 409: CONFLICT, 412: STALE})
    def delete(self, request: Request, id: str) -> Response:
        """Delete a workflow that is not executed, with its versions and finished runs."""
        workflows.delete(self.workflow(id), by=request.user, revision=expected_revision(request))
        return Response(status=204)


class Duplicate(Api):
    @extend_schema(request=DuplicateBody, responses=SavedWorkflowSerializer)
    def post(self, request: Request, id: str) -> Response:
        """A draft of its own with the same definition, owned by you."""
        workflow, body = self.workflow(id), DuplicateBody.read(request)
        require(request.user, "view", workflow)
        return answer(documents.duplicate(workflow, slug=body["slug"], name=body.get("name", ""), by=request.user))


def _document(request: Request) -> dict[str, Any]:
    if not isinstance(request.data, dict):
        raise ValidationError("This must be an object.")
    return request.data
