"""States as people see them: the word, always, and its colour."""

from typing import Any

from django.utils.safestring import SafeString

from automations.html import between, pill
from runs.models import Run, Step
from runs.states import COLOUR

_MORE = {"done": "success"}  # states that only screens colour


def state(value: str, label: str = "") -> SafeString:
    """The pill of a state of any kind."""
    return pill(label or value.replace("_", " ").capitalize(), COLOUR.get(value, _MORE.get(value, "")))


def took(thing: Run | Step) -> float | None:
    """Milliseconds from start to end, None while it lasts or where it never began."""
    return between(thing.started_at, thing.finished_at)


def subject(row: Any) -> str:
    """The business object a run, event or dead letter is about, as in "order 7"."""
    return f"{row.subject_type} {row.subject_key}".strip()
