"""`replay_dead_letters`: replay many, paced, and wait until all have ended. Acts as the system."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from automations.refusals import Refusal
from runs import batches
from runs.executor.workers import Observer
from runs.models import Batch
from runs.states import BatchState

#: Seconds between two looks, and how long no worker may be alive.
LOOK, PATIENCE = 0.25, 5.0
WIDTH = 30


class Command(BaseCommand):
    help = "Replay open dead letters: their runs go on from the failed step, with the same bytes under the same key."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--workflow", help="slug or number")
        parser.add_argument("--fingerprint", help="of the error")
        parser.add_argument("--since", help="opened since, as in 24h or 2026-01-31T08:00:00Z")
        parser.add_argument("--limit", type=int, help="at most so many, oldest first")
        parser.add_argument("--rate", type=float, help="so many a second")
        parser.add_argument("--stop-after", type=int, help="stop once so many have failed again")
        parser.add_argument("--simulate", action="store_true", help="simulated runs instead: nothing is sent")
        parser.add_argument("--dry-run", action="store_true", help="only say what would be replayed")
        parser.add_argument("--reason", default="", help="kept with the batch and in the runs' logs")

    def handle(self, *args: Any, **options: Any) -> None:
        chosen = {name: options[name] for name in ("workflow", "fingerprint", "since") if options[name]}
        self.observer = Observer(me=0)
        try:
            if options["dry_run"]:
                self._say(batches.preview(chosen, by=None, limit=options["limit"]))
                return
            self._need_a_worker()
            batch = batches.create(
                chosen,
                by=None,
                **{name: options[name] for name in ("limit", "rate", "stop_after", "simulate", "reason")},
            )
        except Refusal as error:
            raise CommandError(f"{error.errors[0]['path']}: {error}" if error.errors else str(error)) from None
        self._follow(batch)

    def _say(self, counts: dict[str, int]) -> None:
        for name, count in counts.items():
            self.stdout.write(f"{name.replace('_', ' ')}: {count}")

    def _alive(self) -> bool:
        self.observer.look()
        dead = {*self.observer.gone_here(), *self.observer.silent_elsewhere()}
        return any(pk not in dead for pk in self.observer.peers)

    def _need_a_worker(self) -> None:
        end = time.monotonic() + PATIENCE
        while not self._alive():
            if time.monotonic() > end:
                raise CommandError("No worker is alive, so nothing was replayed. Start one: manage.py work")
            time.sleep(LOOK)

    def _follow(self, batch: Batch) -> None:
        """Show how far it is until it has ended. Raises CommandError unless all went well."""
        progress, alone = Progress(self.stdout), 0.0
        while True:
            batch.refresh_from_db()
            counts = batches.counts(batch)
            progress.show(counts)
            if batch.state != BatchState.RUNNING:
                break
            alone = 0.0 if self._alive() else alone + LOOK
            if alone > PATIENCE:
                progress.end()
                raise CommandError(f"No worker is alive. Batch {batch.pk} goes on when one is: manage.py work")
            time.sleep(LOOK)
        progress.end()
        said = ", ".join(f"{counts[name]} {name}" for name in ("done", "failed", "skipped"))
        if batch.state == BatchState.STOPPED:
            raise CommandError(f"Batch {batch.pk} was stopped: {said} of {counts['total']}.")
        if counts["failed"]:
            raise CommandError(f"Batch {batch.pk}: {said} of {counts['total']}.")
        self.stdout.write(f"Batch {batch.pk}: {said} of {counts['total']}.")


class Progress:
    """A bar that is drawn again and again on a terminal; elsewhere a line whenever something has changed."""

    def __init__(self, out: Any) -> None:
        self.out = out
        self.bar = bool(getattr(out, "isatty", lambda: False)())
        self.last: dict[str, int] | None = None

    def show(self, counts: dict[str, int]) -> None:
        if counts == self.last:
            return
        self.last = counts
        total, ended = counts["total"], counts["done"] + counts["failed"] + counts["skipped"]
        text = f"{ended}/{total} · {counts['done']} done, {counts['failed']} failed, {counts['skipped']} skipped"
        if not self.bar:
            self.out.write(text)
            return
        full = WIDTH * ended // total if total else WIDTH
        self.out.write(f"\r[{'#' * full}{'.' * (WIDTH - full)}] {text} ", ending="")
        self.out.flush()

    def end(self) -> None:
        if self.bar and self.last is not None:
            self.out.write("")
