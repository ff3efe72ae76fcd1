"""`quickstart --username U --password P --token-file F`: database, superuser and API token; safe to repeat."""

import os
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import BaseCommand

from automations import tokens


class Command(BaseCommand):
    help = "Bring the database up to date, make sure of a superuser and of a working API token in a file (mode 0600)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--username", required=True)
        parser.add_argument("--password", required=True)
        parser.add_argument("--token-file", required=True, type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        call_command("migrate", interactive=False, verbosity=0)
        user, _ = User.objects.get_or_create(username=options["username"])
        user.is_staff = user.is_superuser = user.is_active = True
        user.set_password(options["password"])
        user.save()
        path: Path = options["token_file"]
        if path.exists() and tokens.owner(path.read_text().strip()) == user:
            self.stdout.write(f"Ready. The token in {path} works.")
            return
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.fchmod(descriptor, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(tokens.create(user) + "\n")
        self.stdout.write(f"Ready. A new token is in {path}.")
