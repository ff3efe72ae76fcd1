"""The endpoint's options a scheme may read, each with its default and its check. Wrong ones are a ValueError."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

ALGORITHMS = ("sha256", "sha512", "sha384", "sha1")
ENCODINGS = ("hex", "base64")
DEFAULT_WINDOW = 300.0  # seconds; what the reference libraries of Standard Webhooks, Stripe and Slack use

_DURATION = re.compile(r"([0-9]{1,9})(ms|s|m|h|d)", re.ASCII)
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+", re.ASCII)


def window_seconds(options: Mapping[str, Any]) -> float:
    """`window`: seconds, or a duration such as `5m`; default 300. ValueError unless above zero."""
    value = options.get("window")
    if value is None or value == "":
        return DEFAULT_WINDOW
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if found:
        value = int(found[1]) * _UNITS[found[2]]
    elif isinstance(value, str) and value.isascii() and value.isdigit():
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value <= 0:
        raise ValueError(f"window: {options['window']!r} is not a time above zero; write seconds or a duration like 5m")
    return float(value)


def header_name(options: Mapping[str, Any], key: str, default: str = "") -> str:
    """A header name from the options. ValueError when it could not be one."""
    value = options.get(key)
    if value is None or value == "":
        return default
    if not isinstance(value, str) or not _HEADER_NAME.fullmatch(value):
        raise ValueError(f"{key}: {value!r} is not a header name")
    return value


def choice(options: Mapping[str, Any], key: str, allowed: tuple[str, ...], default: str) -> str:
    """One of the allowed words. ValueError names them."""
    value = options.get(key)
    if value is None or value == "":
        return default
    word = value.lower().replace("sha-", "sha") if isinstance(value, str) else ""
    if word not in allowed:
        raise ValueError(f"{key}: {value!r} is not one of {', '.join(allowed)}")
    return word


def plain_text(options: Mapping[str, Any], key: str) -> str:
    """A text option, "" by default. ValueError for anything but text."""
    value = options.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError(f"{key}: {value!r} is not text")
    return value


def check(names: tuple[str, ...], options: Mapping[str, Any]) -> None:
    """Raise ValueError for the first wrong value among these options; others are not ours and are ignored."""
    if "window" in names:
        window_seconds(options)
    for key in ("header", "timestamp_header", "dedupe_header"):
        if key in names:
            header_name(options, key)
    if "algorithm" in names:
        choice(options, "algorithm", ALGORITHMS, "sha256")
    if "encoding" in names:
        choice(options, "encoding", ENCODINGS, "hex")
    if "prefix" in names:
        plain_text(options, "prefix")
