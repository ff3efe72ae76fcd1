"""Filters of lists: times and subjects as people write them."""

from __future__ import annotations

from datetime import timedelta

import django_filters
from django.db.models import QuerySet
from rest_framework.exceptions import ValidationError

from automations.api.base import WorkflowFilter
from automations.engine import durations, times
from automations.engine.durations import DurationError
from runs import database


class Filters(WorkflowFilter):
    """`workflow`, `since`, `until`; `moment` names the column the times are about."""

    moment = "created_at"

    since = django_filters.CharFilter(method="from_time", help_text="RFC 3339, or how long ago, as in 24h.")
    until = django_filters.CharFilter(method="to_time", help_text="RFC 3339, or how long ago, as in 24h.")

    def from_time(self, queryset: QuerySet, name: str, value: str) -> QuerySet:
        return queryset.filter(**{f"{self.moment}__gte": moment(name, value)})

    def to_time(self, queryset: QuerySet, name: str, value: str) -> QuerySet:
        return queryset.filter(**{f"{self.moment}__lt": moment(name, value)})


class SubjectFilters(Filters):
    subject = django_filters.CharFilter(method="about", help_text="As in order/7.")

    def about(self, queryset: QuerySet, name: str, value: str) -> QuerySet:
        type, slash, key = value.partition("/")
        if not slash:
            raise ValidationError({name: "Write type/key, as in order/7."})
        return queryset.filter(subject_type=type, subject_key=key)


def moment(name: str, text: str) -> object:
    """A time, or how long ago. Raises ValidationError at `name`."""
    at = times.parse(text)
    if at is not None:
        return at
    try:
        return database.now() - timedelta(seconds=durations.parse(text))
    except DurationError:
        message = "Write a time like 2026-01-31T08:00:00Z, or how long ago, like 24h."
        raise ValidationError({name: message}) from None
