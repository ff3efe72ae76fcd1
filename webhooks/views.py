"""`/hooks/` through Django, for servers that do not start through config.wsgi: the same door."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from webhooks.door import handle
from webhooks.receive import encode


@csrf_exempt
def hook(request: HttpRequest, slug: str) -> HttpResponse:
    answer = handle(request.META | {"wsgi.input": request}, slug)
    body = encode(answer.body)
    response = HttpResponse(body, status=answer.status, headers=dict(answer.headers))
    response["Content-Type"] = "application/json" if answer.status < 300 else "application/problem+json"
    return response
