"""The screens of definitions, people and the queue, one file per noun; this is the table of contents."""

from automations.admin import people, queue, tokens  # noqa: F401
