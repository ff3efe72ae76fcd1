"""The admin: whoever holds any role may sign in, and the sidebar is sorted by what people do."""

from typing import Any

from django import forms
from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.templatetags.static import static
from django.urls import reverse
from unfold.dataclasses import Favicon
from unfold.forms import AuthenticationForm
from unfold.sites import UnfoldAdminSite


class SignInForm(AuthenticationForm):
    """Signs in whoever holds a role; `is_staff` is not asked for."""

    def confirm_login_allowed(self, user: AbstractBaseUser) -> None:
        from automations.permissions import may_sign_in

        if not may_sign_in(user):
            raise forms.ValidationError(
                "This account holds no role yet. Ask the owner of a workflow to give it one.", code="no_role"
            )


class ProductAdminSite(UnfoldAdminSite):
    """Object permissions decide what is seen; the site itself opens to every role."""

    index_template = "runs/home.html"
    index_title = "Home"
    login_form = SignInForm

    def __init__(self, name: str = "admin") -> None:
        super().__init__(name)
        self.disable_action("delete_selected")  # rows are deleted one by one, each with its own check

    def has_permission(self, request: HttpRequest) -> bool:
        from automations.admin.base import has_role
        from automations.permissions import may_sign_in

        user = request.user
        return user.is_authenticated and (has_role(user) or may_sign_in(user))

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        return {
            **super().each_context(request),
            "site_url": None,
            "styles": [static("automations/product.css")],
            "site_favicons": [Favicon(href=static("automations/mark.svg"), rel="icon", type="image/svg+xml")],
        }

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        from runs.admin.home import home

        return super().index(request, {**home(request.user), **(extra_context or {})})


#: group → (title, icon, model or the name of a page); a model that is not registered has no entry.
_SIDEBAR: tuple[tuple[str, tuple[tuple[str, str, str], ...]], ...] = (
    (
        "Today",
        (
            ("Home", "home", "index"),
            ("Approvals", "approval", "automations_runs.approval"),
            ("Dead letters", "report", "automations_runs.deadletter"),
        ),
    ),
    (
        "Build",
        (
            ("Workflows", "account_tree", "automations.workflow"),
            ("Shared conditions", "rule", "automations.condition"),
            ("Connections", "cable", "automations.connection"),
        ),
    ),
    (
        "Watch",
        (
            ("Runs", "play_circle", "automations_runs.run"),
            ("Events", "bolt", "automations_runs.event"),
            ("Evaluations", "alt_route", "automations_runs.evaluation"),
            ("Batches", "replay", "automations_runs.batch"),
            ("Workers", "engineering", "automations_runs.worker"),
        ),
    ),
    (
        "Wire",
        (
            ("Endpoints", "webhook", "automations_webhooks.endpoint"),
            ("Receipts", "receipt_long", "automations_webhooks.receipt"),
        ),
    ),
    (
        "Manage",
        (
            ("People", "person", "auth.user"),
            ("Groups", "group", "auth.group"),
            ("API tokens", "key", "knox.authtoken"),
            ("Queue", "stacks", "django_q.ormq"),
            ("Failed tasks", "running_with_errors", "django_q.failure"),
        ),
    ),
)


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """Sidebar groups (Today, Build, Watch, Wire, Manage) with what this person may open."""
    groups = []
    for title, entries in _SIDEBAR:
        items = [item for entry in entries if (item := _item(request, *entry))]
        if items:
            groups.append({"title": title, "items": items})
    return groups


def _item(request: HttpRequest, title: str, icon: str, target: str) -> dict[str, Any] | None:
    from django.contrib import admin

    if "." not in target:
        return {"title": title, "icon": icon, "link": reverse(f"admin:{target}")}
    model_admin = next((a for m, a in admin.site._registry.items() if m._meta.label_lower == target), None)
    if model_admin is None or not model_admin.has_view_permission(request):
        return None
    link = reverse(f"admin:{target.replace('.', '_')}_changelist")
    item: dict[str, Any] = {"title": title, "icon": icon, "link": link}
    badge = getattr(model_admin, "sidebar_badge", None)
    if badge and (number := badge(request)):
        item |= {"badge": number, "badge_variant": "danger"}
    return item
