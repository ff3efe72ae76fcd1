"""What execution adds to a workflow's screens: its last run and dead letters, the test page, scenarios."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern
from unfold.decorators import display

from automations import html
from automations.admin.base import act
from automations.admin.fields import StructureField
from automations.admin.workflows import WorkflowAdmin as DefinitionAdmin
from automations.engine.errors import AutomationError, DefinitionError
from automations.models import Workflow
from automations.permissions import may, workflow_ids
from runs import dispatch, scenarios, simulation, words
from runs.admin import rights
from runs.models import DeadLetter, Evaluation, Event, Run, ScenarioResult
from runs.states import DeadLetterState

RECENT = 20
LAST_RUNS = 6


class TestForm(forms.Form):
    """What arrives, and who takes the place of the person who starts it."""

    payload = StructureField(rows=10, required=True, help_text="JSON or YAML, as it would arrive.")
    headers = StructureField(rows=2, help_text="As the trigger would see them.")
    trigger = forms.ChoiceField(required=False, help_text="Ask one trigger only.")
    version = forms.ChoiceField(required=False)
    outputs = StructureField(
        rows=2,
        label="Samples and failures",
        help_text="What a step would answer, as in {notify: {error: {status: 500}}}.",
    )
    as_user = forms.CharField(required=False, max_length=150, label="As", help_text="A username; empty: you.")
    reads = forms.BooleanField(required=False, label="Really perform steps that only read")

    def __init__(self, *args: Any, workflow: Workflow, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        triggers = [(trigger.key, trigger.key) for trigger in workflow.triggers.all()]
        self.fields["trigger"].choices = [("", "all of them"), *triggers]  # type: ignore[attr-defined]
        versions = [("draft", "the draft")]
        if workflow.current_version:
            versions.append(("current", f"version {workflow.current_version.number}, the current one"))
        self.fields["version"].choices = versions  # type: ignore[attr-defined]

    def options(self) -> dict[str, Any]:
        """The options of `simulation.run_test`; an empty field is left to its default."""
        given = self.cleaned_data
        options = {name: given[name] for name in ("headers", "trigger", "outputs", "as_user") if given[name]}
        return {**options, "version": given["version"] or "draft", **({"reads": "live"} if given["reads"] else {})}


admin.site.unregister(Workflow)


@admin.register(Workflow)
class WorkflowAdmin(DefinitionAdmin):
    list_display = (
        "title",
        "mode_word",
        "owner_name",
        "team_name",
        "version_name",
        "last_run",
        "open_letters",
        "updated",
    )
    overview_template = "runs/overview.html"

    def visible(self, user: Any) -> QuerySet[Workflow]:
        letters = DeadLetter.objects.filter(workflow=OuterRef("pk"), state=DeadLetterState.OPEN).order_by()
        runs = Run.objects.filter(workflow=OuterRef("pk")).order_by("-id")
        return (
            super()
            .visible(user)
            .annotate(
                open_letter_count=Coalesce(Subquery(letters.values("workflow").annotate(n=Count("id")).values("n")), 0),
                last_status=Subquery(runs.values("status")[:1]),
                last_at=Subquery(runs.values("created_at")[:1]),
            )
        )

    @display(description="Last run")
    def last_run(self, workflow: Any) -> str:
        if not workflow.last_status:
            return html.NOTHING
        return html.pair(words.state(workflow.last_status), html.moment(workflow.last_at))

    @display(description="Dead letters")
    def open_letters(self, workflow: Any) -> str:
        number = workflow.open_letter_count
        return html.pill(f"{number} open", "danger") if number else html.NOTHING

    # Pages

    def own_urls(self) -> list[URLPattern]:
        one = "<int:object_id>/"
        return [
            *super().own_urls(),
            self.own(f"{one}start/", self.start, "start"),
            self.own(f"{one}test/", self.test, "test"),
            self.own(f"{one}scenarios/", self.scenarios, "scenarios"),
            self.own(f"{one}scenarios/run/", self.run_scenarios, "run_scenarios"),
        ]

    def more_tabs(self, verbs: frozenset[str]) -> list[tuple[str, str, bool]]:
        return [("test", "Test", "test" in verbs), ("scenarios", "Scenarios", True)]

    def overview_context(self, request: HttpRequest, workflow: Workflow) -> dict[str, Any]:
        runs = Run.objects.filter(workflow=workflow).defer("outputs", "error").order_by("-id")[:LAST_RUNS]
        return {
            "runs": runs,
            "letter_count": workflow.open_letter_count,  # type: ignore[attr-defined]
            "may_start": may(request.user, "run", workflow) and workflow.listeners.filter(route="manual").exists(),
        }

    def start(self, request: HttpRequest, object_id: int) -> HttpResponse:
        workflow = self.row(request, object_id)
        made: list[Run] = []

        def do() -> None:
            payload = StructureField(empty={}).clean(request.POST.get("payload", ""))
            made.append(dispatch.start(workflow, payload, by=request.user))

        response = act(request, do, "It has started.", self.address_of("overview", workflow.pk))
        if made:
            response["Location"] = html.page_address(made[0])
        return response

    def test(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Try a payload: which trigger fires, which steps would be performed, and why the others not."""
        workflow = self.row(request, object_id)
        events = self._recent_events(request, workflow)
        form = TestForm(request.POST or None, workflow=workflow, initial=self._initial(request, workflow, events))
        context: dict[str, Any] = {"form": form, "events": events}
        status = 200
        if not may(request.user, "test", workflow):
            return self.workflow_page(request, workflow, "test", "runs/may_not_test.html", {}, status=403)
        if request.method == "POST" and form.is_valid():
            try:
                context["answer"] = simulation.run_test(
                    workflow, by=request.user, payload=form.cleaned_data["payload"], **form.options()
                )
            except DefinitionError as error:
                context["problems"], status = error.problems, 400
            except AutomationError as error:
                context["refusal"], status = error, 400
        return self.workflow_page(request, workflow, "test", "runs/test.html", context, status=status)

    def _recent_events(self, request: HttpRequest, workflow: Workflow) -> list[Event]:
        """Events whose payload this person may see and that this workflow was asked about."""
        ids = workflow_ids(request.user, "payload")
        if ids is not None and not ids.filter(pk=workflow.pk).exists():
            return []
        asked = (
            Evaluation.objects.filter(workflow=workflow).order_by("-id").values_list("event", flat=True)[: 3 * RECENT]
        )
        found = Event.objects.filter(pk__in=set(asked), simulated=False)
        return list(found.defer("payload", "headers", "attributes").order_by("-id")[:RECENT])

    def _initial(self, request: HttpRequest, workflow: Workflow, events: list[Event]) -> dict[str, Any]:
        chosen = request.GET.get("event", "")
        event = next((event for event in events if str(event.pk) == chosen), None)
        if event is not None:
            return {"payload": event.payload, "headers": event.headers}
        rows = list(workflow.scenarios.all())
        wanted = request.GET.get("scenario", "")
        scenario = next((row for row in rows if str(row.pk) == wanted), rows[0] if rows else None)
        if scenario is None:
            return {"payload": {"id": "e1"}}
        return {
            "payload": scenario.payload,
            "headers": scenario.headers,
            "outputs": scenario.outputs,
            "trigger": scenario.trigger,
        }

    def scenarios(self, request: HttpRequest, object_id: int) -> HttpResponse:
        workflow = self.row(request, object_id)
        return self._scenarios_page(request, workflow)

    def _scenarios_page(self, request: HttpRequest, workflow: Workflow) -> HttpResponse:
        rows = list(workflow.scenarios.all())
        results = ScenarioResult.objects.filter(scenario__in=rows).select_related("run").order_by("id")
        newest = {result.scenario_id: result for result in results.defer("run__outputs", "run__error")}
        return self.workflow_page(
            request,
            workflow,
            "scenarios",
            "runs/scenarios.html",
            {
                "rows": [(scenario, newest.get(scenario.pk)) for scenario in rows],
                "shown": rights.may_see_simulated(request.user, workflow),
            },
        )

    def run_scenarios(self, request: HttpRequest, object_id: int) -> HttpResponse:
        workflow = self.row(request, object_id)
        return act(
            request,
            lambda: scenarios.run_all(workflow, by=request.user),
            lambda rows: f"{sum(row['passed'] for row in rows)} of {len(rows)} passed.",
            self.address_of("scenarios", workflow.pk),
        )
