"""`work [--min N --max N]`: supervised workers."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from runs.executor.supervise import Supervisor


class Command(BaseCommand):
    help = "Carry runs: a supervised django-q2 cluster with a drain on watch and another standing by. Ctrl-C stops it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--min", type=int, default=2, help="drains at least (default and minimum 2)")
        parser.add_argument("--max", type=int, default=None, help="drains at most (default: as many as --min)")

    def handle(self, *args: Any, **options: Any) -> None:
        Supervisor(drains=max(options["min"], options["max"] or 0)).run()
