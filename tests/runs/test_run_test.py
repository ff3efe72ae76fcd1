"""`run_test SLUG --payload FILE`."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tests.builders import action, workflow

pytestmark = pytest.mark.django_db


def written(folder: Path, payload: Any) -> str:
    path = folder / f"{len(list(folder.iterdir()))}.json"
    path.write_text(payload if isinstance(payload, str) else json.dumps(payload))
    return str(path)


def run(*arguments: str) -> dict[str, Any]:
    out = StringIO()
    call_command("run_test", *arguments, stdout=out)
    return json.loads(out.getvalue())


def test_the_answer_is_printed_as_json(tmp_path: Path) -> None:
    workflow(action("a", config={"values": {"n": "{{ event.n }}"}}), live=False)
    answer = run("orders", "--payload", written(tmp_path, {"n": 3}))
    assert answer["matched"] is True
    assert [one["action"] for one in answer["candidates"]] == ["a"]
    assert answer["trigger"]["key"] == "by_hand"
    assert run("orders", "--payload", written(tmp_path, {"n": 3}), "--trigger", "said")["trigger"]["key"] == "said"


def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    contract = {"type": "object", "required": ["n"]}
    workflow(action("a"), live=False, triggers=[{"key": "by_hand", "kind": "manual", "contract": contract}])
    for arguments, message in (
        (("nothing", "--payload", written(tmp_path, {})), "There is no workflow nothing"),
        (("orders", "--payload", str(tmp_path / "missing.json")), "cannot be read"),
        (("orders", "--payload", written(tmp_path, {})), "payload.n"),
        (("orders", "--payload", written(tmp_path, {"n": 1}), "--of", "7"), "version"),
    ):
        with pytest.raises(CommandError, match=message):
            run(*arguments)
    with pytest.raises(CommandError, match="not JSON"):
        run("orders", "--payload", written(tmp_path, "{"))
