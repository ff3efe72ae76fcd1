"""The page about the definition document says what is true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from automations.engine.action_reader import ACTION_KEYS, COMPENSATION_KEYS
from automations.engine.operators import OPERATORS
from automations.engine.plan import TOP_KEYS, check, parse
from automations.engine.stewardship import ALERT_KEYS, EXPECT_KEYS, SCENARIO_KEYS
from automations.engine.trigger_reader import TRIGGER_KEYS
from automations.engine.yaml_core import dumps, loads
from tests.automations.engine.kinds import ACTIONS, TRIGGERS

PAGE = Path(__file__).parents[3].joinpath("docs", "definition.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("text", EXAMPLES, ids=lambda text: text.split("\n")[0])
def test_each_example_is_a_complete_definition(text):
    data, lines = loads(text)
    assert check(data, actions=ACTIONS, triggers=TRIGGERS, lines=lines) == []
    assert parse(data, actions=ACTIONS, triggers=TRIGGERS).slug == data["workflow"]
    assert loads(dumps(data))[0] == data


@pytest.mark.parametrize(
    "key",
    sorted(
        {
            *TOP_KEYS,
            *ACTION_KEYS,
            *COMPENSATION_KEYS,
            *TRIGGER_KEYS,
            *SCENARIO_KEYS,
            *EXPECT_KEYS,
            *ALERT_KEYS,
            *OPERATORS,
        }
    ),
)
def test_every_key_and_operator_is_described(key):
    assert re.search(rf"`[^`]*\b{key}\b[^`]*`", PAGE)
