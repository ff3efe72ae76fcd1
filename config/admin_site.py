"""The admin: whoever holds any role may sign in, and the sidebar is sorted by what people do."""

from typing import Any

from django.contrib.admin.apps import AdminConfig
from django.http import HttpRequest
from unfold.sites import UnfoldAdminSite


class ProductAdminConfig(AdminConfig):
    default_site = "config.admin_site.ProductAdminSite"


class ProductAdminSite(UnfoldAdminSite):
    """Object permissions decide what is seen; the site itself opens to every role."""

    def has_permission(self, request: HttpRequest) -> bool:
        from automations.permissions import holds_any_role

        return request.user.is_authenticated and holds_any_role(request.user)


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """Sidebar groups (DESIGN: Today, Build, Watch, Wire, Manage)."""
    return []
