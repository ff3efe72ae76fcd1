"""`/healthz` and `/readyz`: is this process alive, and would an event that arrives now be carried soon?"""

from __future__ import annotations

from dataclasses import dataclass, field

from django.db import DatabaseError, InterfaceError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from runs import database
from runs.agenda import TABLE
from runs.executor import watch

#: Seconds something that is due may wait before the installation counts as not ready.
PATIENCE = 120.0


@dataclass(frozen=True, slots=True)
class Queue:
    """What a worker could take now: how many things, and for how many seconds the oldest has waited."""

    due: int = 0
    oldest: float = 0.0


@dataclass(slots=True)
class Readiness:
    reasons: list[str] = field(default_factory=list)
    queue: Queue = field(default_factory=Queue)


def queue() -> Queue:
    """Ready things, and sleepers whose time has come (the watch promotes them: without one they pile up)."""
    with connection.cursor() as cursor:
        now = database.Clock().read(cursor)
        cursor.execute(f"SELECT count(*), min(rank + head_start) FROM {TABLE} WHERE rank IS NOT NULL")
        ready, since = cursor.fetchone()
        cursor.execute(
            f"SELECT count(*), min(wake_at) FROM {TABLE} WHERE wake_at <= %s AND owner IS NULL AND blocked_by IS NULL",
            [database.stamp(now)],
        )
        asleep, first = cursor.fetchone()
    starts = [since, database.moment(first).timestamp() if first else None]  # type: ignore[union-attr]
    waited = [now.timestamp() - start for start in starts if start is not None]
    return Queue(ready + asleep, max(0.0, *waited) if waited else 0.0)


def readiness() -> Readiness:
    """Whether events that arrive now will be carried soon, and if not, why."""
    found = Readiness()
    try:
        found.queue = queue()
        on_watch = watch.is_held()
    except (DatabaseError, InterfaceError) as error:
        connection.close()  # the next request asks with a new one
        found.reasons.append(f"The database does not answer: {type(error).__name__}.")
        return found
    if not on_watch:
        found.reasons.append("No drain is on watch: start `manage.py work`.")
    if found.queue.oldest > PATIENCE:
        found.reasons.append(f"Something has been due for {found.queue.oldest:.0f} s.")
    return found


@never_cache
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """This process answers."""
    return JsonResponse({"status": "ok"})


@never_cache
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """200 `{status: "ready", …}`, or 503 with the reasons."""
    found = readiness()
    answer = {
        "status": "not ready" if found.reasons else "ready",
        "reasons": found.reasons,
        "queue": {"due": found.queue.due, "oldest_seconds": round(found.queue.oldest, 1)},
    }
    return JsonResponse(answer, status=503 if found.reasons else 200)
