"""Connections: made, changed and deleted here; what is secret goes in and never comes out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction

from automations.engine import durations
from automations.engine.durations import DurationError
from automations.history import assign, keep, remove
from automations.models import Connection, Epoch
from automations.permissions import entrust, require_manage
from automations.refusals import Conflict, Invalid
from automations.slugs import FORM, is_slug

CHANGEABLE = ("name", "base_urls", "auth", "timeout", "max_concurrency", "rate", "allow_private", "expires_at")
#: auth type → the texts it needs.
AUTH: dict[str, tuple[str, ...]] = {
    "none": (),
    "basic": ("username", "password"),
    "bearer": ("token",),
    "header": ("name", "value"),
    "query": ("name", "value"),
}
_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@transaction.atomic
def create(slug: str, *, by: Any, **values: Any) -> Connection:
    """A new connection, which whoever makes it may name and change. Raises PermissionDenied, Invalid, Conflict."""
    require_manage(by, "add", Connection)
    if not is_slug(slug):
        raise Invalid.at("slug", FORM)
    _check(values, by)
    connection = Connection(slug=slug)
    assign(connection, values)
    try:
        with transaction.atomic():
            keep(connection, by=by, reason="created")
    except IntegrityError:
        raise Invalid.at("slug", f"There is a connection {slug} already.") from None
    entrust(by, connection)
    Epoch.advance()
    return connection


@transaction.atomic
def update(connection: Connection, *, by: Any, **values: Any) -> Connection:
    """Change these columns; `auth` replaces the credential as a whole. Raises PermissionDenied, Invalid."""
    locked = Connection.objects.select_for_update().get(pk=connection.pk)
    require_manage(by, "change", locked)
    _check(values, by, locked)
    if assign(locked, values):
        changed = ", ".join(name for name in values)
        keep(locked, by=by, reason=f"changed {changed}")
        Epoch.advance()
    return locked


@transaction.atomic
def delete(connection: Connection, *, by: Any) -> None:
    """Delete a connection no draft names. Raises PermissionDenied, Conflict."""
    from automations.documents.references import naming

    require_manage(by, "delete", connection)
    workflows = naming("connection", connection.slug)
    if workflows:
        raise Conflict(f"It is named by {', '.join(workflows[:5])}: change these workflows first.")
    remove(connection, by=by, reason="deleted")
    Epoch.advance()


def _check(values: Mapping[str, Any], by: Any, before: Connection | None = None) -> None:
    unknown = [name for name in values if name not in CHANGEABLE]
    if unknown:
        raise Invalid(errors=[(name, "This cannot be set.") for name in unknown])
    checks = {"base_urls": _base_urls, "auth": _auth, "timeout": _timeout, "rate": _rate}
    errors = [error for name, check in checks.items() if name in values for error in check(values[name])]
    if errors:
        raise Invalid("The connection is not right.", errors=errors)
    opens = values.get("allow_private") and not (before and before.allow_private)
    if opens and by is not None and not by.has_perm("automations.allow_private_connection"):
        raise PermissionDenied("You may not let a connection reach private networks.")


def _base_urls(urls: Any) -> list[tuple[str, str]]:
    if not isinstance(urls, list) or not urls:
        return [("base_urls", "Give at least one address, as in https://crm.example.com/api.")]
    return [(f"base_urls[{i}]", text) for i, url in enumerate(urls) if (text := _base_url(url))]


def _base_url(url: Any) -> str:
    try:
        parts = urlsplit(url) if isinstance(url, str) else None
        sound = (
            parts is not None and parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
        )
    except ValueError:
        sound = False
    if not sound or parts is None or _CONTROL.search(url) or " " in url:
        return "This is not an http or https address."
    if parts.username is not None or parts.password is not None:
        return "Credentials belong into auth, not into the address."
    return "Leave out the query and the fragment." if parts.query or parts.fragment else ""


def _auth(auth: Any) -> list[tuple[str, str]]:
    if auth is None:
        return []
    kind = auth.get("type") if isinstance(auth, Mapping) else None
    if kind not in AUTH:
        return [("auth.type", f"Choose one of {', '.join(AUTH)}.")]
    wanted = AUTH[kind]
    errors = [(f"auth.{name}", "This does not belong here.") for name in auth if name not in (*wanted, "type")]
    for name in wanted:
        value = auth.get(name)
        if not isinstance(value, str) or not value:
            errors.append((f"auth.{name}", "This text is missing."))
        elif _CONTROL.search(value) or not value.isprintable():
            errors.append((f"auth.{name}", "This holds control characters."))
    if kind == "header" and not errors and not _HEADER_NAME.fullmatch(auth["name"]):
        errors.append(("auth.name", "This is not a header's name."))
    return errors


def _timeout(text: Any) -> list[tuple[str, str]]:
    if text == "":
        return []
    try:
        durations.parse(text)
    except DurationError as error:
        return [("timeout", error.message)]
    return []


def _rate(rate: Any) -> list[tuple[str, str]]:
    return [("rate", "Calls per second are more than zero.")] if rate is not None and not rate > 0 else []
