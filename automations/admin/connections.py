"""Connections: outside services. A credential goes in here and is never shown."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from unfold.decorators import display

from automations import connections, html
from automations.admin.base import HistoryAdmin, ManagedAdmin, named_by, refused_fields
from automations.admin.fields import EditorWidget
from automations.admin.sharing import SharingAdmin
from automations.models import Connection
from automations.permissions import may_manage
from automations.refusals import Refusal

KEEP = "keep"
#: auth type → what people call it
TYPES = {
    "none": "No credential",
    "basic": "User and password",
    "bearer": "Bearer token",
    "header": "A header",
    "query": "In the query",
}
_WIDE = {"autocomplete": "off", "spellcheck": "false"}


class ConnectionForm(forms.Form):
    """`auth` is written as a whole or left as it is; what is stored never comes back."""

    slug = forms.SlugField(max_length=100, help_text="How steps name it, as in crm.")
    name = forms.CharField(max_length=200, required=False)
    base_urls = forms.CharField(
        label="Base URLs",
        widget=EditorWidget(2),
        help_text="One a line, as in https://crm.example.com/api. The first is used.",
    )
    auth_type = forms.ChoiceField(label="Credential")
    auth_username = forms.CharField(label="User", required=False, widget=forms.TextInput(_WIDE))
    auth_password = forms.CharField(
        label="Password", required=False, widget=forms.PasswordInput({"autocomplete": "new-password"})
    )
    auth_token = forms.CharField(
        label="Token", required=False, widget=forms.PasswordInput({"autocomplete": "new-password"})
    )
    auth_name = forms.CharField(
        label="Name", required=False, widget=forms.TextInput(_WIDE), help_text="Of the header or parameter."
    )
    auth_value = forms.CharField(
        label="Value", required=False, widget=forms.PasswordInput({"autocomplete": "new-password"})
    )
    timeout = forms.CharField(max_length=20, required=False, help_text="Of one call, as in 30s (the default).")
    max_concurrency = forms.IntegerField(min_value=1, required=False, label="Calls at a time")
    rate = forms.FloatField(required=False, label="Calls per second")
    allow_private = forms.BooleanField(required=False, label="May reach private networks")
    expires_at = forms.SplitDateTimeField(
        required=False,
        label="Credential ends",
        widget=forms.SplitDateTimeWidget(date_attrs={"type": "date"}, time_attrs={"type": "time"}),
    )

    def __init__(self, *args: Any, connection: Connection | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = list(TYPES.items())
        if connection is not None:
            del self.fields["slug"]
            choices = [(KEEP, f"Leave as it is ({auth_of(connection)})"), *choices]
        self.fields["auth_type"].choices = choices  # type: ignore[attr-defined]
        for kind in TYPES:
            for name in connections.AUTH[kind]:
                attributes = self.fields[f"auth_{name}"].widget.attrs
                attributes["data-for"] = f"{attributes.get('data-for', '')} {kind}".strip()

    def values(self) -> dict[str, Any]:
        """What `connections.create` and `update` take."""
        given = dict(self.cleaned_data)
        given.pop("slug", None)
        kind = given.pop("auth_type")
        secrets = {name: given.pop(f"auth_{name}") for name in ("username", "password", "token", "name", "value")}
        if kind != KEEP:
            wanted = {name: secrets[name] for name in connections.AUTH[kind]}
            given["auth"] = None if kind == "none" else {"type": kind, **wanted}
        given["base_urls"] = [line.strip() for line in given["base_urls"].splitlines() if line.strip()]
        return given


def auth_of(connection: Connection) -> str:
    """What kind of credential is set, never the credential."""
    try:
        auth: Any = connection.auth
    except ValueError:
        return "cannot be read with the present keys"
    return TYPES.get(auth["type"] if auth else "none", "set").lower()


@admin.register(Connection)
class ConnectionAdmin(HistoryAdmin, SharingAdmin, ManagedAdmin):
    list_display = ("title", "slug", "address", "limits", "ends")
    search_fields = ("slug", "name")
    exclude = ("auth",)
    empty = (
        "No connection yet",
        "A connection is a service your workflows call: its address, its credential, its limits.",
    )
    empty_icon = "cable"

    def visible(self, user: Any) -> QuerySet[Connection]:
        return super().visible(user).defer("auth")

    @display(description="Connection", ordering="name")
    def title(self, connection: Connection) -> str:
        return str(connection)

    @display(description="Address")
    def address(self, connection: Connection) -> str:
        return html.brief(", ".join(map(str, connection.base_urls)), 70)

    @display(description="Limits")
    def limits(self, connection: Connection) -> str:
        parts = [f"{connection.max_concurrency} at a time"] if connection.max_concurrency else []
        parts += [f"{connection.rate:g} per second"] if connection.rate else []
        return ", ".join(parts) or html.NOTHING

    @display(description="Credential ends")
    def ends(self, connection: Connection) -> str:
        return html.moment(connection.expires_at)

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        self.require(request, "add", None)
        form = ConnectionForm(request.POST or None, connection=None)
        if request.method == "POST" and form.is_valid():
            try:
                made = connections.create(form.cleaned_data["slug"], by=request.user, **form.values())
            except Refusal as refusal:
                refused_fields(form, refusal)
            else:
                self.message_user(request, f"Connection {made} is there.", "SUCCESS")
                return HttpResponseRedirect(self.address_of("change", made.pk))
        context = {"form": form, "submit": "Create", "back": self.address_of("changelist")}
        return self.page(request, "automations/connection_form.html", None, "New connection", context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        connection = self.row(request, object_id)
        may_change = may_manage(request.user, "change", connection)
        if request.method == "POST":
            self.require(request, "change", connection)
        initial = {name: getattr(connection, name) for name in connections.CHANGEABLE if name != "auth"}
        initial["base_urls"] = "\n".join(map(str, connection.base_urls))
        form = ConnectionForm(request.POST or None, connection=connection, initial=initial)
        if request.method == "POST" and form.is_valid():
            try:
                connections.update(connection, by=request.user, **form.values())
            except Refusal as refusal:
                refused_fields(form, refusal)
            else:
                self.message_user(request, "Saved.", "SUCCESS")
                return HttpResponseRedirect(self.address_of("change", connection.pk))
        context = {
            "connection": connection,
            "auth": auth_of(connection),
            "form": form if may_change else None,
            "submit": "Save",
            "may_delete": may_manage(request.user, "delete", connection),
            **self.sharing(request, connection),
            "used_by": named_by("connection", connection.slug, request.user),
        }
        return self.page(request, "automations/connection.html", connection, str(connection), context)

    def delete_model(self, request: HttpRequest, obj: Connection) -> None:
        connections.delete(obj, by=request.user)
