"""Workflows: list, form, and the pages around one workflow (overview, definition, releases, access, history).

Execution adds its own pages and columns to this (runs/admin/workflows.py).
"""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList as StockChangeList
from django.contrib.admin.widgets import RelatedFieldWidgetWrapper
from django.contrib.auth.models import Group, User
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from unfold.decorators import display
from unfold.views import ChangeList

from automations import documents, html, kinds, workflows
from automations.admin import editing, pages
from automations.admin.base import HistoryAdmin, verbs_of
from automations.admin.filters import ModeFilter
from automations.admin.forms import WorkflowForm
from automations.admin.parts import INLINES
from automations.admin.story import setting_hints
from automations.engine.errors import DefinitionError, Problem
from automations.models import Workflow
from automations.permissions import may, may_create, visible_to
from automations.refusals import Invalid, Stale
from automations.templatetags.product import mode_pill


class OverviewList(ChangeList):
    """Rows lead to the overview, not to the form."""

    def url_for_result(self, result: Any) -> str:
        return html.page_address(result)


@admin.register(Workflow)
class WorkflowAdmin(pages.WorkflowPages, HistoryAdmin):
    form = WorkflowForm
    inlines = INLINES
    list_display: tuple[str, ...] = ("title", "mode_word", "owner_name", "team_name", "version_name", "updated")
    list_filter = (ModeFilter,)
    search_fields = ("slug", "name", "description", "process")
    search_help_text = "Name, slug, description or process"
    sortable_by = ("title", "updated")
    change_list_template = "automations/workflow/list.html"
    change_form_template = "automations/workflow/change_form.html"
    warn_unsaved_form = True
    empty = (
        "No workflow yet",
        "A workflow says what should happen when something arrives. Create one, or import YAML.",
    )
    empty_icon = "account_tree"
    fieldsets = (
        (None, {"fields": ("name", "description", "process", "tags", "seen")}),
        ("People", {"fields": ("owner", "deputy", "team", "run_as")}),
        ("When it goes wrong", {"fields": ("alerts", "runbook")}),
        ("Limits", {"fields": ("priority", "timeout", "concurrency"), "classes": ("collapse",)}),
    )
    add_fieldsets = ((None, {"fields": ("name", "slug", "description", "team")}),)

    # Rights

    def visible(self, user: Any) -> QuerySet[Workflow]:
        return visible_to(user).select_related("owner", "team", "current_version").defer("current_version__document")

    def allowed(self, user: Any, verb: str, row: Any) -> bool:
        if verb == "add":
            return may_create(user)
        if row is None:
            return verb == "view"
        return may(user, {"change": "edit"}.get(verb, verb), row)  # type: ignore[arg-type]

    # The list

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[StockChangeList]:
        return OverviewList

    @display(description="Workflow", ordering="name")
    def title(self, workflow: Workflow) -> str:
        return str(workflow)

    @display(description="Mode")
    def mode_word(self, workflow: Workflow) -> str:
        return mode_pill(workflow)

    @display(description="Owner")
    def owner_name(self, workflow: Workflow) -> str:
        return workflow.owner.get_username() if workflow.owner else html.NOTHING

    @display(description="Team")
    def team_name(self, workflow: Workflow) -> str:
        return workflow.team.name if workflow.team else html.NOTHING

    @display(description="Version")
    def version_name(self, workflow: Workflow) -> str:
        return str(workflow.current_version.number) if workflow.current_version else html.NOTHING

    @display(description="Changed", ordering="updated_at")
    def updated(self, workflow: Workflow) -> str:
        return html.moment(workflow.updated_at)

    # The form

    def get_inlines(self, request: HttpRequest, obj: Any) -> tuple:
        return INLINES if obj else ()

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        form.refused = getattr(request, "refused", ())
        return form

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.related_model is User:
            kwargs["queryset"] = User.objects.filter(is_active=True).order_by("username")
        elif db_field.related_model is Group:
            kwargs["queryset"] = Group.objects.order_by("name")
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if isinstance(getattr(field, "widget", None), RelatedFieldWidgetWrapper):
            field.widget = field.widget.widget  # no "add another person" beside a field of the definition
        return field

    def _create_formsets(self, request: HttpRequest, obj: Any, change: bool) -> Any:
        formsets, inlines = super()._create_formsets(request, obj, change)
        obj.parts = formsets
        return formsets, inlines

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        workflow = self.row(request, object_id)
        verbs = verbs_of(request.user, workflow)
        if "edit" not in verbs:
            if request.method == "POST":
                return super().change_view(request, object_id, form_url, extra_context)  # 403
            return HttpResponseRedirect(self.address_of("overview", workflow.pk))
        context = {
            "tabs": self.tabs(workflow, verbs, "change"),
            "findings": pages.findings(documents.document_of(workflow)),
            "kinds": {name: setting_hints(kind) for name, kind in [*kinds.triggers.items(), *kinds.actions.items()]},
            "title": f"Edit {workflow}",
            "show_delete": False,
            "show_save_and_add_another": False,
        }
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        context = {"title": "New workflow", "show_save_and_add_another": False, "show_save_and_continue": False}
        return super().add_view(request, form_url, {**context, **(extra_context or {})})

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> dict[str, tuple[str, ...]]:
        return {} if obj else {"slug": ("name",)}

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """A save that the definition's checks refuse shows the form again, each problem at its field."""
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except DefinitionError as error:
            request.refused = error.problems  # type: ignore[attr-defined]
        except (Stale, Invalid) as error:
            request.refused = [Problem("", str(error))]  # type: ignore[attr-defined]
        return super().changeform_view(request, object_id, form_url, extra_context)

    def save_model(self, request: HttpRequest, obj: Workflow, form: Any, change: bool) -> None:
        before = Workflow.objects.get(pk=obj.pk) if change else None
        saved = documents.save(
            editing.document_from(form, obj.parts, before),  # type: ignore[attr-defined]
            by=request.user,
            workflow=before,
            incomplete=True,
            revision=form.cleaned_data.get("seen") if change else None,
        )
        obj.pk = saved.workflow.pk
        for left_out in saved.not_applied:
            messages.warning(request, f"{left_out['path']}: {left_out['message']}")
        if saved.findings:
            messages.info(request, f"Saved. To look at: {len(saved.findings)}.")

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """The parts were saved with the document."""

    def construct_change_message(self, request: HttpRequest, form: Any, formsets: Any, add: bool = False) -> str:
        return "Created the workflow." if add else "Changed the definition."

    def response_add(self, request: HttpRequest, obj: Workflow, post_url_continue: Any = None) -> HttpResponse:
        return HttpResponseRedirect(self.address_of("change", obj.pk))

    def response_change(self, request: HttpRequest, obj: Workflow) -> HttpResponse:
        if "_continue" in request.POST:
            return HttpResponseRedirect(self.address_of("change", obj.pk))
        return HttpResponseRedirect(self.address_of("overview", obj.pk))

    def delete_model(self, request: HttpRequest, obj: Workflow) -> None:
        workflows.delete(obj, by=request.user)
