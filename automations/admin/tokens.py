"""API tokens: one's own. The key is shown once, when it is made; the database holds its digest only."""

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from knox.models import AuthToken
from unfold.decorators import display

from automations import html
from automations.admin.base import ProductAdmin, has_role

admin.site.unregister(AuthToken)


class TokenForm(forms.Form):
    """`user` is asked of superusers only; everybody else makes tokens for themself."""

    days = forms.IntegerField(
        label="Valid for days", required=False, min_value=1, max_value=3650, help_text="Empty: it never ends by itself."
    )
    user: forms.ModelChoiceField = forms.ModelChoiceField(None, label="Acts as", empty_label=None)

    def __init__(self, *args: Any, by: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if by.is_superuser:
            people = get_user_model()._default_manager.filter(is_active=True).order_by("username")
            self.fields["user"].queryset = people  # type: ignore[attr-defined]
            self.fields["user"].initial = by
        else:
            del self.fields["user"]


@admin.register(AuthToken)
class TokenAdmin(ProductAdmin):
    list_display = ("token", "user_name", "made", "ends")
    ordering = ("-created",)
    empty = ("No API token yet", "A token lets a program act as you through the API.")
    empty_icon = "key"

    def visible(self, user: Any) -> QuerySet[AuthToken]:
        rows = AuthToken.objects.select_related("user")
        return rows if user.is_superuser else rows.filter(user=user)

    def allowed(self, user: Any, verb: str, row: Any) -> bool:
        if verb == "change" or not has_role(user):
            return False
        return row is None or user.is_superuser or row.user_id == user.pk  # type: ignore[attr-defined]

    @display(description="Token")
    def token(self, token: AuthToken) -> str:
        return f"{token.token_key} …"

    @display(description="Acts as")
    def user_name(self, token: AuthToken) -> str:
        return token.user.get_username()

    @display(description="Made")
    def made(self, token: AuthToken) -> str:
        return html.moment(token.created)

    @display(description="Ends")
    def ends(self, token: AuthToken) -> str:
        if token.expiry is None:
            return "never"
        return html.pill("Ended", "warning") if token.expiry < timezone.now() else html.moment(token.expiry)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        form = TokenForm(request.POST or None, by=request.user)
        if request.method == "POST" and form.is_valid():
            days = form.cleaned_data["days"]
            user = form.cleaned_data.get("user") or request.user
            row, key = AuthToken.objects.create(user, expiry=timedelta(days=days) if days else None)
            self.log_addition(request, row, f"API token {row.token_key} … for {user.get_username()}")
            return self.page(request, "automations/secret.html", None, "API token", _once(key))
        return self.page(
            request, "automations/form.html", None, "New API token", {"form": form, "submit": "Make the token"}
        )

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        row = self.row(request, object_id)
        return self.page(request, "automations/token.html", row, f"Token {row.token_key} …", {"token": row})

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        return super().history_view(request, self.row(request, object_id).pk, extra_context)


def _once(key: str) -> dict[str, Any]:
    return {
        "secret": key,
        "lead": "Copy it now: it is shown this once and can never be read again.",
        "sample": f'curl -H "Authorization: Token {key}" …/api/v1/workflows',
    }
