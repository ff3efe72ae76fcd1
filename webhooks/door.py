"""The door: `/hooks/` is answered ahead of Django's middleware: a delivery costs no session, no CSRF, no template."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from webhooks.group import receive
from webhooks.receive import Answer, Delivery, body_limit, encode, signed_url

PREFIX = "/hooks/"
_REASONS = {
    200: "OK",
    202: "Accepted",
    400: "Bad Request",
    401: "Unauthorized",
    405: "Method Not Allowed",
    411: "Length Required",
    413: "Content Too Large",
    503: "Service Unavailable",
}


class Door:
    """WSGI application (PEP 3333) in front of Django's."""

    def __init__(self, application: Callable[..., Iterable[bytes]]) -> None:
        self.application = application

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if not path.startswith(PREFIX):
            return self.application(environ, start_response)
        answer = handle(environ, path[len(PREFIX) :])
        body = encode(answer.body)
        headers = [("Content-Length", str(len(body))), ("X-Content-Type-Options", "nosniff"), *answer.headers.items()]
        if body:
            headers.append(("Content-Type", "application/json" if answer.status < 300 else "application/problem+json"))
        start_response(f"{answer.status} {_REASONS.get(answer.status, '')}", headers)
        return [body]


def handle(environ: Mapping[str, Any], slug: str) -> Answer:
    """Answer one request to `/hooks/{slug}`."""
    if environ["REQUEST_METHOD"] != "POST":
        return Answer(405, headers={"Allow": "POST"})
    # WSGI hands the path over as Latin-1 (PEP 3333).
    slug = slug.strip("/").encode("latin-1", "replace").decode("utf-8", "replace")
    body, too_large = read_body(environ, body_limit(slug))
    if body is None:
        return Answer(411, {"title": "Length required", "detail": "Send a Content-Length.", "status": 411})
    return receive(
        Delivery(
            slug=slug,
            headers=headers_of(environ),
            body=body,
            remote=environ.get("REMOTE_ADDR", ""),
            url=_url(environ, slug),
            too_large=too_large,
        )
    )


def _url(environ: Mapping[str, Any], slug: str) -> str:
    query = environ.get("QUERY_STRING", "")
    return signed_url(slug) + (f"?{query}" if query else "")


def read_body(environ: Mapping[str, Any], limit: int) -> tuple[bytes | None, bool]:
    """(body, cut off). None where the length is neither given nor chunked. Never reads more than one byte too many."""
    chunked = "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower() or environ.get("wsgi.input_terminated")
    text = environ.get("CONTENT_LENGTH") or ""
    if not text.isdigit():
        if not chunked:
            return (b"", False) if text == "" else (None, False)
        body = environ["wsgi.input"].read(limit + 1)
        return body[:limit], len(body) > limit
    length = int(text[:18])
    return environ["wsgi.input"].read(min(length, limit)), length > limit


def headers_of(environ: Mapping[str, Any]) -> dict[str, str]:
    """Lower-case header names, with what WSGI names apart."""
    headers = {name[5:].replace("_", "-").lower(): value for name, value in environ.items() if name.startswith("HTTP_")}
    if environ.get("CONTENT_TYPE"):
        headers["content-type"] = environ["CONTENT_TYPE"]
    return headers
