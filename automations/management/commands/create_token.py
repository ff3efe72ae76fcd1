"""`create_token USERNAME [--expires 90d]`: an API token, printed once."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError

from automations import tokens
from automations.engine import durations


class Command(BaseCommand):
    help = "Make an API token (Authorization: Token <key>) and print it; only its hash is kept."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--expires", default="", help="how long it works, as in 90d (default: for ever)")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            user = User.objects.get(username=options["username"], is_active=True)
            expires = timedelta(seconds=durations.parse(options["expires"])) if options["expires"] else None
        except User.DoesNotExist:
            raise CommandError(f"There is no active user {options['username']}.") from None
        except ValueError as error:
            raise CommandError(str(error)) from None
        self.stdout.write(tokens.create(user, expires))
