"""`dead-letters` and `batches`."""

from __future__ import annotations

from typing import Any

import django_filters
from django.db.models import Q, QuerySet
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_field, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from automations.api.base import CONFLICT, Api, Body, IdFilter, ListApi, find
from automations.api.fields import AnyJSON, JSONObject, Text
from automations.api.sight import Sight
from automations.permissions import workflow_ids
from runs import batches, dead_letters
from runs.api.errors import ErrorObjectSerializer, error_shown
from runs.api.filters import SubjectFilters
from runs.api.runs import RUN_ID, SubjectSerializer, subject_of
from runs.models import Batch, DeadLetter
from runs.states import DeadLetterState


class DeadLetterSerializer(serializers.ModelSerializer):
    workflow = serializers.IntegerField(source="workflow_id")
    workflow_slug = serializers.CharField(source="workflow.slug")
    run = serializers.IntegerField(source="run_id")
    index = serializers.SerializerMethodField(help_text="Of the item under for_each, else null.")
    subject = serializers.SerializerMethodField()
    owner = serializers.CharField(source="owner.username", default=None, allow_null=True)
    error = serializers.SerializerMethodField()

    class Meta:
        model = DeadLetter
        fields = [
            *("id", "workflow", "workflow_slug", "run", "step", "index", "state", "error", "fingerprint", "subject"),
            *("owner", "cause", "fixed_in", "note", "replays", "opened_at", "closed_at"),
        ]

    def get_index(self, letter: DeadLetter) -> int | None:
        return None if letter.index < 0 else letter.index

    @extend_schema_field(SubjectSerializer(allow_null=True))
    def get_subject(self, letter: DeadLetter) -> dict[str, str] | None:
        return subject_of(letter)

    @extend_schema_field(ErrorObjectSerializer(allow_null=False))
    def get_error(self, letter: DeadLetter) -> Any:
        return error_shown(letter.error, self.context["sight"].payload(letter.workflow_id))


class DeadLetterFilters(SubjectFilters):
    moment = "opened_at"

    state = django_filters.MultipleChoiceFilter(choices=DeadLetterState.choices)
    owner = django_filters.CharFilter(field_name="owner__username", help_text="A username.")
    fingerprint = django_filters.CharFilter()
    cause = django_filters.ChoiceFilter(choices=DeadLetter.Cause.choices)
    run = IdFilter(field_name="run_id")


class DeadLetterChanges(Body):
    owner = Text(required=False, allow_null=True, allow_blank=True, max_length=150, help_text="A username.")
    cause = serializers.ChoiceField(DeadLetter.Cause.choices, required=False, allow_blank=True)
    fixed_in = Text(required=False, allow_blank=True, max_length=60)
    note = Text(required=False, allow_blank=True, max_length=10_000)


class ReasonBody(Body):
    reason = Text(required=False, allow_blank=True, default="", max_length=10_000)


class DiscardBody(Body):
    note = Text(required=False, allow_blank=True, default="", max_length=10_000)


class ResolveBody(DiscardBody):
    outcome = serializers.ChoiceField(["happened", "did_not_happen"])
    output = AnyJSON(required=False, help_text="Of the step, if it happened.")


class ReplayManyBody(Body):
    filter = JSONObject(help_text="`{workflow, fingerprint, since, ids, state}`")
    limit = serializers.IntegerField(required=False, allow_null=True, min_value=1)
    rate = serializers.FloatField(required=False, allow_null=True, help_text="Replays per second.")
    stop_after = serializers.IntegerField(required=False, allow_null=True, min_value=1, help_text="Failures.")
    dry_run = serializers.BooleanField(default=False)
    reason = Text(required=False, allow_blank=True, default="", max_length=10_000)


class BatchSerializer(serializers.ModelSerializer):
    by = serializers.CharField(source="by.username", default=None, allow_null=True)
    total = serializers.IntegerField()
    done = serializers.IntegerField()
    failed = serializers.IntegerField()
    skipped = serializers.IntegerField()

    class Meta:
        model = Batch
        fields = [
            *("id", "state", "total", "done", "failed", "skipped", "rate", "stop_after", "reason", "by"),
            *("created_at", "ended_at"),
        ]


class DryRunSerializer(serializers.Serializer):
    total = serializers.IntegerField()
    repeats = serializers.IntegerField()
    stale = serializers.IntegerField()
    superseded = serializers.IntegerField()
    needs_approval = serializers.IntegerField()
    unknown = serializers.IntegerField()


class DeadLetters(ListApi):
    serializer_class = DeadLetterSerializer
    filterset_class = DeadLetterFilters

    def get_queryset(self) -> QuerySet[DeadLetter]:
        return DeadLetter.objects.none() if self.described_only else _letters(self.request.user)

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "sight": Sight(self.request.user)}


class OneDeadLetter(Api):
    @extend_schema(responses=DeadLetterSerializer)
    def get(self, request: Request, id: int) -> Response:
        return _shown(request, _letter(request, id))

    @extend_schema(request=DeadLetterChanges, responses=DeadLetterSerializer)
    def patch(self, request: Request, id: int) -> Response:
        """Set its owner, cause, where it was fixed, and a note."""
        letter, changes = _letter(request, id), DeadLetterChanges.read(request)
        return _shown(request, dead_letters.update(letter, by=request.user, **changes))


class Replay(Api):
    @extend_schema(request=ReasonBody, responses={200: RUN_ID, 409: CONFLICT})
    def post(self, request: Request, id: int) -> Response:
        """Reopen its run from this step: the same bytes under the same key."""
        letter, body = _letter(request, id), ReasonBody.read(request)
        return Response({"run": dead_letters.replay(letter, by=request.user, **body).pk})


class Discard(Api):
    @extend_schema(request=DiscardBody, responses={200: DeadLetterSerializer, 409: CONFLICT})
    def post(self, request: Request, id: int) -> Response:
        """Close it undone."""
        letter, body = _letter(request, id), DiscardBody.read(request)
        return _shown(request, dead_letters.discard(letter, by=request.user, **body))


class Resolve(Api):
    @extend_schema(request=ResolveBody, responses={200: DeadLetterSerializer, 409: CONFLICT})
    def post(self, request: Request, id: int) -> Response:
        """Say what became of the step."""
        letter, body = _letter(request, id), ResolveBody.read(request)
        return _shown(request, dead_letters.resolve(letter, by=request.user, **body))


class ReplayMany(Api):
    @extend_schema(
        operation_id="dead_letters_replay_many",
        request=ReplayManyBody,
        responses={
            200: OpenApiResponse(DryRunSerializer, "With `dry_run`: what it would do."),
            202: inline_serializer("BatchStarted", {"batch": serializers.IntegerField()}),
        },
    )
    def post(self, request: Request) -> Response:
        """Replay all that the filter selects and you may replay, paced, as a batch."""
        body = ReplayManyBody.read(request)
        if body.pop("dry_run"):
            return Response(batches.preview(body["filter"], by=request.user, limit=body.get("limit")))
        return Response({"batch": batches.create(by=request.user, **body).pk}, status=202)


class OneBatch(Api):
    @extend_schema(responses=BatchSerializer)
    def get(self, request: Request, id: int) -> Response:
        return _batch_shown(find(batches.visible_to(request.user), Q(pk=id)))


class StopBatch(Api):
    @extend_schema(request=None, responses={200: BatchSerializer, 409: CONFLICT})
    def post(self, request: Request, id: int) -> Response:
        """Begin no more of it; what is under way goes on."""
        return _batch_shown(batches.stop(find(batches.visible_to(request.user), Q(pk=id)), by=request.user))


class ResumeBatch(Api):
    @extend_schema(request=None, responses={200: BatchSerializer, 409: CONFLICT})
    def post(self, request: Request, id: int) -> Response:
        """Go on with a stopped batch."""
        return _batch_shown(batches.resume(find(batches.visible_to(request.user), Q(pk=id)), by=request.user))


def _letters(user: Any) -> QuerySet[DeadLetter]:
    mine = workflow_ids(user)
    letters = DeadLetter.objects.select_related("workflow", "owner")
    return letters if mine is None else letters.filter(workflow__in=mine)


def _letter(request: Request, id: int) -> DeadLetter:
    return find(_letters(request.user).select_related("workflow", "owner", "run__workflow"), Q(pk=id))


def _shown(request: Request, letter: DeadLetter) -> Response:
    return Response(DeadLetterSerializer(letter, context={"sight": Sight(request.user)}).data)


def _batch_shown(batch: Batch) -> Response:
    for name, count in batches.counts(batch).items():
        setattr(batch, name, count)
    return Response(BatchSerializer(batch).data)
