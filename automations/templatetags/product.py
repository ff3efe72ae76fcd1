"""`{% load product %}`: the pieces of automations/html.py for templates."""

from typing import Any

from django import template

from automations import html

register = template.Library()

register.filter("moment", html.moment)
register.filter("span", html.span)
register.filter("code", html.code)
register.filter("brief", html.brief)


@register.simple_tag
def pill(word: str, tone: str = "", title: str = "") -> str:
    return html.pill(word, tone, title)


@register.simple_tag
def page_link(thing: Any, text: Any = None) -> str:
    return html.link(thing, text)


@register.filter
def at(mapping: Any, key: Any) -> Any:
    """`mapping|at:key`: an entry by a key that is only known at run time; None where there is none."""
    return mapping.get(key) if hasattr(mapping, "get") else None


@register.filter
def chip_choices(spec: Any, changelist: Any) -> Any:
    """The choices of a filter that is shown as chips (automations/admin/filters.py)."""
    return spec.choices(changelist)


@register.filter
def side_filters(changelist: Any) -> list[Any]:
    """The filters of the side sheet: all that are not chips."""
    return [spec for spec in changelist.filter_specs if not getattr(spec, "chips", False)]


#: mode → (colour, what it means)
MODES = {
    "draft": ("", "Nothing fires."),
    "simulate": ("info", "Triggers run the draft; nothing outside is touched."),
    "execute": ("success", "Triggers run the current version, for real."),
}


@register.simple_tag
def mode_pill(workflow: Any) -> str:
    tone, meaning = MODES[workflow.mode]
    return html.pill(workflow.get_mode_display(), tone, meaning)
