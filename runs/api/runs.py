"""`runs`, `runs/{id}`, its logs, cancel and replay; `workflows/{id}/runs` starts one."""

from __future__ import annotations

from typing import Any

import django_filters
from django.db.models import Q, QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_field, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from automations.api.base import CONFLICT, Api, Body, IdFilter, ListApi, find
from automations.api.fields import AnyJSON, JSONObject, Text
from automations.api.sight import Sight
from automations.permissions import visible_to
from runs import dispatch, lifecycle, replay
from runs.api.errors import ErrorObjectSerializer, error_shown
from runs.api.filters import SubjectFilters
from runs.models import LogEntry, Run, Step
from runs.states import FINISHED_RUN, RunStatus, StepStatus

RUN_ID = inline_serializer("RunStarted", {"run": serializers.IntegerField()})


class SubjectSerializer(serializers.Serializer):
    type = serializers.CharField()
    key = serializers.CharField()


class RunSerializer(serializers.ModelSerializer):
    """Times RFC 3339, durations in milliseconds."""

    workflow = serializers.IntegerField(source="workflow_id")
    workflow_slug = serializers.CharField(source="workflow.slug")
    version = serializers.IntegerField(source="version.number", allow_null=True, help_text="Null: an unreleased draft.")
    checksum = serializers.CharField(source="version.checksum", help_text="Of the behaviour it is pinned to.")
    event = serializers.IntegerField(source="event_id")
    replay_of = serializers.IntegerField(source="replay_of_id", allow_null=True)
    subject = serializers.SerializerMethodField()
    duration_ms = serializers.SerializerMethodField()
    error = serializers.SerializerMethodField()

    class Meta:
        model = Run
        fields = [
            *(
                "id",
                "workflow",
                "workflow_slug",
                "version",
                "checksum",
                "mode",
                "status",
                "trigger",
                "event",
                "subject",
            ),
            *("priority", "created_at", "started_at", "finished_at", "duration_ms", "replay_of", "reopened"),
            *("warnings", "error"),
        ]

    @extend_schema_field(SubjectSerializer(allow_null=True))
    def get_subject(self, run: Run) -> dict[str, str] | None:
        return subject_of(run)

    def get_duration_ms(self, run: Run) -> int | None:
        if run.started_at is None or run.finished_at is None:
            return None
        return max(0, round((run.finished_at - run.started_at).total_seconds() * 1000))

    @extend_schema_field(ErrorObjectSerializer(allow_null=True))
    def get_error(self, run: Run) -> Any:
        return error_shown(run.error, self.context["sight"].payload(run.workflow_id, simulated=run.mode == "simulate"))


class StepSerializer(serializers.ModelSerializer):
    index = serializers.SerializerMethodField(help_text="Of the item under for_each, else null.")
    input = AnyJSON(help_text="The rendered config; null without the right to see payloads.")
    output = AnyJSON(help_text="Null without the right to see payloads.")
    values = JSONObject(allow_null=True, help_text="What its decision read.")
    error = ErrorObjectSerializer(allow_null=True)

    class Meta:
        model = Step
        fields = [
            *("action", "index", "kind", "status", "attempt", "due_at", "started_at", "finished_at", "input", "output"),
            *("values", "reason", "error"),
        ]

    def get_index(self, step: Step) -> int | None:
        return None if step.index < 0 else step.index

    def to_representation(self, step: Step) -> dict[str, Any]:
        data = super().to_representation(step)
        seen = self.context["payload"]
        if not seen:
            data |= {"input": None, "output": None, "values": None}
        return data | {"error": error_shown(step.error, seen)}


class RunDetailSerializer(RunSerializer):
    steps = StepSerializer(many=True)
    payload_visible = serializers.BooleanField(help_text="Whether inputs, outputs and values are shown to you.")

    class Meta(RunSerializer.Meta):
        fields = [*RunSerializer.Meta.fields, "payload_visible", "steps"]


class LogEntrySerializer(serializers.Serializer):
    """From warning up with cause, context and retry_policy."""

    at = serializers.DateTimeField()
    level = serializers.CharField()
    step = serializers.CharField(allow_blank=True)
    message = serializers.CharField()
    data = JSONObject()  # type: ignore[assignment]
    cause = serializers.CharField(required=False, allow_null=True)
    context = JSONObject(required=False, allow_null=True)  # type: ignore[assignment]
    retry_policy = JSONObject(required=False, allow_null=True)

    def to_representation(self, entry: LogEntry) -> dict[str, Any]:
        data = dict(entry.data or {}) if isinstance(entry.data, dict) else {}
        shown = {"at": entry.at, "level": entry.level, "step": entry.step, "message": entry.message}
        told = {name: data.pop(name, None) for name in ("cause", "context", "retry_policy")}
        if not self.context["payload"]:  # type: ignore[index]  # the metaclass takes the field of that name away
            data, told = {}, {**told, "cause": None, "context": None}
        return {**shown, "data": data, **(told if entry.level in ("warning", "error") else {})}


class RunFilters(SubjectFilters):
    mode = django_filters.ChoiceFilter(choices=Run.Mode.choices)
    status = django_filters.MultipleChoiceFilter(choices=RunStatus.choices)
    trigger = django_filters.CharFilter()
    event = IdFilter(field_name="event_id")
    fingerprint = django_filters.CharFilter(field_name="dead_letters__fingerprint", distinct=True)


class StartBody(Body):
    payload = AnyJSON(required=False)


class CancelBody(Body):
    reason = Text(required=False, allow_blank=True, default="", max_length=500)


class ReplayBody(Body):
    version = serializers.ChoiceField(["same", "current"], default="same")
    payload = AnyJSON(required=False)
    again = serializers.BooleanField(default=False, help_text="Perform keyed steps anew, under new keys.")
    simulate = serializers.BooleanField(default=False)
    reason = Text(required=False, allow_blank=True, default="", max_length=10_000)

    def get_fields(self) -> dict[str, serializers.Field]:
        start = Text(default="start", max_length=60, help_text="`start`, `failed` or a step's key.")
        return {"from": start, **super().get_fields()}  # `from` cannot be an attribute


class StartRun(Api):
    @extend_schema(request=StartBody, responses={202: RunSerializer, 409: CONFLICT})
    def post(self, request: Request, id: str) -> Response:
        """Start a run by the manual trigger."""
        workflow, body = self.workflow(id), StartBody.read(request)
        run = dispatch.start(workflow, body.get("payload", {}), by=request.user)
        shown = RunSerializer(_runs(request.user).get(pk=run.pk), context={"sight": Sight(request.user)})
        return Response({"run": run.pk, **shown.data}, status=202)


class Runs(ListApi):
    serializer_class = RunSerializer
    filterset_class = RunFilters

    def get_queryset(self) -> QuerySet[Run]:
        return Run.objects.none() if self.described_only else _runs(self.request.user)

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "sight": Sight(self.request.user)}


class OneRun(Api):
    @extend_schema(responses=RunDetailSerializer)
    def get(self, request: Request, id: int) -> Response:
        """A run with its steps, in the order of the definition."""
        run, sight = find(_runs(request.user), Q(pk=id)), Sight(request.user)
        seen = sight.payload(run.workflow_id, simulated=run.mode == Run.Mode.SIMULATE)
        context = {"sight": sight, "payload": seen}
        data = {**RunSerializer(run, context=context).data, "payload_visible": seen}
        return Response({**data, "steps": StepSerializer(_steps(run), many=True, context=context).data})


class Logs(ListApi):
    serializer_class = LogEntrySerializer

    def get_queryset(self) -> QuerySet[LogEntry]:
        if self.described_only:
            return LogEntry.objects.none()
        return LogEntry.objects.filter(run=self.run)

    @property
    def run(self) -> Run:
        return find(_runs(self.request.user), Q(pk=self.kwargs["id"]))

    def get_serializer_context(self) -> dict[str, Any]:
        if self.described_only:
            return {}
        run = self.run
        seen = Sight(self.request.user).payload(run.workflow_id, simulated=run.mode == Run.Mode.SIMULATE)
        return {**super().get_serializer_context(), "payload": seen}


class Cancel(Api):
    @extend_schema(request=CancelBody, responses={200: RunSerializer, 409: CONFLICT})
    def post(self, request: Request, id: int) -> Response:
        """Ask for the run's end; what is being performed ends first."""
        run, body = find(_runs(request.user), Q(pk=id)), CancelBody.read(request)
        cancelled = lifecycle.cancel(run, by=request.user, reason=body["reason"])
        return Response(RunSerializer(cancelled, context={"sight": Sight(request.user)}).data)


class Replay(Api):
    @extend_schema(request=ReplayBody, responses={202: RUN_ID, 409: CONFLICT})
    def post(self, request: Request, id: int) -> Response:
        """Run it again: as a new run, or, `from: failed`, as the same run reopened."""
        run, body = find(_runs(request.user), Q(pk=id)), ReplayBody.read(request)
        going_on = replay.replay(run, by=request.user, start=body.pop("from"), **body)
        return Response({"run": going_on.pk}, status=202)


def subject_of(row: Any) -> dict[str, str] | None:
    """`{type, key}` of a run, an event or a dead letter."""
    return {"type": row.subject_type, "key": row.subject_key} if row.subject_key else None


def _runs(user: Any) -> QuerySet[Run]:
    """The runs `user` may see, without what is large."""
    runs = Run.objects.select_related("workflow", "version").defer("outputs", "version__document")
    return runs if user.is_superuser else runs.filter(workflow__in=visible_to(user))


def _steps(run: Run) -> list[Step]:
    """In the definition's order; a step nothing was recorded of yet is pending."""
    actions = run.version.document.get("actions") or []
    place = {action["key"]: index for index, action in enumerate(actions)}
    recorded = list(run.steps.all())
    known = {step.action for step in recorded}
    if run.status not in FINISHED_RUN:
        missing = [action for action in actions if action["key"] not in known]
        recorded += [
            Step(run=run, action=action["key"], kind=action["kind"], status=StepStatus.PENDING) for action in missing
        ]
    return sorted(
        recorded, key=lambda step: (place.get(step.action.partition(".")[0], len(place)), step.action, step.index)
    )
