"""Endpoints: made, changed, given a new secret and deleted here; a secret is shown once, when the product makes it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from automations.documents.references import naming
from automations.history import assign, keep, remove
from automations.models import Epoch
from automations.permissions import entrust, may_use, require_manage
from automations.refusals import Conflict, Invalid
from automations.slugs import FORM, is_slug
from webhooks import signatures
from webhooks.models import Endpoint

CHANGEABLE = ("name", "scheme", "enabled", "options", "secret")
#: How long the old secret is still accepted after a rotation.
GRACE = timedelta(hours=24)
LARGEST_BODY = 10 * 1024 * 1024
SECRET_LIMIT = 1_000  # characters


@transaction.atomic
def create(slug: str, *, by: Any, **values: Any) -> tuple[Endpoint, str]:
    """A new endpoint, and its secret where the product made one ("" where it was given or none is used).

    Raises PermissionDenied, Invalid.
    """
    require_manage(by, "add", Endpoint)
    if not is_slug(slug):
        raise Invalid.at("slug", FORM)
    _check_names(values)
    endpoint = Endpoint(slug=slug)
    made = "" if values.get("secret") else _new_secret(values.get("scheme", endpoint.scheme))
    assign(endpoint, {**values, "secret": values.get("secret") or made or None})
    _check(endpoint)
    try:
        with transaction.atomic():
            keep(endpoint, by=by, reason="created")
    except IntegrityError:
        raise Invalid.at("slug", f"There is an endpoint {slug} already.") from None
    entrust(by, endpoint)
    Epoch.advance()
    return endpoint, made


@transaction.atomic
def update(endpoint: Endpoint, *, by: Any, **values: Any) -> Endpoint:
    """Change these columns; a `secret` replaces the old one at once. Raises PermissionDenied, Invalid."""
    locked = _locked(endpoint)
    require_manage(by, "change", locked)
    _check_names(values)
    if assign(locked, values):
        if "secret" in values:
            locked.previous_secret = locked.previous_valid_until = None
        _check(locked)
        keep(locked, by=by, reason=f"changed {', '.join(values)}")
        Epoch.advance()
    return locked


@transaction.atomic
def rotate(endpoint: Endpoint, *, by: Any) -> tuple[str, datetime]:
    """A new secret, shown this once, and until when the old one is accepted beside it.

    Raises PermissionDenied, Conflict (the scheme uses no secret).
    """
    locked = _locked(endpoint)
    require_manage(by, "change", locked)
    secret = _new_secret(locked.scheme)
    if not secret:
        raise Conflict(f"The scheme {locked.scheme} uses no secret.")
    locked.previous_secret, locked.secret = locked.secret, secret
    locked.previous_valid_until = timezone.now() + GRACE
    keep(locked, by=by, reason="rotated the secret")
    Epoch.advance()
    return secret, locked.previous_valid_until


@transaction.atomic
def delete(endpoint: Endpoint, *, by: Any) -> None:
    """Delete an endpoint no draft names; its receipts stay. Raises PermissionDenied, Conflict."""
    require_manage(by, "delete", endpoint)
    workflows = naming("endpoint", endpoint.slug)
    if workflows:
        raise Conflict(f"It is named by {', '.join(workflows[:5])}: change these workflows first.")
    remove(endpoint, by=by, reason="deleted")
    Epoch.advance()


def usable(slugs: Collection[str], by: Any) -> dict[str, bool]:
    """Which of these endpoints exist, and whether `by` may name them in a workflow (the port `usable_endpoints`)."""
    return {row.slug: may_use(by, row) for row in Endpoint.objects.filter(slug__in=slugs)}


def _locked(endpoint: Endpoint) -> Endpoint:
    return Endpoint.objects.select_for_update().get(pk=endpoint.pk)


def _new_secret(scheme: Any) -> str:
    return signatures.new_secret(scheme) if scheme in signatures.SCHEMES else ""


def _check_names(values: Mapping[str, Any]) -> None:
    unknown = [(name, "This cannot be set.") for name in values if name not in CHANGEABLE]
    if unknown:
        raise Invalid("The endpoint is not right.", errors=unknown)


def _check(endpoint: Endpoint) -> None:
    errors: list[tuple[str, str]] = []
    if endpoint.scheme not in signatures.SCHEMES:
        errors.append(("scheme", f"Choose one of {', '.join(signatures.SCHEMES)}."))
    else:
        errors += _check_options(endpoint) or _check_secret(endpoint)
    if errors:
        raise Invalid("The endpoint is not right.", errors=errors)


def _check_options(endpoint: Endpoint) -> list[tuple[str, str]]:
    options = endpoint.options
    if not isinstance(options, dict):
        return [("options", "This must be an object.")]
    known = {*signatures.scheme_named(endpoint.scheme).options, "max_bytes"}
    errors = [
        (f"options.{name}", f"The scheme {endpoint.scheme} knows no such option.")
        for name in options
        if name not in known
    ]
    size = options.get("max_bytes", 1)
    if not isinstance(size, int) or isinstance(size, bool) or not 1 <= size <= LARGEST_BODY:
        errors.append(("options.max_bytes", f"A whole number of bytes from 1 to {LARGEST_BODY}."))
    try:
        signatures.check_options(endpoint.scheme, options)
    except ValueError as error:
        name, _, message = str(error).partition(": ")
        errors.append((f"options.{name}", message))
    return errors


def _check_secret(endpoint: Endpoint) -> list[tuple[str, str]]:
    secret = endpoint.secret
    if not _new_secret(endpoint.scheme):
        return [("secret", f"The scheme {endpoint.scheme} uses no secret.")] if secret else []
    if secret is None:
        return [("secret", "Set a secret first.")] if endpoint.enabled else []
    if not isinstance(secret, str) or not secret or len(secret) > SECRET_LIMIT:
        return [("secret", f"A secret is text of at most {SECRET_LIMIT} characters.")]
    if secret.startswith("whpk_"):  # a public key only checks, so nothing can be signed with it to try it out
        return []
    try:
        signatures.sign(
            endpoint.scheme, secret, b"", now=0, message_id="m", url="https://e.x", options=endpoint.options
        )
    except ValueError as error:
        return [("secret", str(error))]
    return []
