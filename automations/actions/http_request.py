"""`http.request`: one call to a service, through a connection or to a whole URL.

`{connection + path | url, method, query?, headers?, json? | text? | form?, accept?: [status]}` →
`{status, headers, json | text}`; a status ≥ 400 fails unless accepted.
"""

import json
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlencode

from automations.engine.errors import Problem, StepError
from automations.kinds import ActionKind, Call, Effects, HttpAnswer, HttpCall

METHODS = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"]
#: Answers that say "not now" rather than "no" (RFC 9110; 425 RFC 8470; 429 RFC 6585).
RETRYABLE = {408, 425, 429, 500, 502, 503, 504}


class HttpRequest(ActionKind):
    name = "http.request"
    label = "Call a service"
    group = "Services"
    icon = "http"
    schema = {
        "type": "object",
        "properties": {
            "connection": {"type": "string", "title": "Connection"},
            "path": {
                "type": "string",
                "title": "Path",
                "description": "Under the connection's base URL, as in /notes.",
            },
            "url": {"type": "string", "title": "URL", "description": "Whole, where there is no connection."},
            "method": {"type": "string", "enum": METHODS, "default": "GET", "title": "Method"},
            "query": {"type": "object", "title": "Query"},
            "headers": {"type": "object", "title": "Headers"},
            "json": {"title": "JSON body"},
            "text": {"type": "string", "title": "Text body"},
            "form": {"type": "object", "title": "Form body"},
            "accept": {"type": "array", "items": {"type": "integer"}, "title": "Statuses that count as success"},
        },
        "required": ["method"],
        "additionalProperties": False,
    }
    output_schema = {
        "type": "object",
        "properties": {
            "status": {"type": "integer"},
            "headers": {"type": "object"},
            "json": {},
            "text": {"type": "string"},
        },
    }

    def risk(self, config: Mapping[str, Any]) -> str:
        return "read" if config.get("method", "GET") in ("GET", "HEAD", "OPTIONS") else "reversible"

    def safety(self, config: Mapping[str, Any]) -> str:
        return "keyed"

    def check(self, config: Mapping[str, Any]) -> list[Problem]:
        problems = []
        if config.get("url") and (config.get("connection") or config.get("path")):
            problems.append(Problem("url", "A whole URL and a connection exclude each other.", fix="Keep one of them."))
        elif not config.get("url") and not config.get("connection"):
            problems.append(
                Problem("connection", "No connection is chosen.", fix="Choose a connection.", severity="incomplete")
            )
        bodies = [name for name in ("json", "text", "form") if name in config]
        if len(bodies) > 1:
            problems.append(Problem(bodies[1], f"A body is given twice: {' and '.join(bodies)}.", fix="Keep one."))
        return problems

    async def perform(self, call: Call, effects: Effects) -> Any:
        answer = await effects.http(prepare(call))
        accepted = call.input.get("accept") or []
        if answer.status >= 400 and answer.status not in accepted:
            raise refusal(answer)
        return output(answer)

    def sentence(self, config: Mapping[str, Any]) -> str:
        where = (
            f"{config['connection']}{config.get('path', '')}" if config.get("connection") else config.get("url", "…")
        )
        return f"{config.get('method', 'GET')} {where}"


def prepare(call: Call) -> HttpCall:
    """The call as it will be sent: same input, same bytes."""
    given = call.input
    body, content_type = _body(given)
    headers = {str(name): str(value) for name, value in (given.get("headers") or {}).items()}
    if content_type and not any(name.lower() == "content-type" for name in headers):
        headers["Content-Type"] = content_type
    headers["Idempotency-Key"] = f'"{call.idempotency_key}"'
    return HttpCall(
        method=given.get("method", "GET"),
        connection=given.get("connection", ""),
        path=given.get("path", ""),
        url=given.get("url", ""),
        query=given.get("query") or {},
        headers=headers,
        body=body,
        timeout=call.timeout,
    )


def _body(given: Mapping[str, Any]) -> tuple[bytes | None, str]:
    if "json" in given:
        return json.dumps(given["json"], ensure_ascii=False, separators=(",", ":")).encode(), "application/json"
    if "text" in given:
        return str(given["text"]).encode(), "text/plain; charset=utf-8"
    if "form" in given:
        return urlencode(given["form"], doseq=True).encode(), "application/x-www-form-urlencoded"
    return None, ""


def refusal(answer: HttpAnswer) -> StepError:
    """The error of an answer ≥ 400; retryable where the status says "not now"."""
    text = answer.body[:500].decode("utf-8", "replace")
    return StepError(
        "http_status",
        f"The receiver answered {answer.status}.",
        retryable=answer.status in RETRYABLE,
        cause=text,
        context={"status": answer.status, "body": text},
        retry_after=retry_after(answer.headers),
    )


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds of a Retry-After header (RFC 9110 10.2.3: seconds or a date, then relative to the answer's Date)."""
    value = headers.get("retry-after", "").strip()
    if value.isdigit():
        return float(value[:9])
    try:
        at, sent = parsedate_to_datetime(value), parsedate_to_datetime(headers.get("date", ""))
        return max(0.0, (at - sent).total_seconds())
    except (ValueError, TypeError):
        return None


def output(answer: HttpAnswer) -> dict[str, Any]:
    """`{status, headers, json}` where the body is JSON, else `{status, headers, text}`."""
    result: dict[str, Any] = {"status": answer.status, "headers": dict(answer.headers)}
    text = answer.body.decode("utf-8", "replace")
    if "json" in answer.headers.get("content-type", ""):
        try:
            return {**result, "json": json.loads(text)}
        except (ValueError, RecursionError):
            pass
    return {**result, "text": text}
