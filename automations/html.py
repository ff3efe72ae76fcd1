"""Small pieces of HTML every screen shares. Whatever comes from data is escaped here, once."""

import json
import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

NOTHING = "–"
TEXT_LIMIT = 20_000  # characters of one value on a page; the API has the rest
_TOKEN = re.compile(r'("(?:[^"\\]|\\.)*"\s*:)|("(?:[^"\\]|\\.)*")|(-?\b\d[\d.eE+-]*\b|\btrue\b|\bfalse\b|\bnull\b)')


def pill(word: str, tone: str = "", title: str = "") -> SafeString:
    """A state: always a word, with a colour (`info success warning danger`, or none)."""
    return format_html('<span class="au-pill{}" title="{}">{}</span>', f" au-{tone}" if tone else "", title, word)


def link(thing: Any, text: Any = None) -> SafeString | str:
    """A link to an object's page, NOTHING where there is no object."""
    if not thing:
        return NOTHING
    return format_html('<a href="{}">{}</a>', page_address(thing), thing if text is None else text)


def page_address(thing: Any) -> str:
    """The address of an object's page in the admin; a workflow's is its overview, not its form."""
    options = thing._meta
    page = "overview" if options.label_lower == "automations.workflow" else "change"
    return reverse(f"admin:{options.app_label}_{options.model_name}_{page}", args=[thing.pk])


def pair(first: Any, second: Any) -> SafeString:
    """Two pieces side by side."""
    return format_html("{} {}", first, second)


def moment(value: datetime | None) -> SafeString | str:
    """A time in the installation's zone, short; the full time with its zone on hover."""
    if not value:
        return NOTHING
    local, now = timezone.localtime(value), timezone.localtime()
    if local.date() == now.date():
        text = local.strftime("Today %H:%M:%S")
    elif local.date() == (now - timedelta(days=1)).date():
        text = local.strftime("Yesterday %H:%M")
    elif local.year == now.year:
        text = f"{local.day} {local:%b %H:%M}"
    else:
        text = f"{local.day} {local:%b %Y %H:%M}"
    title = f"{local:%Y-%m-%d %H:%M:%S}.{local.microsecond // 1000:03d} {local:%Z} (UTC{local:%z})"
    return format_html('<time class="au-nowrap" datetime="{}" title="{}">{}</time>', value.isoformat(), title, text)


def span(milliseconds: Any) -> str:
    """A duration as people read it: `320 ms`, `1.4 s`, `2 min 5 s`, `3 h 10 min`."""
    if milliseconds in (None, ""):
        return NOTHING
    if milliseconds < 1_000:
        return f"{milliseconds:.0f} ms"
    seconds = milliseconds / 1_000
    if seconds < 59.5:
        return f"{seconds:.1f} s".replace(".0 s", " s") if seconds < 10 else f"{seconds:.0f} s"
    seconds = round(seconds)
    minutes, hours, days = int(seconds // 60), int(seconds // 3_600), int(seconds // 86_400)
    if hours == 0:
        return _two(minutes, "min", seconds % 60, "s")
    return _two(hours, "h", minutes % 60, "min") if days == 0 else _two(days, "d", hours % 24, "h")


def _two(large: int, unit: str, small: int, smaller: str) -> str:
    return f"{large} {unit} {small} {smaller}" if small else f"{large} {unit}"


def between(start: datetime | None, end: datetime | None) -> float | None:
    """Milliseconds between two times, None where one is missing."""
    return None if start is None or end is None else max(0.0, (end - start).total_seconds() * 1_000)


def code(value: Any) -> SafeString | str:
    """A JSON value, indented and coloured; text stays as it is. Long values are cut."""
    if value is None or value == "":
        return NOTHING
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2, default=str)
    cut = len(text) - TEXT_LIMIT
    if cut > 0:
        text = f"{text[:TEXT_LIMIT]}\n… {cut} more characters"
    body = format_html("{}", text) if isinstance(value, str) else format_html_join("", "{}", _coloured(text))
    return format_html('<pre class="au-code" tabindex="0">{}</pre>', body)


def _coloured(text: str) -> Iterable[tuple[Any]]:
    at = 0
    for token in _TOKEN.finditer(text):
        yield (text[at : token.start()],)
        kind = "k" if token[1] else "s" if token[2] else "n"
        yield (format_html('<span class="{}">{}</span>', kind, token[0]),)
        at = token.end()
    yield (text[at:],)


def brief(value: Any, limit: int = 160) -> str:
    """A JSON value on one line, cut."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
