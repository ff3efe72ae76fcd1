"""The inlines of a workflow's form: triggers, conditions, actions, scenarios, each on a tab of its own."""

from typing import Any

from django import forms
from django.http import HttpRequest
from unfold.admin import StackedInline

from automations.admin.forms import ActionForm, ConditionForm, ScenarioForm, TriggerForm
from automations.models import Action, Condition, Scenario, Trigger
from automations.permissions import may


class PartInline(StackedInline):
    """Who may edit the workflow may edit its parts. Nothing is saved from here (automations/admin/editing.py)."""

    extra = 0
    tab = True
    collapsible = True
    ordering_field = "position"
    hide_ordering_field = True
    show_change_link = False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return obj is None or may(request.user, "view", obj)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return obj is None or may(request.user, "edit", obj)

    has_add_permission = has_delete_permission = has_change_permission

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None and db_field.name == "position":
            field.required = False
            field.widget = forms.HiddenInput()
        return field


class TriggerInline(PartInline):
    model = Trigger
    form = TriggerForm
    verbose_name_plural = "triggers"
    fieldsets = (
        (None, {"fields": ("key", "kind", "config", "filter", "dedupe", "subject", "position")}),
        ("Payload contract", {"fields": ("contract",), "classes": ("collapse",)}),
    )


class ConditionInline(PartInline):
    model = Condition
    form = ConditionForm
    fk_name = "workflow"
    verbose_name_plural = "conditions"
    fieldsets = ((None, {"fields": ("name", "tree", "position")}),)


class ActionInline(PartInline):
    model = Action
    form = ActionForm
    verbose_name = "step"
    verbose_name_plural = "steps"
    fieldsets = (
        (None, {"fields": ("key", "kind", "needs", "when", "config", "owner", "if_it_fails", "position")}),
        (
            "Failures and retries",
            {"fields": ("retry", "timeout", "on_failure", "on_unknown"), "classes": ("collapse",)},
        ),
        ("More", {"fields": ("join", "after_skip", "risk", "safety", "replaces"), "classes": ("collapse",)}),
    )


class ScenarioInline(PartInline):
    model = Scenario
    form = ScenarioForm
    verbose_name_plural = "scenarios"
    fieldsets = (
        (None, {"fields": ("name", "payload", "expect", "position")}),
        ("More", {"fields": ("trigger", "headers", "as_user", "outputs"), "classes": ("collapse",)}),
    )


INLINES = (TriggerInline, ConditionInline, ActionInline, ScenarioInline)
