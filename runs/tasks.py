"""django-q2's entry points: coarse, idempotent, without data and without decisions."""

from __future__ import annotations

from django_q.tasks import async_task


def enqueue_drain() -> None:
    """Ask the cluster for a drain. A duplicate finds the watch taken and nothing to help with, and waits or returns."""
    async_task("runs.tasks.drain", timeout=-1, save=False)


def drain() -> None:
    """Carry runs until told to finish."""
    from runs.executor.process import run_drains

    run_drains()


def enqueue_canary(token: int) -> None:
    async_task("runs.tasks.canary", token, timeout=-1, save=False)


def canary(token: int) -> None:
    """Prove that the queue moves: the supervisor waits for this file's content."""
    from runs.executor.canary import sing

    sing(token)
