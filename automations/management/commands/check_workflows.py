"""`check_workflows [SLUG…] [--go-live]`: what stands in the way, for scripts and deployments."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from automations import plans
from automations.documents import document_of, references
from automations.gate import gate
from automations.models import Workflow


class Command(BaseCommand):
    help = "Check the definitions of all workflows (or of those named); exit 1 if anything must be repaired."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slugs", nargs="*", metavar="SLUG")
        parser.add_argument("--go-live", action="store_true", help="also what a release of each would still want")

    def handle(self, *, slugs: list[str], go_live: bool, **_: Any) -> None:
        workflows = Workflow.objects.filter(slug__in=slugs) if slugs else Workflow.objects.all()
        missing = set(slugs) - {workflow.slug for workflow in workflows}
        if missing:
            raise CommandError(f"There is no workflow {', '.join(sorted(missing))}.")
        wrong = 0
        for workflow in workflows:
            found = list(_gate(workflow) if go_live else _problems(workflow))
            wrong += any(serious for serious, _line in found)
            self.stdout.write(f"{workflow.slug}: {'ready' if go_live else 'complete'}" if not found else workflow.slug)
            for serious, line in found:
                self.stdout.write(f"  {'error' if serious else 'warning'}: {line}")
        if wrong:
            raise CommandError(f"{wrong} of {len(workflows)} workflows must be repaired.")


def _problems(workflow: Workflow) -> Iterator[tuple[bool, str]]:
    document = document_of(workflow)
    for problem in (*plans.problems(document), *references.problems(document)):
        yield problem.severity != "warning", str(problem)


def _gate(workflow: Workflow) -> Iterator[tuple[bool, str]]:
    for item in gate(workflow).missing:
        yield True, f"{item.message} {item.fix} (chapter {item.chapter})"
