"""Addresses: the admin, the API, the hooks, health."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
    path("api/v1/", include("config.api")),
    path("hooks/", include("webhooks.urls")),
    path("", include("runs.urls")),
]
