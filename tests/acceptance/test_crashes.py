"""Whatever is killed while 500 events are in flight: each acknowledged one's run finishes, and nothing is done under
another key or with other bytes."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sqlite3
import time
from collections import defaultdict
from collections.abc import Callable

import pytest

from tests.acceptance.load import Load, delivery
from tests.installation import Installation
from tests.receiver import Receiver

pytestmark = [pytest.mark.crash, pytest.mark.timeout(280)]
EVENTS = 500
SETUP = """
from tests.builders import *
connection("crm", "{url}")
endpoint("shop")
call = dict(connection="crm", method="POST", json={{"id": "{{{{ event.id }}}}"}})
workflow(
    action("first", config={{"values": {{"id": "{{{{ event.id }}}}"}}}}),
    action("one", "http.request", needs=["first"], config={{**call, "path": "/one"}}, retry={{"attempts": 5, "delay": "200ms"}}),
    action("two", "http.request", needs=["one"], config={{**call, "path": "/two"}}, retry={{"attempts": 5, "delay": "200ms"}}),
    triggers=[{{"key": "hook", "kind": "webhook", "config": {{"endpoint": "shop"}}}}], timeout="1h",
)
"""


def set_up(installation: Installation, receiver: Receiver) -> None:
    installation.manage("shell", "-c", SETUP.format(url=receiver.url))
    installation.serve()
    installation.work()


def unfinished(installation: Installation) -> int:
    return installation.sql("SELECT count(*) FROM automations_runs_run WHERE finished_at IS NULL")[0][0]


def check(installation: Installation, receiver: Receiver, load: Load) -> None:
    """Nothing lost, nothing doubled but under its own key and bytes."""
    assert len(load.acknowledged) == load.count
    installation.until(lambda: unfinished(installation) == 0, "every run to finish", timeout=120)
    rows = installation.sql("SELECT id, status FROM automations_runs_run")
    assert {run for runs in load.acknowledged.values() for run in runs} == {row[0] for row in rows}
    assert len(rows) == load.count and {row[1] for row in rows} == {"succeeded"}
    assert installation.sql("SELECT count(*) FROM automations_runs_agenda") == [(0,)]
    bodies: dict[str, set[bytes]] = defaultdict(set)
    for call in list(receiver.calls):
        bodies[call.key].add(call.body)
    assert len(bodies) == 2 * load.count and all(len(same) == 1 for same in bodies.values())


def under_load(
    installation: Installation, receiver: Receiver, harm: Callable[[], None], *, events: int = EVENTS, times: int = 1
) -> Load:
    set_up(installation, receiver)
    receiver.delay = 0.02
    load = Load(installation, events)
    load.start()
    for _ in range(times):
        target = len(receiver.calls) + events // (times + 1)
        installation.until(lambda t=target: len(receiver.calls) >= t or not load.is_alive(), "some calls")
        harm()
    load.join(120)
    return load


def kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def test_a_killed_worker_loses_nothing_however_often(installation: Installation, receiver: Receiver) -> None:
    def harm() -> None:
        kill(random.choice(installation.until(installation.workers, "a worker")))

    check(installation, receiver, under_load(installation, receiver, harm, times=3))


def test_a_killed_web_server_loses_nothing_it_acknowledged(installation: Installation, receiver: Receiver) -> None:
    def harm() -> None:
        web = installation.processes[0]
        os.killpg(web.pid, signal.SIGKILL)
        web.wait()
        installation.serve()

    check(installation, receiver, under_load(installation, receiver, harm))


def test_the_whole_group_killed_at_once_loses_nothing(installation: Installation, receiver: Receiver) -> None:
    def harm() -> None:
        pid = installation.until(installation.workers, "a worker")[0]
        os.killpg(os.getpgid(pid), signal.SIGKILL)

    check(installation, receiver, under_load(installation, receiver, harm))


def test_a_worker_stopped_inside_a_transaction_is_ended_and_its_runs_go_on(
    installation: Installation, receiver: Receiver
) -> None:
    def harm() -> None:
        (installation.var / "stop-in-transaction").touch()

    load = under_load(installation, receiver, harm)
    installation.until((installation.var / "stopped").exists, "a worker to stop")
    check(installation, receiver, load)


def test_a_living_worker_that_loses_its_database_for_a_moment_goes_on(
    installation: Installation, receiver: Receiver
) -> None:
    def cut() -> None:
        installation.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
            "AND pid <> pg_backend_pid()"
        )

    def lock() -> None:
        with contextlib.closing(sqlite3.connect(installation.var / "automation.sqlite3", timeout=30)) as session:
            session.execute("BEGIN IMMEDIATE")
            time.sleep(2)
            session.rollback()

    harm = cut if installation.database == "postgres" else lock
    check(installation, receiver, under_load(installation, receiver, harm, times=3))


def test_a_poison_run_among_neighbours_costs_one_dead_letter(installation: Installation, receiver: Receiver) -> None:
    set_up(installation, receiver)
    poison = """
from tests.builders import *
from runs import dispatch
for name in ("calm", "poison"):
    kind = "specimen.sleep" if name == "calm" else "specimen.poison"
    workflow(action("act", kind, config={"seconds": 1}), slug=name)
from automations.models import Workflow
calm, bad = Workflow.objects.get(slug="calm"), Workflow.objects.get(slug="poison")
for number in range(500):
    dispatch.start(bad if number == 250 else calm, {}, by=None)
"""
    installation.manage("shell", "-c", poison)
    installation.until(lambda: unfinished(installation) == 0, "every run to finish", timeout=150)
    statuses = dict(installation.sql("SELECT status, count(*) FROM automations_runs_run GROUP BY status"))
    assert statuses == {"succeeded": 499, "failed": 1}
    letters = installation.sql("SELECT step, error FROM automations_runs_deadletter")
    assert len(letters) == 1 and '"type":"crash"' in letters[0][1]


def test_an_idle_worker_and_the_watch_killed_together_do_not_delay_the_next_event(
    installation: Installation, receiver: Receiver
) -> None:
    set_up(installation, receiver)
    drains = installation.workers()
    main = os.getpgid(drains[0])
    idle = {pid for pid in installation.ours() if os.getpgid(pid) == main} - {*drains, main}
    # The oldest is django-q2's sentinel; of the rest one is the idle worker. Killing it can deadlock the queue.
    kill(sorted(idle)[1])
    kill(drains[0])
    time.sleep(0.1)
    body, headers = delivery(1)
    assert installation.request("POST", "/hooks/shop", body, headers=headers)[0] == 202
    installation.until(lambda: unfinished(installation) == 0, "the run to finish", timeout=20)


def test_work_killed_leaves_no_orphan_and_the_next_work_performs_the_event(
    installation: Installation, receiver: Receiver
) -> None:
    set_up(installation, receiver)
    work = installation.processes[-1]
    before = set(installation.ours())
    work.kill()
    work.wait()
    web = installation.processes[0].pid
    installation.until(
        lambda: {p for p in installation.ours() if os.getpgid(p) != web} == set(),
        f"no orphan of {before} to remain",
        15,
    )
    body, headers = delivery(1)
    assert installation.request("POST", "/hooks/shop", body, headers=headers)[0] == 202
    assert unfinished(installation) == 1
    installation.work()
    installation.until(lambda: unfinished(installation) == 0, "the run to finish", timeout=30)
