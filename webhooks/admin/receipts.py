"""Receipts: every delivery with its verdict, the refused ones too."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern
from unfold.decorators import display

from automations import html
from automations.admin.base import InfiniteList, ReadOnlyAdmin, act
from automations.admin.filters import SinceFilter, choices_filter
from automations.permissions import listed_for, may_manage
from runs import words
from webhooks import replays
from webhooks.models import Endpoint, Receipt, Verdict

BODY_SHOWN = 20_000  # bytes


def listed_receipts(user: Any) -> QuerySet[Receipt]:
    """All receipts for whoever may view them all, else those of the endpoints `user` may see."""
    rows = Receipt.objects.defer("body", "headers")
    if may_manage(user, "view", Receipt):
        return rows
    return rows.filter(endpoint__in=listed_for(user, Endpoint).values("pk"))


def may_see_body(user: Any, receipt: Receipt) -> bool:
    """What arrived is live data: for those who manage the endpoint, or may view receipts."""
    if may_manage(user, "view", Receipt):
        return True
    return receipt.endpoint is not None and may_manage(user, "change", receipt.endpoint)


def verdict(receipt: Receipt) -> str:
    return words.state(receipt.verdict, receipt.get_verdict_display())


def preview(body: bytes) -> str:
    """The body as text; bytes that are no text are shown as such. Never rendered as anything else."""
    text = bytes(body[:BODY_SHOWN]).decode("utf-8", "backslashreplace").replace("\x00", "\\x00")
    return text if len(body) <= BODY_SHOWN else f"{text}\n… {len(body) - BODY_SHOWN} more bytes"


@admin.register(Receipt)
class ReceiptAdmin(InfiniteList, ReadOnlyAdmin):
    list_display = ("number", "verdict_word", "slug", "reason_text", "size", "remote", "event_number", "received")
    list_filter = (
        choices_filter("verdict", "verdict", list(Verdict.choices), chips=True),
        type("Received", (SinceFilter,), {"moment_field": "received_at"}),
    )
    search_fields = ("slug",)
    search_help_text = "A receipt's number, a delivery id, or an endpoint"
    page_template = "webhooks/receipt.html"
    empty = (
        "No delivery yet",
        "Give an endpoint's address to a sender; each delivery leaves a receipt here, refused or not.",
    )
    empty_icon = "receipt_long"

    def visible(self, user: Any) -> QuerySet[Receipt]:
        return listed_receipts(user)

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        if term.lstrip("#").isdigit():
            return queryset.filter(pk=int(term.lstrip("#")[:18])), False
        found = queryset.filter(slug=term)
        return (found if found.exists() else queryset.filter(dedupe_id=term)), False

    @display(description="Receipt")
    def number(self, receipt: Receipt) -> str:
        return f"#{receipt.pk}"

    @display(description="Verdict")
    def verdict_word(self, receipt: Receipt) -> str:
        return verdict(receipt)

    @display(description="Reason")
    def reason_text(self, receipt: Receipt) -> str:
        return html.brief(receipt.reason, 90) or html.NOTHING

    @display(description="Event")
    def event_number(self, receipt: Receipt) -> str:
        return f"#{receipt.event_id}" if receipt.event_id else html.NOTHING

    @display(description="Received")
    def received(self, receipt: Receipt) -> str:
        return html.moment(receipt.received_at)

    def page_context(self, request: HttpRequest, receipt: Receipt) -> dict[str, Any]:
        shown = may_see_body(request.user, receipt)
        return {
            "receipt": receipt,
            "verdict": verdict(receipt),
            "may_see_body": shown,
            "body": preview(bytes(receipt.body)) if shown else "",
            "may_replay": receipt.endpoint is not None
            and receipt.verdict in replays.GENUINE
            and may_manage(request.user, "change", receipt.endpoint),
        }

    def own_urls(self) -> list[URLPattern]:
        return [self.own("<int:object_id>/replay/", self.replay, "replay")]

    def replay(self, request: HttpRequest, object_id: int) -> HttpResponse:
        receipt = self.row(request, object_id)
        return act(
            request,
            lambda: replays.replay(receipt, by=request.user),
            lambda made: f"Taken in again as event #{made.event_id}: {len(made.runs)} started.",
            self.address_of("change", receipt.pk),
        )
