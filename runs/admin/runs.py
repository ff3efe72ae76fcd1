"""Runs: the list, and the page that explains one of them."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern
from unfold.decorators import display

from automations import html
from automations.admin.base import InfiniteList, ReadOnlyAdmin, act
from automations.admin.filters import SinceFilter, WorkflowFilter, choices_filter
from automations.permissions import may
from runs import lifecycle, words
from runs import replay as replays
from runs.admin import rights, timeline
from runs.models import Run
from runs.states import FINISHED_RUN, RunStatus

LOG_SHOWN = 300


@admin.register(Run)
class RunAdmin(InfiniteList, ReadOnlyAdmin):
    list_display = (
        "number",
        "status_word",
        "workflow_name",
        "about",
        "trigger",
        "mode_word",
        "version_name",
        "created",
        "took",
    )
    list_filter = (
        choices_filter("status", "status", list(RunStatus.choices), chips=True),
        WorkflowFilter,
        choices_filter("mode", "mode", list(Run.Mode.choices)),
        SinceFilter,
    )
    search_fields = ("pk",)
    search_help_text = "A run's number, or a subject as in “order 7”"
    page_template = "runs/run.html"
    empty = (
        "No run yet",
        "A run appears here as soon as a workflow's trigger fires. Send a test to an endpoint, or test a workflow.",
    )
    empty_icon = "play_circle"

    def visible(self, user: Any) -> QuerySet[Run]:
        return rights.of_visible_workflows(Run.objects.select_related("workflow", "version"), user)

    def may_view(self, user: Any, row: Any) -> bool:
        return row is None or may(user, "view", row.workflow)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Run]:
        return super().get_queryset(request).defer("outputs", "error", "version__document")

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        return search_by_subject(queryset, search_term), False

    # Columns

    @display(description="Run")
    def number(self, run: Run) -> str:
        return f"#{run.pk}"

    @display(description="Status")
    def status_word(self, run: Run) -> str:
        return words.state(run.status, run.get_status_display())

    @display(description="Workflow")
    def workflow_name(self, run: Run) -> str:
        return str(run.workflow)

    @display(description="About")
    def about(self, run: Run) -> str:
        return words.subject(run) or html.NOTHING

    @display(description="Mode")
    def mode_word(self, run: Run) -> str:
        return html.pill("Simulated", "info") if run.mode == Run.Mode.SIMULATE else "Execute"

    @display(description="Version")
    def version_name(self, run: Run) -> str:
        return str(run.version.number) if run.version.number else "draft"

    @display(description="Created")
    def created(self, run: Run) -> str:
        return html.moment(run.created_at)

    @display(description="Took")
    def took(self, run: Run) -> str:
        return html.span(words.took(run))

    # The page

    def page_context(self, request: HttpRequest, run: Run) -> dict[str, Any]:
        shown = rights.may_see_payload(request.user, run)
        steps = timeline.steps(run, payloads=shown)
        log = list(run.log.all()[: LOG_SHOWN + 1])
        finished = run.status in FINISHED_RUN
        return {
            "run": run,
            "steps": steps,
            "may_see_payload": shown,
            "log": log[:LOG_SHOWN],
            "log_cut": len(log) > LOG_SHOWN,
            "finished": finished,
            "replays": run.replays.defer("outputs", "error").order_by("-id")[:20],
            "dead_letters": run.dead_letters.filter(state__in=("open", "replaying")),
            "may_run": may(request.user, "run", run.workflow),
        }

    def own_urls(self) -> list[URLPattern]:
        return [
            self.own("<int:object_id>/cancel/", self.cancel, "cancel"),
            self.own("<int:object_id>/replay/", self.replay, "replay"),
        ]

    def cancel(self, request: HttpRequest, object_id: int) -> HttpResponse:
        run = self.row(request, object_id)
        return act(
            request,
            lambda: lifecycle.cancel(run, by=request.user, reason=request.POST.get("reason", "")),
            "The run is being cancelled.",
            self.address_of("change", run.pk),
        )

    def replay(self, request: HttpRequest, object_id: int) -> HttpResponse:
        run = self.row(request, object_id)
        chosen = request.POST
        made: list[Run] = []

        def do() -> None:
            made.append(
                replays.replay(
                    run,
                    by=request.user,
                    start=chosen.get("start", "start"),
                    version=chosen.get("version", "same"),
                    again="again" in chosen,
                    simulate="simulate" in chosen,
                    reason=chosen.get("reason", ""),
                )
            )

        response = act(request, do, "The replay is under way.", self.address_of("change", run.pk))
        if made and made[0].pk != run.pk:
            response["Location"] = self.address_of("change", made[0].pk)
        return response


def search_by_subject(queryset: QuerySet, term: str) -> QuerySet:
    """Rows with this number, or about this subject ("order 7", or its key alone)."""
    term = term.strip()
    if not term:
        return queryset
    if term.lstrip("#").isdigit():
        return queryset.filter(pk=int(term.lstrip("#")[:18]))
    kind, _, key = term.partition(" ")
    return queryset.filter(subject_type=kind, subject_key=key.strip()) if key else queryset.filter(subject_key=term)
