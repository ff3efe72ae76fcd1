"""`export_workflow SLUG`: a definition on standard output."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from automations.documents import document_of, write_text
from automations.models import Workflow


class Command(BaseCommand):
    help = "Print the definition document of a workflow; import_workflow reads it back unchanged."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug")
        parser.add_argument("--json", action="store_true", help="JSON instead of YAML")

    def handle(self, *, slug: str, json: bool, **_: Any) -> None:
        workflow = Workflow.objects.filter(slug=slug).first()
        if workflow is None:
            raise CommandError(f"There is no workflow {slug}.")
        self.stdout.write(write_text(document_of(workflow), "json" if json else "yaml"), ending="")
