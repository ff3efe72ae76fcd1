"""What every benchmark needs: an installation, a sink, the W3 workflow, percentiles."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.installation import ROOT, Installation, free_port

#: Signed webhook → condition → transform → HTTP call → HTTP call, every step recorded.
W3 = """
from tests.builders import *
connection("sink", "{url}")
endpoint("shop")
call = dict(connection="sink", method="POST", text="{{{{ string(event.id) }}}}")
workflow(
    action("shape", config={{"values": {{"text": "Order {{{{ event.order.id }}}} over {{{{ event.order.total }}}}"}}}}),
    action("one", "http.request", needs=["shape"], when="large", config={{**call, "path": "/one"}}),
    action("two", "http.request", needs=["one"], config={{**call, "path": "/two"}}),
    conditions={{"large": {{"all": [
        {{"field": "event.order.total", "operator": "gt", "value": 100}},
        {{"field": "event.order.country", "operator": "in", "value": ["DE", "FR"]}}]}}}},
    triggers=[{{"key": "paid", "kind": "webhook", "config": {{"endpoint": "shop"}}, "filter": 'event.type == "order.paid"'}}],
)
"""


class Stage:
    """An installation with W3 and its sink. `send` runs a sender in a process of its own."""

    def __init__(self, installation: Installation, sink: int) -> None:
        self.installation, self.sink = installation, sink
        self._next = 1

    def ask(self, path: str, method: str = "GET") -> Any:
        request = urllib.request.Request(f"http://127.0.0.1:{self.sink}{path}", method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def sender(self, count: int, connections: int = 32, rate: float = 0) -> subprocess.Popen[str]:
        arguments = [self.installation.port, count, connections, rate, self._next]
        self._next += count
        return subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.sender", *map(str, arguments)],
            stdout=subprocess.PIPE,
            text=True,
            env={**self.installation.environment, "DJANGO_SETTINGS_MODULE": "config.settings"},
            cwd=ROOT,
        )

    def send(self, count: int, connections: int = 32, rate: float = 0) -> dict[str, Any]:
        return self.result(self.sender(count, connections, rate))

    @staticmethod
    def result(process: subprocess.Popen[str]) -> dict[str, Any]:
        return json.loads(process.communicate(timeout=300)[0])

    def unfinished(self) -> int:
        return self.installation.sql("SELECT count(*) FROM automations_runs_agenda")[0][0]


@contextlib.contextmanager
def stage(database: str, *, delay: float = 0.0, work: bool = True) -> Iterator[Stage]:
    port = free_port()
    sink = subprocess.Popen([sys.executable, "-m", "tests.benchmarks.sink", str(port), str(delay)], cwd=ROOT)
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            Installation(Path(folder), database, SPECIMEN_STOPS="") as installation,
        ):
            installation.manage("shell", "-c", W3.format(url=f"http://127.0.0.1:{port}"))
            installation.serve()
            if work:
                installation.work()
            yield Stage(installation, port)
    finally:
        sink.terminate()
        sink.wait()


@contextlib.contextmanager
def baseline(database: str) -> Iterator[Stage]:
    """The same load on the baseline's installation."""
    port = free_port()
    sink = subprocess.Popen([sys.executable, "-m", "tests.benchmarks.sink", str(port), "0"], cwd=ROOT)
    extra = {
        "DJANGO_SETTINGS_MODULE": "tests.benchmarks.baseline_settings",
        "BASELINE_SINK": f"http://127.0.0.1:{port}",
    }
    try:
        with tempfile.TemporaryDirectory() as folder, Installation(Path(folder), database, **extra) as installation:
            installation.serve()
            installation.start("qcluster")
            yield Stage(installation, port)
    finally:
        sink.terminate()
        sink.wait()


def percentiles(values: list[float], *, digits: int = 1) -> str:
    """ "p50 / p95 / p99" of milliseconds."""
    ordered = sorted(values)
    picks = [ordered[min(len(ordered) - 1, int(len(ordered) * share))] for share in (0.50, 0.95, 0.99)]
    return " / ".join(f"{value:.{digits}f}" for value in picks)
