"""Events and evaluations: what arrived, and why each trigger fired for it or did not."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.decorators import display

from automations import html
from automations.admin.base import InfiniteList, ReadOnlyAdmin
from automations.admin.filters import SinceFilter, WorkflowFilter, choices_filter
from automations.permissions import may
from runs import words
from runs.admin import rights
from runs.admin.runs import search_by_subject
from runs.models import Evaluation, Event
from runs.states import EvaluationResult


class ReceivedFilter(SinceFilter):
    moment_field = "received_at"


class EvaluatedFilter(SinceFilter):
    moment_field = "at"


@admin.register(Event)
class EventAdmin(InfiniteList, ReadOnlyAdmin):
    list_display = ("number", "type_name", "source", "about", "origin", "received")
    list_filter = (
        choices_filter("simulated", "origin", [("False", "From outside"), ("True", "From tests")], chips=True),
        ReceivedFilter,
    )
    search_fields = ("pk",)
    search_help_text = "An event's number, or a subject as in “order 7”"
    page_template = "runs/event.html"
    empty = ("No event yet", "Send something to an endpoint, or start a workflow by hand: every arrival is kept here.")
    empty_icon = "bolt"

    def visible(self, user: Any) -> QuerySet[Event]:
        return rights.visible_events(user)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Event]:
        return super().get_queryset(request).defer("payload", "headers", "attributes")

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        return search_by_subject(queryset, search_term), False

    # Columns

    @display(description="Event")
    def number(self, event: Event) -> str:
        return f"#{event.pk}"

    @display(description="Type")
    def type_name(self, event: Event) -> str:
        return event.type or html.NOTHING

    @display(description="About")
    def about(self, event: Event) -> str:
        return words.subject(event) or html.NOTHING

    @display(description="Origin")
    def origin(self, event: Event) -> str:
        return html.pill("Test", "info") if event.simulated else "Outside"

    @display(description="Received")
    def received(self, event: Event) -> str:
        return html.moment(event.received_at)

    def page_context(self, request: HttpRequest, event: Event) -> dict[str, Any]:
        evaluations = rights.of_visible_workflows(event.evaluations.select_related("workflow", "run"), request.user)
        runs = rights.of_visible_workflows(event.runs.select_related("workflow"), request.user)
        return {
            "event": event,
            "may_see_payload": rights.may_see_event_payload(request.user, event),
            "evaluations": evaluations.defer("run__outputs", "run__error").order_by("id")[:100],
            "runs": runs.defer("outputs", "error").order_by("id")[:100],
        }


@admin.register(Evaluation)
class EvaluationAdmin(InfiniteList, ReadOnlyAdmin):
    list_display = ("number", "result_word", "workflow_name", "trigger", "why", "run_link", "when")
    list_filter = (
        choices_filter("result", "result", list(EvaluationResult.choices), chips=True),
        WorkflowFilter,
        EvaluatedFilter,
    )
    page_template = "runs/evaluation.html"
    empty = (
        "Nothing was evaluated yet",
        "For every event each listening trigger leaves an answer here: fired or not, and why.",
    )
    empty_icon = "alt_route"

    def visible(self, user: Any) -> QuerySet[Evaluation]:
        return rights.of_visible_workflows(Evaluation.objects.select_related("workflow"), user)

    def may_view(self, user: Any, row: Any) -> bool:
        return row is None or may(user, "view", row.workflow)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Evaluation]:
        return super().get_queryset(request).defer("values")

    @display(description="Evaluation")
    def number(self, evaluation: Evaluation) -> str:
        return f"#{evaluation.pk}"

    @display(description="Result")
    def result_word(self, evaluation: Evaluation) -> str:
        return words.state(evaluation.result, evaluation.get_result_display())

    @display(description="Workflow")
    def workflow_name(self, evaluation: Evaluation) -> str:
        return str(evaluation.workflow)

    @display(description="Why")
    def why(self, evaluation: Evaluation) -> str:
        return html.brief(evaluation.reason, 120) or html.NOTHING

    @display(description="Run")
    def run_link(self, evaluation: Evaluation) -> str:
        return f"#{evaluation.run_id}" if evaluation.run_id else html.NOTHING

    @display(description="At")
    def when(self, evaluation: Evaluation) -> str:
        return html.moment(evaluation.at)

    def page_context(self, request: HttpRequest, evaluation: Evaluation) -> dict[str, Any]:
        return {
            "evaluation": evaluation,
            "may_see_payload": rights.may_see_event_payload(request.user, evaluation.event),
        }
