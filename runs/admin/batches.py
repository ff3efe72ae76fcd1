"""Batches: many replays, with their progress."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern
from unfold.decorators import display

from automations import html
from automations.admin.base import InfiniteList, ReadOnlyAdmin, act
from automations.admin.filters import choices_filter
from automations.permissions import may, visible_to
from runs import batches, words
from runs.models import Batch, BatchItem
from runs.states import BatchState

ITEMS_SHOWN = 100
ENDED = (BatchItem.State.DONE, BatchItem.State.FAILED, BatchItem.State.SKIPPED)
TONE = {BatchItem.State.DONE: "success", BatchItem.State.FAILED: "danger", BatchItem.State.SKIPPED: "neutral"}


@admin.register(Batch)
class BatchAdmin(InfiniteList, ReadOnlyAdmin):
    list_display = ("number", "state_word", "progress", "reason_text", "by_name", "created", "took")
    list_filter = (choices_filter("state", "state", list(BatchState.choices), chips=True),)
    page_template = "runs/batch.html"
    empty = ("No batch yet", "Choose dead letters in their list and replay them together.")
    empty_icon = "replay"

    def visible(self, user: Any) -> QuerySet[Batch]:
        return (
            batches.visible_to(user)
            .select_related("by")
            .annotate(
                item_count=_number_of(BatchItem.objects.all()),
                ended_count=_number_of(BatchItem.objects.filter(state__in=ENDED)),
            )
        )

    # Columns

    @display(description="Batch")
    def number(self, batch: Batch) -> str:
        return f"#{batch.pk}"

    @display(description="State")
    def state_word(self, batch: Batch) -> str:
        return words.state(batch.state, batch.get_state_display())

    @display(description="Progress")
    def progress(self, batch: Any) -> str:
        return f"{batch.ended_count} of {batch.item_count}"

    @display(description="Reason")
    def reason_text(self, batch: Batch) -> str:
        return html.brief(batch.reason, 80) or html.NOTHING

    @display(description="By")
    def by_name(self, batch: Batch) -> str:
        return batch.by.get_username() if batch.by else "the system"

    @display(description="Created")
    def created(self, batch: Batch) -> str:
        return html.moment(batch.created_at)

    @display(description="Took")
    def took(self, batch: Batch) -> str:
        return html.span(html.between(batch.created_at, batch.ended_at))

    # The page

    def page_context(self, request: HttpRequest, batch: Batch) -> dict[str, Any]:
        found = dict(batch.items.order_by().values_list("state").annotate(Count("id")))
        total = sum(found.values())
        bars = [(state, found.get(state, 0), 100 * found.get(state, 0) / total if total else 0) for state in ENDED]
        items = batch.items.filter(dead_letter__workflow__in=visible_to(request.user).values("pk"))
        return {
            "batch": batch,
            "finished": batch.state != BatchState.RUNNING,
            "total": total,
            "bars": [(BatchItem.State(state).label, number, width, TONE[state]) for state, number, width in bars],
            "items": items.select_related("dead_letter__workflow")[:ITEMS_SHOWN],
            "may_run": _may_run(request.user, batch),
        }

    def own_urls(self) -> list[URLPattern]:
        return [
            self.own("<int:object_id>/stop/", self.stop, "stop"),
            self.own("<int:object_id>/resume/", self.resume, "resume"),
        ]

    def stop(self, request: HttpRequest, object_id: int) -> HttpResponse:
        batch = self.row(request, object_id)
        return act(
            request, lambda: batches.stop(batch, by=request.user), "Stopped.", self.address_of("change", batch.pk)
        )

    def resume(self, request: HttpRequest, object_id: int) -> HttpResponse:
        batch = self.row(request, object_id)
        return act(
            request, lambda: batches.resume(batch, by=request.user), "It goes on.", self.address_of("change", batch.pk)
        )


def _number_of(items: QuerySet[BatchItem]) -> Coalesce:
    """How many of these items a batch has, asked for the rows of one page only."""
    found = items.filter(batch=OuterRef("pk")).order_by().values("batch").annotate(n=Count("id")).values("n")
    return Coalesce(Subquery(found), 0)


def _may_run(user: Any, batch: Batch) -> bool:
    first = batch.items.select_related("dead_letter__workflow").first()
    return first is not None and may(user, "run", first.dead_letter.workflow)
