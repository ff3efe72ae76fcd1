"""`hmac`: any sender that puts an HMAC of the raw body into a header. Everything about it is an option.

`header` (X-Signature) · `algorithm` sha256 | sha512 | sha384 | sha1 (sha256) · `encoding` hex | base64
(hex) · `prefix`, such as `sha256=` ("") · `timestamp_header`: unix seconds, signed in front of the body
as `{timestamp}.{body}` (`{timestamp}:{body}` is taken as well), and then `window` applies ·
`dedupe_header` (Idempotency-Key). Source: RFC 2104; the shape is ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from .compare import base64_mac, decide, equals_any, hex_mac, is_seconds, missing, raw, signing_key, text_key
from .identify import general_id
from .options import ALGORITHMS, ENCODINGS, choice, header_name, plain_text
from .verdict import Delivery, Outgoing, Scheme, Verdict, refused

HEADER = "X-Signature"


def check(secrets: Sequence[str], delivery: Delivery) -> Verdict:
    """Hex is taken in either case; base64 as standard, padded text."""
    name = header_name(delivery.options, "header", HEADER)
    given, prefix = delivery.header(name), plain_text(delivery.options, "prefix")
    if not given:
        return missing(name)
    if not given.startswith(prefix):
        return refused(f"the header {name} does not begin with the configured prefix")
    time_name = header_name(delivery.options, "timestamp_header")
    timestamp = delivery.header(time_name) if time_name else ""
    if time_name and not is_seconds(timestamp):
        return refused(f"the header {time_name} is missing or not a whole number of seconds")
    encoded, value = _encoder(delivery.options), raw(given[len(prefix) :])
    given_forms = [value, value.lower()] if encoded.func is hex_mac else [value]
    # A separator is never a digit, so the two forms cannot be mistaken for one another.
    fronts = [raw(timestamp + mark) for mark in ".:"] if time_name else [b""]

    def accepts(secret: str) -> bool | None:
        key = text_key(secret)
        if key is None:
            return None
        return any([equals_any(encoded(key, front, delivery.body), given_forms) for front in fronts])  # noqa: C419

    return decide(secrets, delivery, accepts=accepts, timestamp=timestamp or None, dedupe=lambda: general_id(delivery))


def _encoder(options: Mapping[str, Any]) -> partial[bytes]:
    algorithm = choice(options, "algorithm", ALGORITHMS, "sha256")
    encode = hex_mac if choice(options, "encoding", ENCODINGS, "hex") == "hex" else base64_mac
    return partial(encode, algorithm=algorithm)


def sign(secret: str, message: Outgoing) -> dict[str, str]:
    """The signature header, the timestamp header when configured, and the id in its header."""
    options = message.options
    time_name = header_name(options, "timestamp_header")
    front = raw(f"{message.timestamp}.") if time_name else b""
    value = _encoder(options)(signing_key(secret), front, message.body).decode()
    headers = {header_name(options, "header", HEADER): plain_text(options, "prefix") + value}
    if time_name:
        headers[time_name] = message.timestamp
    if message.message_id:
        headers[header_name(options, "dedupe_header", "Idempotency-Key")] = message.message_id
    return headers


OPTIONS = ("header", "algorithm", "encoding", "prefix", "timestamp_header", "dedupe_header", "window")
SCHEME = Scheme("hmac", "HMAC (configurable)", check, sign, options=OPTIONS, timed=True)
