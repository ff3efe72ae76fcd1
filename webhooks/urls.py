"""`/hooks/` inside Django, for servers that are not started through config.wsgi (tests, runserver)."""

from django.urls import path

from webhooks.views import hook

urlpatterns = [path("<path:slug>", hook, name="hook")]
