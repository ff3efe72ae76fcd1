"""The example under "How to add a kind" works as it is written."""

from __future__ import annotations

import importlib.util
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from automations.kinds import ActionKind, actions
from runs import dispatch
from runs.models import DeadLetter, Run, Step
from runs.simulation import run_test
from tests import builders
from tests.architecture.tree import read
from tests.receiver import Receiver
from tests.runs.drains import carry_all

pytestmark = pytest.mark.django_db(transaction=True)
CONFIG = {"connection": "gateway", "to": "{{ event.phone }}", "text": "Your order {{ event.id }} is on its way."}


@pytest.fixture
def kind(tmp_path: Path) -> Iterator[ActionKind]:
    """The class of README, from a file of its own, registered for one test."""
    block = re.search(r"```python\n(.*?)```", read("README.md").split("## How to add a kind")[1], re.S)
    assert block
    path = tmp_path / "sms_send.py"
    path.write_text(textwrap.dedent(block[1]))
    spec = importlib.util.spec_from_file_location("sms_send", path)
    assert spec and spec.loader
    module = sys.modules["sms_send"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with actions.temporarily(module.SmsSend()) as registered:
        yield registered
    del sys.modules["sms_send"]


@pytest.fixture
def gateway() -> Iterator[Receiver]:
    with Receiver() as receiver:
        builders.connection("gateway", receiver.url, auth={"type": "bearer", "token": "t"})
        yield receiver


def test_it_sends_with_its_key_and_its_credentials(kind: ActionKind, gateway: Receiver) -> None:
    made = builders.workflow(builders.action("tell", kind.name, config=CONFIG))
    run = dispatch.start(made, {"id": 7, "phone": "+49301234567"}, by=None)
    carry_all()
    assert Run.objects.get(pk=run.pk).status == "succeeded"
    assert Step.objects.get(run=run).output == {"status": 200}
    (call,) = gateway.calls
    assert (call.path, call.json["to"]) == ("/messages", "+49301234567")
    assert call.key and call.headers["authorization"] == "Bearer t"


def test_a_refusal_becomes_a_dead_letter(kind: ActionKind, gateway: Receiver) -> None:
    gateway.status = 422
    made = builders.workflow(builders.action("tell", kind.name, config=CONFIG))
    dispatch.start(made, {"id": 7, "phone": "+49301234567"}, by=None)
    carry_all()
    assert DeadLetter.objects.get().error["type"] == "http_status"


def test_simulating_it_sends_nothing(kind: ActionKind, gateway: Receiver) -> None:
    made = builders.workflow(builders.action("tell", kind.name, config=CONFIG), live=False)
    answer = run_test(made, by=None, payload={"id": 7, "phone": "+49301234567"}, trigger="by_hand")
    assert answer["run"]["status"] == "succeeded"
    assert answer["effects"]["external_calls"] == 0 and gateway.calls == []
