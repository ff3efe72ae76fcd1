"""What every admin class of the product stands on: object permissions on every path, pages instead of raw forms.

The stock admin asks for rights on the *model* and the history pages ask for none on the *object*
(docs/screens.md, "Rights"). Here each class answers two questions, `visible` for lists and `allowed` for one row,
and every path of the admin goes through them: list, page, form, history, deletion, actions.
"""

from collections.abc import Callable, Mapping
from typing import Any

from django.contrib import messages
from django.contrib.admin import ShowFacets
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import models
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.text import capfirst
from simple_history.admin import SimpleHistoryAdmin
from unfold.admin import ModelAdmin
from unfold.paginator import InfinitePaginator

from automations.admin.history import changes_of, values_of
from automations.documents.references import naming
from automations.engine.errors import AutomationError
from automations.models import Workflow
from automations.permissions import VERBS, holds_any_role, listed_for, may_manage, roles, visible_to
from automations.refusals import Refusal

View = Callable[..., HttpResponse]


def has_role(user: Any) -> bool:
    """Whether `user` holds any role; asked once per request, though every entry of the sidebar wants to know."""
    if not hasattr(user, "_has_role"):
        user._has_role = holds_any_role(user)
    return user._has_role


def verbs_of(user: Any, workflow: Workflow) -> frozenset[str]:
    """What `user` may do with `workflow`, to decide which buttons a page shows; the functions behind them ask again."""
    held = roles(user, workflow)
    return frozenset(verb for verb, wanted in VERBS.items() if held & wanted)


class ProductAdmin(ModelAdmin):
    """Unfold's ModelAdmin under object permissions.

    `empty` = (what is missing, what to do next), shown where a list has no rows.
    """

    change_list_template = "automations/list.html"
    list_before_template = "automations/chips.html"
    compressed_fields = True
    list_per_page = 50
    list_filter_submit = True
    show_facets = ShowFacets.NEVER  # they count every row for every choice
    empty: tuple[str, str] = ("Nothing here yet", "")
    empty_icon = "inbox"

    # Rights: the two questions ----------------------------------------------------------------------------------

    def visible(self, user: Any) -> QuerySet:
        """The rows `user` may know of."""
        raise NotImplementedError

    def allowed(self, user: Any, verb: str, row: Any) -> bool:
        """Whether `user` may `view add change delete`; `row` None asks for the list as a whole."""
        raise NotImplementedError

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        rows = self.visible(request.user)
        ordering = self.get_ordering(request)
        return rows.order_by(*ordering) if ordering else rows

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        title = capfirst(str(self.opts.verbose_name_plural))
        return super().changelist_view(request, {"title": title, **(extra_context or {})})

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._answer(request, "view", obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self._answer(request, "add", None)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._answer(request, "change", obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._answer(request, "delete", obj)

    def _answer(self, request: HttpRequest, verb: str, obj: Any) -> bool:
        if obj is not None and not isinstance(obj, self.model):  # Unfold asks with the id of the row
            obj = self.visible(request.user).filter(pk=obj).first()
            if obj is None:
                return False
        return self.allowed(request.user, verb, obj)

    def require(self, request: HttpRequest, verb: str, row: models.Model | None) -> None:
        """Raise PermissionDenied unless this person may."""
        if not self.allowed(request.user, verb, row):
            raise PermissionDenied(f"You may not {verb} this {self.opts.verbose_name}.")

    # Deletion: one row, by the domain function that `delete_model` calls -------------------------------------------

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[list, dict, set, list]:
        """The row alone: what goes with it can be millions of rows, and the domain function decides about them."""
        return [str(row) for row in objs], {self.opts.verbose_name_plural: len(objs)}, set(), []

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        self.row(request, object_id)
        try:
            return super().delete_view(request, object_id, extra_context)
        except Refusal as refusal:
            messages.error(request, str(refusal))
            return HttpResponseRedirect(self.address_of("change", object_id))

    # Pages of our own -------------------------------------------------------------------------------------------

    def row(self, request: HttpRequest, object_id: str | int) -> Any:
        """The row of an address. Raises Http404 where there is none, or none this person may see."""
        try:
            found = self.get_queryset(request).get(pk=unquote(str(object_id)))
        except (self.model.DoesNotExist, ValueError, ValidationError):
            raise Http404(f"There is no such {self.opts.verbose_name}.") from None
        if not self.has_view_permission(request, found):
            raise Http404(f"There is no such {self.opts.verbose_name}.")
        return found

    def page(
        self, request: HttpRequest, template: str, row: Any, title: str, context: Mapping[str, Any], status: int = 200
    ) -> HttpResponse:
        """Render a page about `row` (None: about the model) inside the admin's frame."""
        request.current_app = self.admin_site.name
        return TemplateResponse(
            request,
            template,
            {
                **self.admin_site.each_context(request),
                "opts": self.opts,
                "model_admin": self,
                "original": row,
                "title": title,
                "subtitle": str(row) if row is not None else None,
                "media": self.media,
                **context,
            },
            status=status,
        )

    def address_of(self, name: str, *arguments: Any) -> str:
        """The address of one of this admin's pages by its short name, as in `address_of("change", 7)`."""
        options = self.opts
        return reverse(f"{self.admin_site.name}:{options.app_label}_{options.model_name}_{name}", args=arguments)

    def own(self, route: str, view: View, name: str) -> URLPattern:
        """A route of our own, behind the admin's sign-in."""
        options = self.opts
        return path(route, self.admin_site.admin_view(view), name=f"{options.app_label}_{options.model_name}_{name}")

    def own_urls(self) -> list[URLPattern]:
        return []

    def get_urls(self) -> list[URLPattern]:
        return [*self.own_urls(), *super().get_urls()]


class InfiniteList:
    """For lists that may be very long: newest first, no count of all rows, no free sorting."""

    paginator = InfinitePaginator
    show_full_result_count = False
    sortable_by = ()
    list_disable_select_all = True  # an action is about the rows one has seen


class ReadOnlyAdmin(ProductAdmin):
    """Rows that machines write: shown on a page, never added, changed or deleted here."""

    page_template: str

    def allowed(self, user: Any, verb: str, row: Any) -> bool:
        return verb == "view" and self.may_view(user, row)

    def may_view(self, user: Any, row: Any) -> bool:
        return True

    def page_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        return {}

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD"])
        row = self.row(request, object_id)
        return self.page(request, self.page_template, row, capfirst(str(row)), self.page_context(request, row))

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        raise Http404("This has no history of changes.")


class HistoryAdmin(SimpleHistoryAdmin, ProductAdmin):
    """History of changes, for those who may see the row itself.

    simple_history's own pages fall back to the history table and so show any row to anybody, and they save what is
    posted to a former state without asking for a right. Both addresses lead to pages of ours that only read.
    """

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        row = self.row(request, object_id)
        context = {"changes": changes_of(row)}
        return self.page(request, "automations/history.html", row, f"History of {row}", context)

    def history_form_view(
        self, request: HttpRequest, object_id: str, version_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD"])
        row = self.row(request, object_id)
        record = get_object_or_404(self.model.history, pk=version_id, **{self.opts.pk.name: row.pk})
        context = {"record": record, "values": values_of(record)}
        return self.page(request, "automations/record.html", row, f"{row}, as it was", context)


class ManagedAdmin(ProductAdmin):
    """Connections and endpoints: seen by whoever may name or manage them, managed by their makers and by managers."""

    def visible(self, user: Any) -> QuerySet:
        return listed_for(user, self.model)

    def allowed(self, user: Any, verb: str, row: Any) -> bool:
        if verb == "view":
            return has_role(user) if row is None else self.visible(user).filter(pk=row.pk).exists()
        if row is None and verb in ("change", "delete"):
            return False
        return may_manage(user, verb, row or self.model)


def act(request: HttpRequest, do: Callable[[], Any], done: str | Callable[[Any], str], back: str) -> HttpResponse:
    """Carry out one domain function for a button, tell its outcome, and go `back` to a page.

    A right that is missing stays an error (403); what the function refuses is told in its own words.
    """
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    try:
        outcome = do()
    except PermissionDenied:
        raise
    except (AutomationError, ValidationError, ValueError) as error:
        messages.error(request, _told(error))
    else:
        messages.success(request, done(outcome) if callable(done) else done)
    return HttpResponseRedirect(back)


def _told(error: Exception) -> str:
    """What was refused, and each thing it was refused for."""
    if isinstance(error, ValidationError):
        return " ".join(error.messages)
    details = [entry["message"] for entry in getattr(error, "errors", ()) if entry["message"] != str(error)]
    return " ".join([str(error), *details])


def refused_fields(form: Any, refusal: Refusal) -> None:
    """Put what a domain function refused beside the fields it is about (`auth.token` → auth_token)."""
    for error in refusal.errors or [{"path": "", "message": str(refusal)}]:
        name = error["path"].split("[")[0]
        field = next(
            (known for known in (name, name.replace(".", "_"), name.split(".")[0]) if known in form.fields), None
        )
        form.add_error(field, error["message"])


def named_by(noun: str, slug: str, user: Any) -> list[str]:
    """The workflows `user` may see that name this connection or endpoint."""
    named = naming(noun, slug)
    return list(visible_to(user).filter(slug__in=named).values_list("slug", flat=True)) if named else []
