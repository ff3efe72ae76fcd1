"""`/metrics`: Prometheus' text format, read from the database at every scrape, so it does not matter which web process
answers. No query grows with history; counters are what the workers have counted (Worker.counts)."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator

from django.db import DatabaseError, InterfaceError, connection
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from runs.executor import watch
from runs.executor.workers import HOST, SILENT, lock_is_free
from runs.health import queue
from runs.models import DeadLetter, Worker
from runs.states import FINISHED_RUN, DeadLetterState


class Installation(Collector):
    """Everything there is to say; of a database that does not answer only `automation_up 0`."""

    def collect(self) -> Iterator[Metric]:
        try:
            found = [*_queue(), *_workers(), *_counters(), _letters()]
            up = watch.is_held()
        except (DatabaseError, InterfaceError):
            connection.close()
            found, up = [], False
        yield _gauge("automation_up", "1 when the database answers and a drain is on watch.", int(up))
        yield from found


def _queue() -> Iterator[Metric]:
    now = queue()
    yield _gauge("automation_queue_due", "Things a worker could take now.", now.due)
    yield _gauge("automation_queue_oldest_seconds", "How long the oldest of them has waited.", now.oldest)


def _workers() -> Iterator[Metric]:
    alive = [worker for worker in Worker.objects.filter(stopped_at=None, buried_at=None) if lives(worker)]
    yield _gauge("automation_workers", "Workers alive.", len(alive))
    memory = GaugeMetricFamily("automation_worker_memory_bytes", "Memory at the last beat.", labels=["host", "worker"])
    for worker in alive:
        memory.add_metric([worker.host, str(worker.pk)], worker.memory)
    yield memory


def lives(worker: Worker) -> bool:
    """By its lock on this host, elsewhere by its beat: a dead one is buried only once somebody is on watch."""
    if worker.host == HOST:
        return not lock_is_free(worker.pk)
    return time.time() - worker.beat / 1000 < SILENT


def _counters() -> Iterator[Metric]:
    counts: Counter[str] = Counter()
    for row in Worker.objects.values_list("counts", flat=True):
        counts.update(row)
    runs = CounterMetricFamily(
        "automation_runs", "Executed runs that have finished; one that was reopened counts again.", labels=["status"]
    )
    for status in FINISHED_RUN:
        runs.add_metric([status], counts[status])
    yield runs
    yield CounterMetricFamily("automation_run_errors", "Steps that gave up for good.", value=counts["errors"])


def _letters() -> Metric:
    waiting = DeadLetter.objects.filter(state=DeadLetterState.OPEN).order_by().count()
    return _gauge("automation_dead_letters_open", "Dead letters that wait for a person.", waiting)


def _gauge(name: str, meaning: str, value: float) -> Metric:
    return GaugeMetricFamily(name, meaning, value=value)


_registry = CollectorRegistry()
_registry.register(Installation())


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """One scrape."""
    return HttpResponse(generate_latest(_registry), content_type=CONTENT_TYPE_LATEST)
