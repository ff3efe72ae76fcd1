"""`token`: the secret itself in a header (`header`, by default `Authorization`); the body is not signed.

In `Authorization` it may stand behind `Bearer`; a secret that is the whole value (`Basic dXNlcjpwYXNz`)
works too, which is what Alertmanager needs. Without a `header` option a CloudEvents sender may use
`?access_token=` instead. Source: RFC 6750; CloudEvents HTTP 1.1 Web Hooks, section 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import parse_qs, urlsplit

from .compare import by_text, decide, signing_key, spellings
from .identify import general_id
from .options import header_name
from .verdict import Delivery, Outgoing, Scheme, Verdict, unsigned

HEADER = "Authorization"


def check(secrets: Sequence[str], delivery: Delivery) -> Verdict:
    """Equality in constant time; an empty secret equals nothing."""
    name = header_name(delivery.options, "header", HEADER)
    given = _tokens(delivery, name)
    if not given:
        return unsigned(f"the header {name} is missing or empty")

    accepts = by_text(lambda key: key, given)
    return decide(secrets, delivery, accepts=accepts, dedupe=lambda: general_id(delivery))


def _tokens(delivery: Delivery, name: str) -> list[bytes]:
    value = delivery.header(name)
    found = [value] if value else []
    if name.lower() == HEADER.lower():
        kind, _, rest = value.partition(" ")
        if kind.lower() == "bearer" and rest.strip():
            found.append(rest.strip())
    if not found and not delivery.options.get("header"):
        found = _query_tokens(delivery.url)
    return [spelling for token in found for spelling in spellings(token)]


def _query_tokens(url: str) -> list[str]:
    try:
        return parse_qs(urlsplit(url).query).get("access_token", [])[:1]
    except ValueError:
        return []


def sign(secret: str, message: Outgoing) -> dict[str, str]:
    """The token header (`Bearer` in Authorization, unless the secret names its own kind), and the id."""
    signing_key(secret)
    name = header_name(message.options, "header", HEADER)
    bearer = name.lower() == HEADER.lower() and " " not in secret
    headers = {name: f"Bearer {secret}" if bearer else secret}
    if message.message_id:
        headers[header_name(message.options, "dedupe_header", "Idempotency-Key")] = message.message_id
    return headers


SCHEME = Scheme("token", "Token in a header", check, sign, options=("header", "dedupe_header"))
