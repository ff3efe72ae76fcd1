"""WSGI entry point: the door to the hooks first, Django behind it."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

django_application = get_wsgi_application()

from webhooks.door import Door  # noqa: E402  needs the apps that get_wsgi_application has loaded

application = Door(django_application)
