"""`create_token USERNAME`: an API token, printed once."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError

from automations import tokens
from automations.engine import durations
from automations.engine.durations import DurationError


class Command(BaseCommand):
    help = "Create an API token for a user and print its key. Send it as `Authorization: Token <key>`."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--expires", metavar="90d", help="how long it is valid (default: for ever)")

    def handle(self, *, username: str, expires: str | None, **_: Any) -> None:
        user = get_user_model()._default_manager.filter(username=username, is_active=True).first()
        if user is None:
            raise CommandError(f"There is no active user {username}.")
        try:
            valid = timedelta(seconds=durations.parse(expires)) if expires else None
        except DurationError as error:
            raise CommandError(str(error)) from None
        self.stdout.write(tokens.create(user, expires=valid))
