"""`import_workflow FILE…`: definitions from files; acts as the system, or as a user."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.core.management.base import BaseCommand, CommandError

from automations.documents import Saved, read_text, save
from automations.engine.errors import DefinitionError, Problem, UnreadableError


class Command(BaseCommand):
    help = "Import workflow definitions from YAML or JSON files (- is standard input). All of a file or nothing of it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("files", nargs="+", metavar="FILE")
        parser.add_argument("--as", dest="username", metavar="USER", help="act as this user (default: the system)")
        parser.add_argument(
            "--incomplete", action="store_true", help="settings, endpoints and connections may still be missing"
        )

    def handle(self, *, files: list[str], username: str | None, incomplete: bool, **_: Any) -> None:
        by = self._user(username)
        refused = [name for name in files if not self._import(name, by, incomplete)]
        if refused:
            raise CommandError(f"Not imported: {', '.join(refused)}")

    def _user(self, username: str | None) -> Any:
        if username is None:
            return None
        user = get_user_model()._default_manager.filter(username=username, is_active=True).first()
        if user is None:
            raise CommandError(f"There is no active user {username}.")
        return user

    def _import(self, name: str, by: Any, incomplete: bool) -> bool:
        try:
            document, lines = read_text(_read(name), "json" if name.endswith(".json") else "yaml")
            saved = save(document, by=by, incomplete=incomplete, lines=lines, reason=f"imported from {Path(name).name}")
        except OSError as error:
            self.stderr.write(f"{name}: {error.strerror}")
        except UnreadableError as error:
            self.stderr.write(f"{name}: {error}")
        except DefinitionError as error:
            for problem in error.problems:
                self.stderr.write(_line(name, problem))
        except PermissionDenied as error:
            self.stderr.write(f"{name}: {error}")
        else:
            self._tell(name, saved)
            return True
        return False

    def _tell(self, name: str, saved: Saved) -> None:
        done = "created" if saved.created else f"replaced, revision {saved.workflow.revision}"
        self.stdout.write(f"{saved.workflow.slug}: {done} (id {saved.workflow.pk}, mode {saved.workflow.mode})")
        for missed in saved.not_applied:
            self.stdout.write(f"  not applied: {missed['path']}: {missed['message']}")
        for finding in saved.findings:
            self.stdout.write(f"  still missing: {finding}")


def _read(name: str) -> bytes:
    return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()


def _line(name: str, problem: Problem) -> str:
    return f"{name}:{problem.line}: {problem}" if problem.line else f"{name}: {problem}"
