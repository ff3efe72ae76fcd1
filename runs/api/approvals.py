"""`approvals`: seen by those who may decide them, or view their workflow; decided by POST only."""

from __future__ import annotations

from typing import Any

import django_filters
from django.db.models import Q, QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from automations.api.base import CONFLICT, Api, Body, ErrorSerializer, IdFilter, ListApi, find
from automations.api.fields import Text
from runs import approvals, approvers
from runs.api.filters import Filters
from runs.models import Approval
from runs.states import ApprovalState


class DecisionSerializer(serializers.Serializer):
    by = serializers.CharField()
    decision = serializers.ChoiceField(["approved", "rejected", "asked", "answered", "delegated", "withdrawn"])
    comment = serializers.CharField(allow_blank=True)
    at = serializers.DateTimeField()
    to = serializers.CharField(required=False, help_text="To whom it was delegated.")


class ApprovalSerializer(serializers.ModelSerializer):
    workflow = serializers.IntegerField(source="workflow_id")
    workflow_slug = serializers.CharField(source="workflow.slug")
    run = serializers.IntegerField(source="run_id")
    index = serializers.SerializerMethodField(help_text="Of the item under for_each, else null.")
    input = serializers.SerializerMethodField()
    approvers = serializers.SerializerMethodField()
    decisions = serializers.SerializerMethodField()
    may_decide = serializers.SerializerMethodField(help_text="Whether you may decide it, as long as it is pending.")

    class Meta:
        model = Approval
        fields = [
            *("id", "workflow", "workflow_slug", "run", "step", "index", "state", "reason", "input", "input_hash"),
            *("approvers", "quorum", "decisions", "requested_at", "expires_at", "decided_at", "may_decide"),
        ]

    def get_index(self, approval: Approval) -> int | None:
        return None if approval.index < 0 else approval.index

    @extend_schema_field({"description": "What will be performed; null without the right to see it."})
    def get_input(self, approval: Approval) -> Any:
        return approval.input if self.context["sight"].may_see_input(approval) else None

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_approvers(self, approval: Approval) -> list[str]:
        return approval.approver_names

    @extend_schema_field(DecisionSerializer(many=True))
    def get_decisions(self, approval: Approval) -> Any:
        return approval.decisions

    def get_may_decide(self, approval: Approval) -> bool:
        return not self.context["sight"].why_not(approval)


class ApprovalFilters(Filters):
    moment = "requested_at"

    state = django_filters.MultipleChoiceFilter(choices=ApprovalState.choices)
    run = IdFilter(field_name="run_id")


class DecideBody(Body):
    comment = Text(required=False, allow_blank=True, default="", max_length=approvals.COMMENT_LIMIT)
    input_hash = Text(required=False, allow_blank=True, default="", max_length=64, help_text="Of what you have seen.")


class ApproveBody(DecideBody):
    input_hash = Text(max_length=64, help_text="Of what you have seen.")


class DelegateBody(DecideBody):
    to = Text(max_length=150, help_text="A user or group, by name.")


class ItemBody(Body):
    id = serializers.IntegerField(min_value=1, max_value=2**63 - 1)
    input_hash = Text(max_length=64)


class DecideManyBody(Body):
    decision = serializers.ChoiceField(["approve", "reject"])
    items = ItemBody(many=True)
    comment = Text(required=False, allow_blank=True, default="", max_length=approvals.COMMENT_LIMIT)


class DecidedSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    decided = serializers.BooleanField()
    state = serializers.ChoiceField(ApprovalState.choices, allow_null=True)
    message = serializers.CharField(allow_blank=True)
    errors = ErrorSerializer(many=True)  # type: ignore[assignment]


class DecidedManySerializer(serializers.Serializer):
    results = DecidedSerializer(many=True)


class Approvals(ListApi):
    serializer_class = ApprovalSerializer
    filterset_class = ApprovalFilters

    def get_queryset(self) -> QuerySet[Approval]:
        if self.described_only:
            return Approval.objects.none()
        return _approvals(self.request.user)

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "sight": approvers.Sight(self.request.user)}


class OneApproval(Api):
    @extend_schema(responses=ApprovalSerializer)
    def get(self, request: Request, id: int) -> Response:
        """Exactly what will happen. Looking decides nothing."""
        return _shown(request, _approval(request, id))


class Approve(Api):
    @extend_schema(request=ApproveBody, responses={200: ApprovalSerializer, 409: CONFLICT})
    def post(self, request: Request, id: int) -> Response:
        """Say yes to exactly this input. 409 says what has changed since it was asked for."""
        body = ApproveBody.read(request)
        return _shown(request, approvals.approve(_approval(request, id), by=request.user, **body))


class Reject(Api):
    @extend_schema(request=DecideBody, responses={200: ApprovalSerializer, 409: CONFLICT})
    def post(self, request: Request, id: int) -> Response:
        """Say no: the step is skipped, the run goes on."""
        body = DecideBody.read(request)
        return _shown(request, approvals.reject(_approval(request, id), by=request.user, **body))


class Ask(Api):
    @extend_schema(request=DecideBody, responses={200: ApprovalSerializer, 409: CONFLICT})
    def post(self, request: Request, id: int) -> Response:
        """Ask, or answer, before anybody decides."""
        body = DecideBody.read(request)
        return _shown(request, approvals.ask(_approval(request, id), by=request.user, **body))


class Delegate(Api):
    @extend_schema(request=DelegateBody, responses={200: ApprovalSerializer, 409: CONFLICT})
    def post(self, request: Request, id: int) -> Response:
        """Hand your own say to somebody else."""
        body = DelegateBody.read(request)
        return _shown(request, approvals.delegate(_approval(request, id), by=request.user, **body))


class Withdraw(Api):
    @extend_schema(request=DecideBody, responses={200: ApprovalSerializer, 409: CONFLICT})
    def post(self, request: Request, id: int) -> Response:
        """Not wanted any more: the step is skipped, the run goes on."""
        body = DecideBody.read(request)
        return _shown(request, approvals.withdraw(_approval(request, id), by=request.user, **body))


class DecideMany(Api):
    @extend_schema(request=DecideManyBody, responses=DecidedManySerializer)
    def post(self, request: Request) -> Response:
        """Decide many at once, each bound and checked by itself."""
        return Response({"results": approvals.decide_many(by=request.user, **DecideManyBody.read(request))})


def _approvals(user: Any) -> QuerySet[Approval]:
    people = ("workflow", "workflow__owner", "run")
    rows = approvers.visible_to(user).select_related(*people).prefetch_related("approvers")
    return rows.defer("run__outputs", "run__error").order_by("-pk")


def _approval(request: Request, id: int) -> Approval:
    return find(_approvals(request.user), Q(pk=id))


def _shown(request: Request, approval: Approval) -> Response:
    fresh = _approvals(request.user).get(pk=approval.pk)
    return Response(ApprovalSerializer(fresh, context={"sight": approvers.Sight(request.user)}).data)
