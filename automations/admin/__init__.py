"""The screens of definitions, people and the queue, one file per noun; this is the table of contents."""

from automations.admin import conditions, connections, people, queue, tokens, workflows  # noqa: F401
