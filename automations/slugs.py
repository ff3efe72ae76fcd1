"""Slugs of workflows, connections and endpoints."""

from typing import Any

from django.core.exceptions import ValidationError

from automations.models.workflow import SLUG

LONGEST = 100
FORM = str(SLUG.message)


def is_slug(value: Any) -> bool:
    """Whether this can be a slug."""
    if not isinstance(value, str) or len(value) > LONGEST:
        return False
    try:
        SLUG(value)
    except ValidationError:
        return False
    return True
