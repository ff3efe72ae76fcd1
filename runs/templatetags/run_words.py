"""`{% load run_words %}`: states and durations of runs, for templates.

Imported late: template libraries are loaded while the admin's own modules are still being imported.
"""

from typing import Any

from django import template

register = template.Library()


@register.simple_tag
def state(value: str, label: str = "") -> str:
    from runs import words

    return words.state(value, label)


@register.filter
def took(thing: Any) -> float | None:
    from runs import words

    return words.took(thing)


@register.filter
def subject(row: Any) -> str:
    from runs import words

    return words.subject(row)
