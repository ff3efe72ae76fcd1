"""The API's table of contents: each app brings its own."""

from django.urls import include, path, re_path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from automations.api.problems import not_found

urlpatterns = [
    path("", include("automations.api.urls")),
    path("", include("runs.api.urls")),
    path("", include("webhooks.api.urls")),
    path("schema", SpectacularAPIView.as_view(), name="api-schema"),
    path("docs", SpectacularSwaggerView.as_view(url_name="api-schema"), name="api-docs"),
    re_path(r"", not_found),
]
