"""The wire's screens, one file per noun; this is the table of contents."""

from webhooks.admin import endpoints, receipts  # noqa: F401
