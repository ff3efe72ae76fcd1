"""Endpoints: inbound addresses. A secret is shown once, when the product makes it."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern
from unfold.decorators import display

from automations import html
from automations.admin.base import HistoryAdmin, ManagedAdmin, named_by, refused_fields
from automations.admin.fields import StructureField
from automations.admin.sharing import SharingAdmin
from automations.models import Workflow
from automations.permissions import may_manage, visible_to
from automations.refusals import Refusal
from runs import words
from webhooks import endpoints, signatures
from webhooks.admin import samples
from webhooks.admin.receipts import listed_receipts, verdict
from webhooks.models import Endpoint, Receipt

RECEIPTS_SHOWN = 8


class EndpointForm(forms.Form):
    """`secret` is written or left alone; what is stored never comes back."""

    slug = forms.SlugField(max_length=100, help_text="The end of its address, as in shop.")
    name = forms.CharField(max_length=200, required=False)
    scheme = forms.ChoiceField(
        choices=lambda: [(name, name) for name in signatures.SCHEMES], help_text="How the sender signs."
    )
    enabled = forms.BooleanField(required=False, initial=True, label="Accepts deliveries")
    secret = forms.CharField(
        required=False,
        widget=forms.PasswordInput({"autocomplete": "new-password"}),
        help_text="Paste the sender's; leave it empty and the product makes one and shows it once.",
    )
    options = StructureField(empty={}, help_text="Of the scheme, as in {window: 300}; max_bytes caps the body.")

    def __init__(self, *args: Any, endpoint: Endpoint | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if endpoint is not None:
            del self.fields["slug"]
            self.fields[
                "secret"
            ].help_text = "Empty: it stays as it is. A new one replaces it at once; better rotate it."

    def values(self) -> dict[str, Any]:
        """What `endpoints.create` and `update` take."""
        given = {name: value for name, value in self.cleaned_data.items() if name != "slug"}
        if not given["secret"]:
            del given["secret"]
        return given


@admin.register(Endpoint)
class EndpointAdmin(HistoryAdmin, SharingAdmin, ManagedAdmin):
    list_display = ("title", "url_path", "scheme", "state", "last_verdict", "last_at")
    search_fields = ("slug", "name")
    exclude = ("secret", "previous_secret")
    empty = (
        "No endpoint yet",
        "An endpoint is an address that takes webhooks. Give one to a sender, and name it in a trigger.",
    )
    empty_icon = "webhook"

    def visible(self, user: Any) -> QuerySet[Endpoint]:
        newest = Receipt.objects.filter(endpoint=OuterRef("pk")).order_by("-id")
        rows = super().visible(user).defer("secret", "previous_secret")
        return rows.annotate(
            newest_verdict=Subquery(newest.values("verdict")[:1]), newest_at=Subquery(newest.values("received_at")[:1])
        )

    @display(description="Endpoint", ordering="name")
    def title(self, endpoint: Endpoint) -> str:
        return str(endpoint)

    @display(description="Address")
    def url_path(self, endpoint: Endpoint) -> str:
        return f"/hooks/{endpoint.slug}"

    @display(description="State")
    def state(self, endpoint: Endpoint) -> str:
        return html.pill("Accepts", "success") if endpoint.enabled else html.pill("Switched off")

    @display(description="Last delivery")
    def last_verdict(self, endpoint: Any) -> str:
        return words.state(endpoint.newest_verdict) if endpoint.newest_verdict else html.NOTHING

    @display(description="At")
    def last_at(self, endpoint: Any) -> str:
        return html.moment(endpoint.newest_at)

    def own_urls(self) -> list[URLPattern]:
        return [self.own("<int:object_id>/rotate/", self.rotate, "rotate"), *super().own_urls()]

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        self.require(request, "add", None)
        form = EndpointForm(request.POST or None, endpoint=None)
        if request.method == "POST" and form.is_valid():
            try:
                made, secret = endpoints.create(form.cleaned_data["slug"], by=request.user, **form.values())
            except Refusal as refusal:
                refused_fields(form, refusal)
            else:
                return self._shown_once(request, made, secret) if secret else self._back(request, made, "It is there.")
        context = {"form": form, "submit": "Create", "back": self.address_of("changelist")}
        return self.page(request, "automations/form.html", None, "New endpoint", context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        endpoint = self.row(request, object_id)
        may_change = may_manage(request.user, "change", endpoint)
        if request.method == "POST":
            self.require(request, "change", endpoint)
        initial = {name: getattr(endpoint, name) for name in endpoints.CHANGEABLE if name != "secret"}
        form = EndpointForm(request.POST or None, endpoint=endpoint, initial=initial)
        if request.method == "POST" and form.is_valid():
            try:
                endpoints.update(endpoint, by=request.user, **form.values())
            except Refusal as refusal:
                refused_fields(form, refusal)
            else:
                return self._back(request, endpoint, "Saved.")
        return self.page(
            request,
            "webhooks/endpoint.html",
            endpoint,
            str(endpoint),
            self._context(request, endpoint, form, may_change),
        )

    def _context(
        self, request: HttpRequest, endpoint: Endpoint, form: EndpointForm, may_change: bool
    ) -> dict[str, Any]:
        url = address(endpoint)
        listening = Workflow.objects.filter(listeners__route=f"hooks/{endpoint.slug}").values("pk")
        return {
            "endpoint": endpoint,
            "url": url,
            "sample": samples.sample(endpoint.scheme, url, endpoint.options or {}),
            "form": form if may_change else None,
            "may_delete": may_manage(request.user, "delete", endpoint),
            "listening": visible_to(request.user).filter(pk__in=listening),
            **self.sharing(request, endpoint),
            "named_by": named_by("endpoint", endpoint.slug, request.user),
            "receipts": [
                (receipt, verdict(receipt))
                for receipt in listed_receipts(request.user).filter(endpoint=endpoint).order_by("-id")[:RECEIPTS_SHOWN]
            ],
        }

    def rotate(self, request: HttpRequest, object_id: int) -> HttpResponse:
        endpoint = self.row(request, object_id)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        try:
            secret, until = endpoints.rotate(endpoint, by=request.user)
        except Refusal as refusal:
            return self._back(request, endpoint, str(refusal), "ERROR")
        note = html.pair("The old secret is accepted until", html.moment(until))
        return self._shown_once(request, endpoint, secret, note)

    def _shown_once(self, request: HttpRequest, endpoint: Endpoint, secret: str, note: str = "") -> HttpResponse:
        context = {
            "secret": secret,
            "lead": "Copy it now and enter it at the sender: it is shown this once and can never be read again.",
            "note": note,
            "sample": samples.sample(endpoint.scheme, address(endpoint), endpoint.options or {}),
            "back": self.address_of("change", endpoint.pk),
        }
        return self.page(request, "automations/secret.html", endpoint, f"The secret of {endpoint}", context)

    def _back(self, request: HttpRequest, endpoint: Endpoint, message: str, level: str = "SUCCESS") -> HttpResponse:
        self.message_user(request, message, level)
        return HttpResponseRedirect(self.address_of("change", endpoint.pk))

    def delete_model(self, request: HttpRequest, obj: Endpoint) -> None:
        endpoints.delete(obj, by=request.user)


def address(endpoint: Endpoint) -> str:
    """Where senders deliver to."""
    return f"{settings.PUBLIC_URL}/hooks/{endpoint.slug}"
