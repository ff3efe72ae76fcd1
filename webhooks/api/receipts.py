"""`receipts`: every delivery with its verdict."""

from __future__ import annotations

from typing import Any

import django_filters
from django.db.models import Q, QuerySet
from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from automations.api.base import CONFLICT, Api, IdFilter, ListApi, find
from automations.permissions import listed_for, may_manage
from runs.api.filters import moment
from webhooks import replays
from webhooks.models import Endpoint, Receipt, Verdict


class ReceiptSerializer(serializers.ModelSerializer):
    endpoint = serializers.CharField(source="slug", help_text="As addressed.")
    event = serializers.IntegerField(source="event_id", allow_null=True)

    class Meta:
        model = Receipt
        fields = [
            *("id", "endpoint", "verdict", "reason", "dedupe_id", "matched_secret", "event", "received_at", "remote"),
            "size",
        ]


class ReceiptFilters(django_filters.FilterSet):
    endpoint = django_filters.CharFilter(field_name="slug")
    verdict = django_filters.MultipleChoiceFilter(choices=Verdict.choices)
    event = IdFilter(field_name="event_id")
    since = django_filters.CharFilter(method="from_time", help_text="RFC 3339, or how long ago, as in 24h.")
    until = django_filters.CharFilter(method="to_time", help_text="RFC 3339, or how long ago, as in 24h.")

    def from_time(self, queryset: QuerySet, name: str, value: str) -> QuerySet:
        return queryset.filter(received_at__gte=moment(name, value))

    def to_time(self, queryset: QuerySet, name: str, value: str) -> QuerySet:
        return queryset.filter(received_at__lt=moment(name, value))


class Receipts(ListApi):
    serializer_class = ReceiptSerializer
    filterset_class = ReceiptFilters

    def get_queryset(self) -> QuerySet[Receipt]:
        return Receipt.objects.none() if self.described_only else _receipts(self.request.user).defer("headers", "body")


class Replay(Api):
    @extend_schema(
        request=None,
        responses={
            200: inline_serializer(
                "ReceiptReplayed",
                {
                    "receipt": serializers.IntegerField(),
                    "event": serializers.IntegerField(),
                    "runs": serializers.ListField(child=serializers.IntegerField()),
                },
            ),
            409: CONFLICT,
        },
    )
    def post(self, request: Request, id: int) -> Response:
        """Take this delivery in once more, as a new event."""
        receipt = find(_receipts(request.user).select_related("endpoint"), Q(pk=id))
        answer = replays.replay(receipt, by=request.user)
        return Response({"receipt": receipt.pk, "event": answer.event_id, "runs": answer.runs})


def _receipts(user: Any) -> QuerySet[Receipt]:
    """Receipts of the endpoints `user` may see; those of unknown addresses only for whoever sees all."""
    if may_manage(user, "view", Endpoint) or may_manage(user, "change", Endpoint):
        return Receipt.objects.all()
    return Receipt.objects.filter(endpoint__in=listed_for(user, Endpoint))
