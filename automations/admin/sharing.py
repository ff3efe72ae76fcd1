"""Who may name a connection, an endpoint or an account in a workflow: a card on its page."""

from typing import Any

from django.contrib.auth.models import Group, User
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern

from automations import access
from automations.admin.base import ProductAdmin, act
from automations.admin.forms import HolderForm
from automations.refusals import Invalid


class SharingAdmin(ProductAdmin):
    """Brings the card's context (`sharing`) and the address its buttons post to."""

    def own_urls(self) -> list[URLPattern]:
        return [self.own("<int:object_id>/use/", self.use, "use"), *super().own_urls()]

    def sharing(self, request: HttpRequest, thing: Any) -> dict[str, Any]:
        """Context of automations/sharing.html."""
        return {
            "users": access.users_of(thing),
            "share_form": HolderForm() if access.may_share(request.user, thing) else None,
            "share_address": self.address_of("use", thing.pk),
        }

    def use(self, request: HttpRequest, object_id: int) -> HttpResponse:
        thing = self.row(request, object_id)
        return act(request, lambda: self._use(request, thing), "Noted.", self.address_of("change", thing.pk))

    def _use(self, request: HttpRequest, thing: Any) -> None:
        kind, _, name = request.POST.get("stop", "").partition(":")
        if kind:
            holder: User | Group | None = Group.objects.filter(name=name).first()
            if kind == "user":
                holder = User.objects.filter(username=name).first()
            if holder is None:
                raise Invalid.at("stop", "Nobody of that name may use it.")
            access.stop_using(thing, holder, by=request.user)
            return
        form = HolderForm(request.POST)
        if not form.is_valid():
            raise Invalid.at("user", "Choose a person or a group.")
        access.let_use(thing, form.cleaned_data["user"] or form.cleaned_data["group"], by=request.user)
