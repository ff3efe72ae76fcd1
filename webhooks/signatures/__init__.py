"""Signatures of webhooks: one file per scheme, this table of contents, `verify` and `sign`. Pure: no Django, no clock.

`verify("github", ["new secret", "old secret"], headers, body, now=time.time())` gives a Verdict,
`sign("standard", "whsec_…", body, now=time.time(), message_id="msg_1")` the headers of a genuine sender.
"""

from __future__ import annotations

import base64
import secrets as chance
from collections.abc import Mapping
from typing import Any

from . import (
    custom_hmac,
    github,
    gitlab,
    gitlab_signing,
    grafana,
    none,
    pagerduty,
    sentry,
    shopify,
    slack,
    standard,
    stripe,
    token_header,
    twilio,
)
from .options import check
from .verdict import Code, Delivery, Outgoing, Scheme, Verdict, lower_names

__all__ = ["SCHEMES", "Code", "Scheme", "Verdict", "check_options", "new_secret", "scheme_named", "sign", "verify"]

SCHEMES: dict[str, Scheme] = {
    scheme.name: scheme
    for scheme in (
        standard.SCHEME,
        github.SCHEME,
        gitlab.SCHEME,
        gitlab_signing.SCHEME,
        stripe.SCHEME,
        slack.SCHEME,
        shopify.SCHEME,
        twilio.SCHEME,
        pagerduty.SCHEME,
        sentry.SCHEME,
        grafana.SCHEME,
        custom_hmac.SCHEME,
        token_header.SCHEME,
        none.SCHEME,
    )
}


def scheme_named(name: str) -> Scheme:
    """The scheme of this name. ValueError lists the names there are."""
    found = SCHEMES.get(name) if isinstance(name, str) else None
    if found is None:
        raise ValueError(f"unknown signature scheme {name!r}; known: {', '.join(SCHEMES)}")
    return found


def verify(
    scheme: str,
    secrets: list[str],
    headers: Mapping[str, str],
    body: bytes,
    *,
    now: float,
    url: str = "",
    options: Mapping[str, Any] | None = None,
) -> Verdict:
    """Judge one received message; whatever a sender puts into `headers` and `body`, a Verdict comes back.

    `secrets`: the live ones, newest first (two while rotating); an empty or undecodable one matches nothing.
    `headers`: names in any case. `body`: the raw bytes, before any parsing. `now`: unix seconds.
    `url`: the public address, as the sender knows it (Twilio signs it). `options`: the endpoint's.
    Raises ValueError for a configuration error only: an unknown scheme, a wrong option.
    """
    found = scheme_named(scheme)
    settings = dict(options or {})
    check(found.options, settings)
    live = [secrets] if isinstance(secrets, str) else list(secrets or ())
    delivery = Delivery(headers=lower_names(headers), body=_bytes(body), now=now, url=str(url or ""), options=settings)
    return found.check(live, delivery)


def sign(
    scheme: str,
    secret: str,
    body: bytes,
    *,
    now: float,
    message_id: str = "",
    url: str = "",
    options: Mapping[str, Any] | None = None,
) -> dict[str, str]:
    """The headers a genuine sender would add to this body: for "send a test" and for outbound messages.

    `message_id` becomes the scheme's dedupe header where it has one. Raises ValueError for an unknown
    scheme, a wrong option, an unusable secret, or a missing id or url where the scheme signs it.
    """
    found = scheme_named(scheme)
    settings = dict(options or {})
    check(found.options, settings)
    return found.sign(secret, Outgoing(body=_bytes(body), now=now, message_id=message_id, url=url, options=settings))


def check_options(scheme: str, options: Mapping[str, Any] | None) -> None:
    """For saving an endpoint: raise ValueError (`option: what is wrong`) if `verify` would."""
    check(scheme_named(scheme).options, dict(options or {}))


def new_secret(scheme: str) -> str:
    """A fresh secret of 32 random bytes in the form the scheme expects; "" when it uses none."""
    form = scheme_named(scheme).secret
    if form == "none":
        return ""
    if form == "whsec":
        return "whsec_" + base64.b64encode(chance.token_bytes(32)).decode()
    return chance.token_urlsafe(32)


def _bytes(body: object) -> bytes:
    if isinstance(body, str):
        return body.encode("utf-8", "surrogatepass")
    return bytes(body) if isinstance(body, (bytes, bytearray, memoryview)) else b""
