"""`quickstart`: database, superuser and API token in one go; run again, it changes nothing that is right."""

from __future__ import annotations

import os
import secrets
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from automations import tokens


class Command(BaseCommand):
    help = "Migrate the database, make a superuser, and write an API token to a file (mode 0600). Idempotent."
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--username", required=True)
        parser.add_argument("--password", required=True)
        parser.add_argument("--token-file", required=True, type=Path, metavar="FILE")

    def handle(self, *, username: str, password: str, token_file: Path, verbosity: int, **_: Any) -> None:
        call_command("migrate", interactive=False, verbosity=max(0, verbosity - 1))
        user = superuser(username, password)
        if _works(token_file, user):
            self.stdout.write(f"{username} is ready; the token in {token_file} still works.")
            return
        try:
            _write(token_file, tokens.create(user))
        except OSError as error:
            raise CommandError(f"{token_file}: {error.strerror}") from None
        self.stdout.write(f"{username} is ready; the token is in {token_file}.")


@transaction.atomic
def superuser(username: str, password: str) -> Any:
    """The active superuser of this name and password, made or put right."""
    model = get_user_model()
    user = model._default_manager.filter(username=username).first() or model(username=username)
    sound = user.is_active and user.is_staff and user.is_superuser
    if user.pk is None or not sound or not user.check_password(password):
        user.is_active = user.is_staff = user.is_superuser = True
        user.set_password(password)
        user.save()
    return user


def _works(file: Path, user: Any) -> bool:
    try:
        return tokens.owner(file.read_text().strip()) == user
    except (OSError, UnicodeDecodeError):
        return False


def _write(file: Path, key: str) -> None:
    """Replace the file as a whole: whoever reads it finds the old token or the new one, never a part."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as opened:
        opened.write(key + "\n")
    draft.replace(file)
