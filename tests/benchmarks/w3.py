"""W3 of docs/performance.md: throughput, latency, the door beside a saturated drain, slow calls, takeover."""

from __future__ import annotations

import os
import signal
import time

from tests.benchmarks.stage import Stage, baseline, percentiles, stage


def throughput(database: str, count: int = 3000) -> dict[str, float]:
    """Runs accepted and finished per second, load and sink included."""
    with stage(database) as on:
        on.send(200)
        on.installation.until(lambda: on.unfinished() == 0, "the warm-up")
        began = time.perf_counter()
        told = on.send(count)
        on.installation.until(lambda: on.unfinished() == 0, "all runs to finish", timeout=300)
        finished = count / (time.perf_counter() - began)
        statuses = on.installation.sql("SELECT status, count(*) FROM automations_runs_run GROUP BY status")
        assert statuses == [("succeeded", count + 200)], statuses
        print(
            f"  W3 {database}: accepted {told['accepted'] / told['seconds']:.0f}/s, finished {finished:.0f}/s, "
            f"door p50/p95/p99 beside the drain {percentiles(told['latency'])} ms"
        )
        latency(on, database)
        return {"finished": finished}


def compared(database: str, count: int = 1500) -> None:
    """W3 beside a tuned django-q2 task that does the steps inline and records none."""
    with baseline(database) as on:
        on.send(100)
        on.installation.until(lambda: on.ask("/count")["calls"] >= 200, "the warm-up")
        began = time.perf_counter()
        on.send(count)
        on.installation.until(lambda: on.ask("/count")["calls"] >= 2 * (count + 100), "all calls", timeout=300)
        bare = count / (time.perf_counter() - began)
    ours = throughput(database, count)["finished"]
    print(f"  bare django-q2 task {database}: {bare:.0f}/s; W3 with every step recorded is {ours / bare:.2f} × that")


def latency(on: Stage, database: str, count: int = 150) -> None:
    """Event sent → first outbound call arrives, unloaded."""
    on.ask("/reset", "POST")
    told = on.send(count, connections=1, rate=25)
    on.installation.until(lambda: on.unfinished() == 0, "all runs to finish")
    arrived = on.ask("/times")
    waits = [(arrived[str(n)] - at) * 1000 for n, at in ((int(k), v) for k, v in told["sent"].items())]
    print(f"  unloaded {database}: event sent → first call p50/p95/p99 {percentiles(waits)} ms")


def door(database: str, count: int = 3000) -> None:
    """The door alone: workers stopped."""
    with stage(database, work=False) as on:
        on.send(200)
        fast = on.send(count)
        rate = fast["accepted"] / fast["seconds"]
        half = on.send(min(count, int(rate)), rate=rate / 2)
        print(
            f"  door alone {database}: {rate:.0f} durable events/s; at half that p50/p95/p99 {percentiles(half['latency'])} ms"
        )


def slow_calls(database: str, count: int = 1000) -> None:
    """1,000 runs that each hold two calls of 2 s: how long, and how much memory the worker takes."""
    with stage(database, delay=2.0) as on:
        began = time.perf_counter()
        on.send(count)
        peak = 0
        while on.unfinished():
            peak = max(peak, *(memory(pid) for pid in on.installation.workers()))
            time.sleep(0.1)
        print(
            f"  {count} runs × 2 calls of 2 s {database}: {time.perf_counter() - began:.1f} s, worker {peak / 1e6:.0f} MB"
        )


def memory(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/smaps_rollup") as file:
            return int(next(line.split()[1] for line in file if line.startswith("Pss:"))) * 1024
    except (OSError, StopIteration):
        return 0


def takeover(database: str, rounds: int = 5) -> None:
    """A worker is killed while it carries runs: from the kill to the first call its successor makes."""
    waits = []
    with stage(database, delay=0.0) as on:
        for _ in range(rounds):
            on.installation.until(lambda: len(on.installation.workers()) >= 2, "two workers")
            time.sleep(1.5)
            load = on.sender(600, rate=300)
            time.sleep(1.0)
            watch = busiest(on)
            at = time.time()
            os.kill(watch, signal.SIGKILL)
            rows = on.installation.until(
                lambda since=at: on.installation.sql(
                    "SELECT max(id) FROM automations_runs_worker WHERE buried_at IS NOT NULL"
                ),
                "the burial",
            )
            on.installation.until(lambda row=rows[0][0]: buried_at(on, row) is not None, "the burial")
            Stage.result(load)
            on.installation.until(lambda: on.unfinished() == 0, "all runs to finish")
            waits.append((last_burial(on) - at) * 1000)
    print(f"  takeover {database}: kill → burial p50/p95/p99 {percentiles(waits)} ms over {rounds} kills")


def busiest(on: Stage) -> int:
    rows = on.installation.sql(
        "SELECT w.pid FROM automations_runs_worker w WHERE w.stopped_at IS NULL AND w.buried_at IS NULL ORDER BY w.hands DESC, w.id"
    )
    living = set(on.installation.workers())
    return next(row[0] for row in rows if row[0] in living)


def buried_at(on: Stage, _: object) -> object:
    return on.installation.sql("SELECT max(buried_at) FROM automations_runs_worker")[0][0]


def last_burial(on: Stage) -> float:
    from datetime import UTC, datetime

    value = on.installation.sql("SELECT max(buried_at) FROM automations_runs_worker")[0][0]
    if isinstance(value, str):
        value = datetime.fromisoformat(value).replace(tzinfo=UTC)
    return value.timestamp()
