"""People and groups, in the product's look. Only superusers make superusers, or touch their accounts."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as StockGroupAdmin
from django.contrib.auth.admin import UserAdmin as StockUserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from unfold.decorators import display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminSelect2MultipleWidget

from automations import html
from automations.admin.base import ProductAdmin
from automations.admin.sharing import SharingAdmin
from automations.permissions import may_manage

admin.site.unregister(User)
admin.site.unregister(Group)
HELP = {
    "is_staff": "May sign in here without holding a role.",
    "is_superuser": "May do everything, everywhere.",
    "is_active": "Switch it off instead of deleting an account: what it did stays explained.",
    "groups": "Teams; a team's roles are its members'.",
}
POWERS = ("is_superuser", "is_staff", "user_permissions")


class AccountAdmin(ProductAdmin):
    """Accounts are the installation's: Django's model permissions decide, for all of them alike."""

    def visible(self, user: Any) -> QuerySet:
        return self.model._default_manager.all()

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None and db_field.many_to_many:
            choices = field.widget.choices  # a searchable list, narrower than two boxes side by side
            field.widget = UnfoldAdminSelect2MultipleWidget()
            field.widget.choices = choices
        return field

    def allowed(self, user: Any, verb: str, row: Any) -> bool:
        return may_manage(user, verb, self.model) or (verb == "view" and may_manage(user, "change", self.model))


@admin.register(User)
class PersonAdmin(SharingAdmin, AccountAdmin, StockUserAdmin):  # type: ignore[misc]
    change_form_outer_after_template = "automations/person.html"
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "full_name", "email", "state", "seen")
    list_filter = ()
    filter_horizontal = ()
    fieldsets = (
        (None, {"fields": ("username", "password", "first_name", "last_name", "email")}),
        ("Access", {"fields": ("is_active", "groups", "is_superuser")}),
        ("Rights on the whole installation", {"fields": ("is_staff", "user_permissions"), "classes": ("collapse",)}),
    )
    empty = ("No people", "")

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        person = self.row(request, object_id)
        return super().change_view(
            request, object_id, form_url, {**self.sharing(request, person), **(extra_context or {})}
        )

    def allowed(self, user: Any, verb: str, row: Any) -> bool:
        if isinstance(row, User) and row.is_superuser and verb != "view" and not user.is_superuser:
            return False
        return super().allowed(user, verb, row)

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None and db_field.name in HELP:
            field.help_text = HELP[db_field.name]
        return field

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return () if request.user.is_superuser else (*POWERS, "groups")

    @display(description="Name")
    def full_name(self, person: User) -> str:
        return person.get_full_name() or html.NOTHING

    @display(description="State")
    def state(self, person: User) -> str:
        if not person.is_active:
            return html.pill("Inactive")
        return html.pill("Superuser", "info") if person.is_superuser else html.pill("Active", "success")

    @display(description="Last sign-in", ordering="last_login")
    def seen(self, person: User) -> str:
        return html.moment(person.last_login)


@admin.register(Group)
class TeamAdmin(AccountAdmin, StockGroupAdmin):  # type: ignore[misc]
    list_display = ("name", "members")
    filter_horizontal = ()
    empty = ("No groups yet", "A group is a team: give it roles on workflows, and people get them by joining.")
    empty_icon = "group"

    def visible(self, user: Any) -> QuerySet:
        return Group.objects.annotate(member_count=Count("user"))

    @display(description="Members", ordering="member_count")
    def members(self, group: Group) -> int:
        return group.member_count  # type: ignore[attr-defined]
