"""`events` and `evaluations`: what arrived, and whether and why each trigger fired."""

from __future__ import annotations

from typing import Any

import django_filters
from django.db.models import Exists, OuterRef, Q, QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field, inline_serializer
from rest_framework import serializers
from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response

from automations.api.base import Api, IdFilter, ListApi, find
from automations.api.fields import AnyJSON, JSONObject
from automations.api.parsers import StrictJSONParser, read_body
from automations.api.sight import Sight
from automations.permissions import workflow_ids
from runs import cloudevents
from runs.api.filters import Filters, SubjectFilters
from runs.api.runs import SubjectSerializer, subject_of
from runs.models import Evaluation, Event, Run
from runs.states import EvaluationResult

ACCEPTED = inline_serializer(
    "EventAccepted",
    {
        "event": serializers.IntegerField(required=False),
        "runs": serializers.ListField(child=serializers.IntegerField(), required=False),
        "duplicate": serializers.BooleanField(required=False),
        "events": serializers.ListField(
            child=JSONObject(), required=False, help_text="Of a batch: one such answer each."
        ),
    },
)


class EventSerializer(serializers.ModelSerializer):
    subject = serializers.SerializerMethodField()

    class Meta:
        model = Event
        fields = ["id", "type", "source", "dedupe_key", "subject", "received_at", "simulated"]

    @extend_schema_field(SubjectSerializer(allow_null=True))
    def get_subject(self, event: Event) -> dict[str, str] | None:
        return subject_of(event)


class EvaluationSerializer(serializers.ModelSerializer):
    event = serializers.IntegerField(source="event_id")
    workflow = serializers.IntegerField(source="workflow_id")
    workflow_slug = serializers.CharField(source="workflow.slug")
    run = serializers.IntegerField(source="run_id", allow_null=True)
    values = serializers.SerializerMethodField(
        help_text="What was read, by path; null without the right to see payloads."
    )

    class Meta:
        model = Evaluation
        fields = ["id", "event", "workflow", "workflow_slug", "trigger", "result", "reason", "values", "run", "at"]

    def get_values(self, evaluation: Evaluation) -> dict[str, Any] | None:
        return evaluation.values if self.context["sight"].payload(evaluation.workflow_id) else None


class EventDetailSerializer(EventSerializer):
    attributes = JSONObject(allow_null=True, help_text="Of a CloudEvent.")
    headers = JSONObject(allow_null=True)
    payload = AnyJSON(help_text="Null without the right to see it.")
    payload_visible = serializers.BooleanField()
    runs = serializers.ListField(child=serializers.IntegerField())
    evaluations = EvaluationSerializer(many=True)

    class Meta(EventSerializer.Meta):
        fields = [
            *EventSerializer.Meta.fields,
            *("attributes", "headers", "payload", "payload_visible", "runs", "evaluations"),
        ]


class EventFilters(SubjectFilters):
    moment = "received_at"

    type = django_filters.CharFilter()
    source = django_filters.CharFilter()

    def of_workflow(self, queryset: QuerySet, name: str, value: str) -> QuerySet:
        from automations.api.base import by_id_or_slug

        return queryset.filter(_concerns(by_id_or_slug(value, "workflow__")))


class EvaluationFilters(Filters):
    moment = "at"

    event = IdFilter(field_name="event_id")
    trigger = django_filters.CharFilter()
    result = django_filters.ChoiceFilter(choices=EvaluationResult.choices)


class RawParser(BaseParser):
    """The body as it is; what it means depends on headers too (CloudEvents, binary mode)."""

    media_type = "*/*"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        return read_body(stream, parser_context)


class Events(ListApi):
    serializer_class = EventSerializer
    filterset_class = EventFilters

    def get_parsers(self) -> list[BaseParser]:
        return [StrictJSONParser()] if self.described_only else [RawParser()]

    def get_queryset(self) -> QuerySet[Event]:
        if self.described_only:
            return Event.objects.none()
        return _events(self.request.user).defer("payload", "headers", "attributes")

    @extend_schema(
        request={
            "application/json": inline_serializer(
                "PlainEvent",
                {
                    "type": serializers.CharField(),
                    "payload": AnyJSON(required=False),
                    "dedupe_key": serializers.CharField(required=False),
                },
            ),
            "application/cloudevents+json": OpenApiTypes.OBJECT,
            "application/cloudevents-batch+json": inline_serializer("EventBatch", {"": JSONObject()}, many=True),
        },
        responses={202: ACCEPTED},
    )
    def post(self, request: Request) -> Response:
        """Accept events: CloudEvents 1.0 (structured, binary or batch), or `{type, payload, dedupe_key}`."""
        body = request.data if isinstance(request.data, bytes) else b""
        try:
            answers = cloudevents.accept(request.content_type or "", request.headers, body, by=request.user)
        except cloudevents.NotUnderstood as error:
            raise UnsupportedMediaType(request.content_type, error.message) from None
        told = [{"event": one.event_id, "runs": one.runs, "duplicate": one.duplicate} for one in answers]
        batch = cloudevents.is_batch(request.content_type or "")
        return Response({"events": told} if batch else told[0], status=202)


class OneEvent(Api):
    @extend_schema(responses=EventDetailSerializer)
    def get(self, request: Request, id: int) -> Response:
        """An event, the triggers that were asked, and the runs it started."""
        event, sight = find(_events(request.user), Q(pk=id)), Sight(request.user)
        mine = workflow_ids(request.user)
        seen = Q() if mine is None else Q(workflow__in=mine)
        evaluations = list(event.evaluations.filter(seen).select_related("workflow"))
        runs = list(event.runs.filter(seen).values_list("pk", "workflow_id"))
        concerned = {row.workflow_id for row in evaluations} | {workflow for _, workflow in runs}
        visible = request.user.is_superuser or sight.any_payload(concerned, simulated=event.simulated)
        told = {name: getattr(event, name) if visible else None for name in ("attributes", "headers", "payload")}
        return Response(
            {
                **EventSerializer(event).data,
                **told,
                "payload_visible": visible,
                "runs": [pk for pk, _ in runs],
                "evaluations": EvaluationSerializer(evaluations, many=True, context={"sight": sight}).data,
            }
        )


class Evaluations(ListApi):
    serializer_class = EvaluationSerializer
    filterset_class = EvaluationFilters

    def get_queryset(self) -> QuerySet[Evaluation]:
        if self.described_only:
            return Evaluation.objects.none()
        mine = workflow_ids(self.request.user)
        found = Evaluation.objects.select_related("workflow")
        return found if mine is None else found.filter(workflow__in=mine)

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "sight": Sight(self.request.user)}


def _events(user: Any) -> QuerySet[Event]:
    """The events that concern a workflow `user` may see."""
    mine = workflow_ids(user)
    return Event.objects.all() if mine is None else Event.objects.filter(_concerns(Q(workflow__in=mine)))


def _concerns(*conditions: Q) -> Q:
    asked = Exists(Evaluation.objects.filter(*conditions, event=OuterRef("pk")))
    return Q(asked) | Q(Exists(Run.objects.filter(*conditions, event=OuterRef("pk"))))
