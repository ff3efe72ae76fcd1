"""The baseline W3 is compared with: the same webhook as a bare, tuned django-q2 task that does every step inline and
records none of them. What a Django team would write first."""

from __future__ import annotations

import http.client
import json
import os
from typing import Any
from urllib.parse import urlsplit

from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

_kept: dict[str, http.client.HTTPConnection] = {}


@csrf_exempt
def hook(request: HttpRequest) -> HttpResponse:
    """Verify the signature, queue the task, answer."""
    from django_q.tasks import async_task

    from tests.builders_secret import SECRET
    from webhooks import signatures

    verdict = signatures.verify("github", [SECRET], dict(request.headers), request.body, now=0)
    if not verdict.ok:
        return HttpResponse(status=401)
    async_task("tests.benchmarks.baseline.perform", request.body.decode())
    return HttpResponse("{}", status=202, content_type="application/json", headers={"Content-Length": "2"})


def perform(body: str) -> None:
    """Condition, text, two calls over a kept connection."""
    event = json.loads(body)
    order = event["order"]
    if event["type"] != "order.paid":
        return
    text = f"Order {order['id']} over {order['total']}"
    if text and order["total"] > 100 and order["country"] in ("DE", "FR"):
        for address in ("/one", "/two"):
            _call(address, str(event["id"]))


def _call(address: str, text: str) -> None:
    host = urlsplit(os.environ["BASELINE_SINK"]).netloc
    connection: Any = _kept.setdefault(host, http.client.HTTPConnection(host))
    connection.request("POST", address, text.encode(), {"Content-Type": "text/plain"})
    connection.getresponse().read()


urlpatterns = [path("hooks/shop", hook)]


def __getattr__(name: str) -> Any:
    """`application`, made late: the settings module must be loaded by then."""
    if name == "application":
        return get_wsgi_application()
    raise AttributeError(name)
