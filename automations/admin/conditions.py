"""Shared conditions: a team's rules that its workflows use by `{use: team/name}`."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from unfold.decorators import display

from automations import html, shared_conditions
from automations.admin.base import HistoryAdmin, has_role, refused_fields
from automations.admin.fields import StructureField
from automations.admin.story import condition as phrase
from automations.engine.errors import DefinitionError
from automations.models import Condition
from automations.refusals import Refusal


class ConditionForm(forms.Form):
    """`team` and `name` are given once; workflows name the condition by them."""

    team: forms.ModelChoiceField = forms.ModelChoiceField(None, empty_label=None)
    name = forms.CharField(max_length=100, help_text="Small letters, digits and _, as in large_order.")
    tree = StructureField(
        rows=6, required=True, label="Rule", help_text="all, any or none of {field, operator, value}."
    )

    def __init__(self, *args: Any, by: Any, condition: Condition | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if condition is not None:
            del self.fields["team"], self.fields["name"]
            return
        teams = Group.objects.all() if by.is_superuser else by.groups.all()
        self.fields["team"].queryset = teams.order_by("name")  # type: ignore[attr-defined]


@admin.register(Condition)
class ConditionAdmin(HistoryAdmin):
    list_display = ("title", "rule")
    search_fields = ("name", "team__name")
    empty = (
        "No shared condition yet",
        "A rule that several workflows need is written once here, and used by its name.",
    )
    empty_icon = "rule"

    def visible(self, user: Any) -> QuerySet[Condition]:
        return shared_conditions.listed(user)

    def allowed(self, user: Any, verb: str, row: Any) -> bool:
        if verb == "view":
            return has_role(user)
        if verb == "delete" or not isinstance(row, Condition):
            return verb == "add" and (user.is_superuser or user.groups.exists())
        return user.is_superuser or user.groups.filter(pk=row.team_id).exists()

    @display(description="Condition", ordering="name")
    def title(self, condition: Condition) -> str:
        return str(condition)

    @display(description="Rule")
    def rule(self, condition: Condition) -> str:
        return html.brief(phrase(condition.tree, {}), 120)

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        self.require(request, "add", None)
        form = ConditionForm(request.POST or None, by=request.user)
        if request.method == "POST" and form.is_valid():
            given = form.cleaned_data
            try:
                made = shared_conditions.create(given["team"].name, given["name"], given["tree"], by=request.user)
            except (Refusal, DefinitionError) as error:
                _refuse(form, error)
            else:
                return HttpResponseRedirect(self.address_of("change", made.pk))
        context = {"form": form, "submit": "Create", "back": self.address_of("changelist")}
        return self.page(request, "automations/form.html", None, "New shared condition", context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        condition = self.row(request, object_id)
        may_change = self.allowed(request.user, "change", condition)
        if request.method == "POST":
            self.require(request, "change", condition)
        form = ConditionForm(
            request.POST or None, by=request.user, condition=condition, initial={"tree": condition.tree}
        )
        if request.method == "POST" and form.is_valid():
            try:
                shared_conditions.update(condition, form.cleaned_data["tree"], by=request.user)
            except (Refusal, DefinitionError) as error:
                _refuse(form, error)
            else:
                self.message_user(
                    request, "Saved. Drafts follow at once; released versions keep their text.", "SUCCESS"
                )
                return HttpResponseRedirect(self.address_of("change", condition.pk))
        context = {
            "condition": condition,
            "phrase": phrase(condition.tree, {}),
            "used_by": shared_conditions.using(condition, by=request.user),
            "form": form if may_change else None,
        }
        return self.page(request, "automations/condition.html", condition, str(condition), context)


def _refuse(form: forms.Form, error: Refusal | DefinitionError) -> None:
    if isinstance(error, Refusal):
        refused_fields(form, error)
        return
    for problem in error.problems:
        where = problem.path.removeprefix("tree").lstrip(".")
        form.add_error("tree", f"{where}: {problem.message} {problem.fix}".strip(": "))
