"""Filters that stay cheap on long lists and never name what a person may not see."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.contrib.filters.admin import DropdownFilter

from automations.models import Mode
from automations.permissions import visible_to

CHOICES = 300  # entries of a drop-down; beyond them there is the search


class WorkflowFilter(DropdownFilter):
    """`?workflow=` number or slug; offers only workflows this person may see."""

    title = "workflow"
    parameter_name = "workflow"
    path = "workflow"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[Any, str]]:
        rows = visible_to(request.user).order_by("slug").values_list("pk", "slug", "name")[:CHOICES]
        return [(pk, name or slug) for pk, slug, name in rows]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        value = self.value()
        if not value:
            return queryset
        number = value.isdecimal() and len(value) < 19
        return queryset.filter(**{self.path if number else f"{self.path}__slug": value})


class ChipFilter(admin.SimpleListFilter):
    """A filter whose choices stand above the list as chips, one click each."""

    template = "automations/kept_filter.html"
    chips = True

    def has_output(self) -> bool:
        return True


def choices_filter(name: str, title: str, choices: list[tuple[str, str]], *, chips: bool = False) -> type:
    """A filter by a column with few values."""

    class Chosen(ChipFilter if chips else DropdownFilter):  # type: ignore[misc]
        parameter_name = name

        def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
            return choices

        def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
            known = {value for value, _label in choices}
            return queryset.filter(**{name: self.value()}) if self.value() in known else queryset

    Chosen.title = title
    return Chosen


ModeFilter = choices_filter("mode", "mode", list(Mode.choices), chips=True)


class SinceFilter(DropdownFilter):
    """The last hour, day, week or month, found by id: ids grow with time and are always indexed."""

    title = "time"
    parameter_name = "since"
    moment_field = "created_at"
    SPANS = {
        "1h": ("the last hour", 1),
        "1d": ("the last day", 24),
        "7d": ("the last week", 168),
        "30d": ("30 days", 720),
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterator[tuple[str, str]]:
        return ((key, label) for key, (label, _hours) in self.SPANS.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if self.value() not in self.SPANS:
            return queryset
        start = timezone.now() - timedelta(hours=self.SPANS[self.value()][1])
        return queryset.filter(pk__gt=last_id_before(queryset.model, self.moment_field, start))


def last_id_before(model: type[Model], field: str, start: datetime) -> int:
    """The largest id whose `field` is before `start` (0: none), by halving: some 20 look-ups by primary key."""
    rows = model._default_manager.order_by()
    high = rows.order_by("-pk").values_list("pk", flat=True).first() or 0
    low = 0
    while low < high:
        middle = (low + high) // 2
        found = rows.filter(pk__gt=middle).order_by("pk").values_list("pk", field).first()
        if found is None or found[1] >= start:
            high = middle
        else:
            low = found[0]
    return low
