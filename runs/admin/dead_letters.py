"""Dead letters: triage by fingerprint, replay, discard, assign."""

from collections.abc import Iterator
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern
from unfold.decorators import display

from automations import html
from automations.admin.base import InfiniteList, ReadOnlyAdmin, act
from automations.admin.fields import StructureField
from automations.admin.filters import ChipFilter, SinceFilter, WorkflowFilter
from automations.permissions import may
from runs import batches, dead_letters, words
from runs.admin import rights
from runs.admin.runs import search_by_subject
from runs.admin.timeline import definition_of
from runs.models import Batch, DeadLetter
from runs.states import DeadLetterState

BADGE = 99  # the sidebar counts no further
OPEN = (DeadLetterState.OPEN, DeadLetterState.REPLAYING)


class StateFilter(ChipFilter):
    """Shows what needs somebody, until another state is asked for."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("all", "All"), *DeadLetterState.choices]

    def choices(self, changelist: Any) -> Iterator[Any]:
        for value, label in ((None, "To do"), *self.lookup_choices):
            query = changelist.get_query_string({self.parameter_name: value} if value else {}, [self.parameter_name])
            yield {"selected": self.value() == value, "query_string": query, "display": label}

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if self.value() == "all":
            return queryset
        return (
            queryset.filter(state=self.value()) if self.value() in DeadLetterState else queryset.filter(state__in=OPEN)
        )


class FingerprintFilter(admin.SimpleListFilter):
    """`?fingerprint=` from a link "the same failure"; not offered as a choice."""

    title = "fingerprint"
    parameter_name = "fingerprint"
    template = "automations/kept_filter.html"
    chips = True

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        value = request.GET.get(self.parameter_name, "")
        return [(value, f"Same failure: {value}")] if value else []

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(fingerprint=self.value()) if self.value() else queryset


class BatchForm(forms.Form):
    """How fast, how far, why."""

    rate = forms.FloatField(required=False)
    stop_after = forms.IntegerField(required=False)
    reason = forms.CharField(required=False)


class AssignForm(forms.Form):
    """Who looks after it, what was behind it."""

    owner: forms.ModelChoiceField = forms.ModelChoiceField(None, required=False, empty_label="Nobody")
    cause = forms.ChoiceField(choices=[("", "Not known yet"), *DeadLetter.Cause.choices], required=False)
    fixed_in = forms.CharField(max_length=60, required=False, label="Fixed in", help_text="A version, a ticket.")
    note = forms.CharField(widget=forms.Textarea(attrs={"rows": 3}), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        people = get_user_model()._default_manager.filter(is_active=True).order_by("username")
        self.fields["owner"].queryset = people  # type: ignore[attr-defined]


@admin.register(DeadLetter)
class DeadLetterAdmin(InfiniteList, ReadOnlyAdmin):
    list_display = ("number", "state_word", "message", "step", "workflow_name", "about", "owner_name", "opened")
    list_filter = (
        StateFilter,
        FingerprintFilter,
        WorkflowFilter,
        type("Opened", (SinceFilter,), {"moment_field": "opened_at"}),
    )
    search_fields = ("pk",)
    search_help_text = "Its number, a fingerprint, or a subject as in “order 7”"
    actions = ("replay_selected", "discard_selected")
    page_template = "runs/dead_letter.html"
    empty = ("No dead letters", "A step that gives up after its retries appears here, with what to do about it.")
    empty_icon = "mark_email_read"

    def visible(self, user: Any) -> QuerySet[DeadLetter]:
        return rights.of_visible_workflows(DeadLetter.objects.select_related("workflow", "owner"), user)

    def may_view(self, user: Any, row: Any) -> bool:
        return row is None or may(user, "view", row.workflow)

    def sidebar_badge(self, request: HttpRequest) -> str:
        number = self.visible(request.user).filter(state=DeadLetterState.OPEN).order_by()[: BADGE + 1].count()
        return "" if not number else f"{BADGE}+" if number > BADGE else str(number)

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        term = search_term.strip()
        if len(term) == 16 and queryset.filter(fingerprint=term).exists():
            return queryset.filter(fingerprint=term), False
        return search_by_subject(queryset, term), False

    # Columns

    @display(description="Dead letter")
    def number(self, letter: DeadLetter) -> str:
        return f"#{letter.pk}"

    @display(description="State")
    def state_word(self, letter: DeadLetter) -> str:
        return words.state(letter.state, letter.get_state_display())

    @display(description="What happened")
    def message(self, letter: DeadLetter) -> str:
        return html.brief(letter.error.get("message", ""), 120)

    @display(description="Workflow")
    def workflow_name(self, letter: DeadLetter) -> str:
        return str(letter.workflow)

    @display(description="About")
    def about(self, letter: DeadLetter) -> str:
        return words.subject(letter) or html.NOTHING

    @display(description="Owner")
    def owner_name(self, letter: DeadLetter) -> str:
        return letter.owner.get_username() if letter.owner else html.NOTHING

    @display(description="Opened")
    def opened(self, letter: DeadLetter) -> str:
        return html.moment(letter.opened_at)

    # Many at once

    @admin.action(description="Replay …")
    def replay_selected(self, request: HttpRequest, queryset: QuerySet[DeadLetter]) -> HttpResponse:
        chosen = {"ids": list(queryset.values_list("pk", flat=True))}
        context = {"letters": queryset[:20], "ids": chosen["ids"], "preview": batches.preview(chosen, by=request.user)}
        return self.page(request, "runs/replay_many.html", None, "Replay dead letters", context)

    @admin.action(description="Discard …")
    def discard_selected(self, request: HttpRequest, queryset: QuerySet[DeadLetter]) -> HttpResponse:
        ids = list(queryset.values_list("pk", flat=True))
        return self.page(
            request, "runs/discard_many.html", None, "Discard dead letters", {"letters": queryset[:20], "ids": ids}
        )

    def replay_many(self, request: HttpRequest) -> HttpResponse:
        made: list[Batch] = []

        def do() -> None:
            made.append(batches.create({"ids": _ids(request)}, by=request.user, **_cleaned(BatchForm(request.POST))))

        response = act(request, do, "The replays are under way.", self.address_of("changelist"))
        if made:
            response["Location"] = html.page_address(made[0])
        return response

    def discard_many(self, request: HttpRequest) -> HttpResponse:
        letters = list(self.visible(request.user).filter(pk__in=_ids(request)))
        note = request.POST.get("note", "")

        def do() -> int:
            for letter in letters:
                dead_letters.discard(letter, by=request.user, note=note)
            return len(letters)

        return act(request, do, lambda number: f"{number} discarded.", self.address_of("changelist"))

    # The page

    def page_context(self, request: HttpRequest, letter: DeadLetter) -> dict[str, Any]:
        run = letter.run
        return {
            "letter": letter,
            "run": run,
            "unknown": letter.state == DeadLetterState.OPEN and dead_letters.is_unknown(letter),
            "part": definition_of(run, letter.step),
            "may_see_payload": rights.may_see_payload(request.user, run),
            "may_run": may(request.user, "run", letter.workflow),
            "alike": self.visible(request.user)
            .filter(fingerprint=letter.fingerprint, state__in=OPEN)
            .exclude(pk=letter.pk)
            .order_by("-id")[:5],
            "form": AssignForm(
                initial={"owner": letter.owner, "cause": letter.cause, "fixed_in": letter.fixed_in, "note": letter.note}
            ),
        }

    def own_urls(self) -> list[URLPattern]:
        return [
            self.own("replay/", self.replay_many, "replay_many"),
            self.own("discard/", self.discard_many, "discard_many"),
            self.own("<int:object_id>/replay/", self.replay, "replay"),
            self.own("<int:object_id>/discard/", self.discard, "discard"),
            self.own("<int:object_id>/resolve/", self.resolve, "resolve"),
            self.own("<int:object_id>/assign/", self.assign, "assign"),
        ]

    def replay(self, request: HttpRequest, object_id: int) -> HttpResponse:
        letter = self.row(request, object_id)
        return act(
            request,
            lambda: dead_letters.replay(letter, by=request.user, reason=request.POST.get("reason", "")),
            f"Run #{letter.run_id} goes on from step {letter.step}.",
            html.page_address(letter.run),
        )

    def discard(self, request: HttpRequest, object_id: int) -> HttpResponse:
        letter = self.row(request, object_id)
        return act(
            request,
            lambda: dead_letters.discard(letter, by=request.user, note=request.POST.get("note", "")),
            "Discarded.",
            self.address_of("change", letter.pk),
        )

    def resolve(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """A person says whether a step of unknown outcome has happened."""
        letter = self.row(request, object_id)
        given = request.POST

        def do() -> Any:
            output = StructureField().clean(given.get("output", ""))
            return dead_letters.resolve(
                letter, by=request.user, outcome=given.get("outcome", ""), output=output, note=given.get("note", "")
            )

        return act(request, do, f"Noted. Run #{letter.run_id} goes on.", html.page_address(letter.run))

    def assign(self, request: HttpRequest, object_id: int) -> HttpResponse:
        letter = self.row(request, object_id)
        form = AssignForm(request.POST)
        return act(
            request,
            lambda: dead_letters.update(letter, by=request.user, **_cleaned(form)),
            "Noted.",
            self.address_of("change", letter.pk),
        )


def _ids(request: HttpRequest) -> list[int]:
    return [int(value) for value in request.POST.getlist("ids") if value.isdecimal() and len(value) < 19]


def _cleaned(form: forms.Form) -> dict[str, Any]:
    if not form.is_valid():
        told = (f"{name}: {text}" for name, texts in form.errors.items() for text in map(str, texts))
        raise ValueError(" ".join(told))
    return form.cleaned_data
