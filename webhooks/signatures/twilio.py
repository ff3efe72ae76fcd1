"""Twilio: `X-Twilio-Signature: <base64 HMAC-SHA1>`; the key is the account's auth token.

Signed text: the full public URL, and for a form each name, sorted, with each of its distinct values,
sorted. Other bodies are covered by `bodySHA256` in the URL, which must equal the body's hash. Twilio is
not consistent about the port, so the URL is tried as it is, with and without one.
Dedupe id: `I-Twilio-Idempotency-Token`.
Source: twilio.com/docs/usage/security; twilio-python RequestValidator.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit, urlunsplit

from .compare import base64_mac, decide, equals_any, missing, raw, signing_key, text_key
from .identify import header_id
from .verdict import Delivery, Outgoing, Scheme, Verdict, refused

HEADER = "X-Twilio-Signature"
DEFAULT_PORTS = {"https": 443, "http": 80}


def check(secrets: Sequence[str], delivery: Delivery) -> Verdict:
    """Needs `url`, the endpoint's public address with its query."""
    given = delivery.header(HEADER)
    if not given:
        return missing(HEADER)
    if not delivery.url:
        return refused("the endpoint's public address is unknown, and Twilio signs it; set PUBLIC_URL")
    covered = _covered(delivery.url, delivery.body)
    if covered is None:
        return refused("the body does not have the hash that bodySHA256 in the signed address promises")

    def accepts(secret: str) -> bool | None:
        key = text_key(secret)
        if key is None:
            return None
        found = False
        for url in _spellings(delivery.url):
            found |= equals_any(base64_mac(key, raw(url), covered, algorithm="sha1"), [raw(given)])
        return found

    return decide(secrets, delivery, accepts=accepts, dedupe=lambda: header_id(delivery, "I-Twilio-Idempotency-Token"))


def _covered(url: str, body: bytes) -> bytes | None:
    """What is signed after the URL: nothing when bodySHA256 covers the body, else the sorted form; None: refused.

    An address with bodySHA256 always means the hash, whatever the (unsigned) Content-Type says.
    """
    try:
        promised = parse_qs(urlsplit(url).query, keep_blank_values=True).get("bodySHA256")
        if promised:
            return b"" if equals_any(hashlib.sha256(body).hexdigest().encode(), [raw(promised[0])]) else None
        fields: dict[str, set[str]] = {}
        for name, value in parse_qsl(body.decode("utf-8"), keep_blank_values=True):
            fields.setdefault(name, set()).add(value)
    except ValueError:
        return None
    return raw("".join(name + value for name in sorted(fields) for value in sorted(fields[name])))


def _spellings(url: str) -> list[str]:
    """The URL as given, without a port, and with one."""
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.netloc
    except ValueError:
        return [url]
    bare = host.removesuffix(f":{port}") if port is not None else host
    full = host if port is not None else f"{host}:{DEFAULT_PORTS.get(parts.scheme, 80)}"
    return [url, *(urlunsplit(parts._replace(netloc=netloc)) for netloc in (bare, full))]


def signed_url(url: str, body: bytes) -> str:
    """The URL with the body's hash added: what Twilio calls when it sends JSON."""
    return url + ("&" if "?" in url else "?") + urlencode({"bodySHA256": hashlib.sha256(body).hexdigest()})


def sign(secret: str, message: Outgoing) -> dict[str, str]:
    """The signature header for a form, or for any body behind `signed_url`. Needs `url`."""
    if not message.url:
        raise ValueError("Twilio signs the receiver's address: url is needed")
    covered = _covered(message.url, message.body)
    if covered is None:
        raise ValueError("the body is neither a form nor what bodySHA256 in the address promises; see signed_url")
    value = base64_mac(signing_key(secret), raw(message.url), covered, algorithm="sha1").decode()
    return {HEADER: value, **({"I-Twilio-Idempotency-Token": message.message_id} if message.message_id else {})}


SCHEME = Scheme("twilio", "Twilio", check, sign)
