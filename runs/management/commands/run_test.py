"""`run_test SLUG --payload FILE`: what would this payload do? Prints the answer of run-test as JSON."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from automations.engine.errors import AutomationError
from automations.engine.json_core import loads_json
from automations.models import Workflow
from automations.refusals import Refusal
from runs.simulation import run_test


class Command(BaseCommand):
    help = "Simulate a workflow with a payload, touching nothing outside, and print the answer as JSON."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug")
        parser.add_argument("--payload", required=True, help="a file with the payload as JSON; - reads standard input")
        parser.add_argument("--trigger", default="", help="ask this trigger only")
        parser.add_argument("--of", default="draft", help="draft (default), current, or a number")
        parser.add_argument("--as", dest="as_user", default="", help="the user in whose place it is tested")

    def handle(self, *args: Any, **options: Any) -> None:
        workflow = Workflow.objects.filter(slug=options["slug"]).first()
        if workflow is None:
            raise CommandError(f"There is no workflow {options['slug']}.")
        try:
            answer = run_test(
                workflow,
                by=None,
                payload=_payload(options["payload"]),
                trigger=options["trigger"] or None,
                version=options["of"],
                as_user=options["as_user"] or None,
            )
        except AutomationError as error:
            raise CommandError(_told(error)) from None
        self.stdout.write(json.dumps(answer, ensure_ascii=False, indent=2))


def _payload(name: str) -> Any:
    try:
        return loads_json(sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes())
    except OSError as error:
        raise CommandError(f"The payload cannot be read: {error}") from None


def _told(error: AutomationError) -> str:
    paths = error.errors if isinstance(error, Refusal) else []
    return "\n".join([str(error), *(f"{one['path']}: {one['message']}" for one in paths)])
