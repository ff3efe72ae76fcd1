from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.installation import Installation
from tests.receiver import Receiver


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    """A whole installation on the database this session tests."""
    with Installation(tmp_path, os.environ.get("TEST_DATABASE", "sqlite")) as made:
        yield made


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver
