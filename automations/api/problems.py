"""Errors as answers: RFC 9457, `{type, title, status, detail, errors: [{path, message}]}`."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import DataError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from rest_framework import exceptions
from rest_framework.fields import get_error_detail
from rest_framework.views import set_rollback

from automations.engine.errors import AutomationError, DefinitionError, Problem, UnreadableError
from automations.refusals import Conflict, GateClosed, Refusal, Stale

log = logging.getLogger(__name__)

CONTENT_TYPE = "application/problem+json"
Errors = list[dict[str, Any]]


class TooLarge(exceptions.APIException):
    """The body is larger than the address allows."""

    status_code = 413
    default_detail = "The body is too large."


def problem(
    status: int,
    detail: str = "",
    errors: Errors | None = None,
    *,
    headers: Mapping[str, str] | None = None,
    **more: Any,
) -> HttpResponse:
    """One error answer. Without errors the detail itself is the only one, about the request as a whole."""
    title = HTTPStatus(status).phrase
    errors = errors or [{"path": "", "message": detail or title}]
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail or errors[0]["message"]}
    text = json.dumps({**body, "errors": errors, **more}, ensure_ascii=True, default=str)
    return HttpResponse(text, status=status, content_type=CONTENT_TYPE, headers=dict(headers or {}))


def problem_response(error: Exception, context: Mapping[str, Any]) -> HttpResponse:
    """Django REST framework's exception handler: every error of an API view becomes a problem."""
    set_rollback()
    if isinstance(error, exceptions.APIException):
        return _of_framework(error)
    if isinstance(error, AutomationError):
        return _of_domain(error)
    if isinstance(error, Http404):
        return problem(404, "There is no such thing, or you may not see it.")
    if isinstance(error, PermissionDenied):
        return problem(403, str(error) or "You may not do this.")
    if isinstance(error, DjangoValidationError):
        return problem(400, errors=flatten(get_error_detail(error)))
    if isinstance(error, RequestDataTooBig):
        return problem(413, "The body is too large.")
    if isinstance(error, DataError | OverflowError):
        log.warning("a value did not fit into the database", exc_info=error)
        return problem(400, "A number or text in the request is too large.")
    if isinstance(error, OperationalError):
        log.warning("the database did not answer in time", exc_info=error)
        return problem(503, "The database is busy. Try again in a moment.", headers={"Retry-After": "1"})
    log.error("an API view failed", exc_info=error, extra={"path": getattr(context.get("request"), "path", "")})
    return problem(500, "This is a defect of the product. It has been logged.")


@csrf_exempt
def not_found(request: HttpRequest, **_: Any) -> HttpResponse:
    """The answer of every address under the API that does not exist."""
    return problem(404, "There is no such address; the schema lists them.")


def _of_framework(error: exceptions.APIException) -> HttpResponse:
    headers = {}
    if challenge := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if isinstance(error, exceptions.ValidationError):
        return problem(400, errors=flatten(error.detail))
    return problem(error.status_code, str(error.detail), headers=headers)


def _of_domain(error: AutomationError) -> HttpResponse:
    if isinstance(error, DefinitionError):
        return problem(400, "The definition cannot be used.", [finding(found) for found in error.problems])
    if isinstance(error, UnreadableError):
        place = {"line": error.line, "column": error.column} if error.line else {}
        return problem(400, str(error), [{"path": error.path, "message": error.message, **place}])
    if isinstance(error, GateClosed):
        return problem(409, error.message, error.errors, items=[vars_of(item) for item in error.items])
    status = 412 if isinstance(error, Stale) else 409 if isinstance(error, Conflict) else 400
    return problem(status, error.message, error.errors if isinstance(error, Refusal) else None)


def vars_of(item: Any) -> dict[str, Any]:
    """A slotted dataclass as data."""
    return {name: getattr(item, name) for name in item.__dataclass_fields__}


def finding(found: Problem) -> dict[str, Any]:
    """`{path, message, fix?, line?}` of what is wrong in a definition."""
    data: dict[str, Any] = {"path": found.path, "message": found.message}
    if found.fix:
        data["fix"] = found.fix
    return data | ({"line": found.line} if found.line else {})


def flatten(detail: Any, path: str = "") -> Errors:
    """The framework's nested errors as `[{path, message}]`, paths like `items[0].name`."""
    if isinstance(detail, Mapping):
        pairs: Iterable[tuple[str, Any]] = ((_join(path, str(key)), value) for key, value in detail.items())
        return [error for place, value in pairs for error in flatten(value, place)]
    if isinstance(detail, list):
        # A list holds messages about this place, or one mapping of errors per item.
        nested = any(isinstance(value, (Mapping, list)) for value in detail)
        places = [f"{path}[{index}]" if nested else path for index in range(len(detail))]
        return [error for place, value in zip(places, detail, strict=True) for error in flatten(value, place)]
    return [{"path": path, "message": str(detail)}]


def _join(path: str, key: str) -> str:
    if key == "non_field_errors":
        return path
    return f"{path}.{key}" if path else key
