"""One writer per noun: who may set the status of runs, steps, dead letters and batches."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from tests.architecture.tree import calls, python, texts

pytestmark = pytest.mark.one_database

#: Module → what it writes.
WRITERS = {
    "runs/dispatch.py": "new runs",
    "runs/executor/hand.py": "a run that was taken: running",
    "runs/executor/record.py": "the group commit: runs, steps, dead letters",
    "runs/approvals.py": "approvals: what people decide",
    "runs/executor/asked.py": "approvals that are asked for, or no longer",
    "runs/reminders.py": "approvals that expire",
    "runs/dead_letters.py": "reopening, resolving, discarding",
    "runs/batches.py": "batches, their items, and the dead letters they settle",
    "runs/replay.py": "new runs from old ones",
    "runs/simulation/storing.py": "simulated runs",
}
METHODS = ("update", "create", "get_or_create", "update_or_create", "acreate", "aupdate")
SQL = re.compile(r"\bSET\b[^;]*?\b(status|state)\s*=|^automations_runs_(run|step|deadletter|batch|batchitem)$", re.S)
COLUMNS = ("status", "state")
#: A new row has a status without being told one.
NEW = re.compile(r"(Run|Step|DeadLetter|Batch|BatchItem)\.objects\.\w*create")


def writes(module: ast.Module) -> Iterator[str]:
    """Places that set a status column: by SQL, by a manager's method, or by assigning to a row that is then saved."""
    yield from (f"SQL: {text[:60]}" for text in texts(module) if SQL.search(text))
    saves = False
    for name, call in calls(module):
        method = name.rsplit(".", 1)[-1]
        if NEW.match(name) or (
            "." in name and method in METHODS and any(word.arg in COLUMNS for word in call.keywords)
        ):
            yield f"{call.lineno}: {name}"
        saves = saves or method in ("save", "bulk_update", "bulk_create")
    for node in ast.walk(module):
        if saves and isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and node.attr in COLUMNS:
            yield f"{node.lineno}: {ast.unparse(node)} ="


def test_nobody_else_writes_a_status() -> None:
    wrong = [
        f"{path}:{place}"
        for path, module in python("runs", "webhooks")
        for place in writes(module)
        if path not in WRITERS
    ]
    assert wrong == []


def test_the_list_of_writers_holds_nobody_who_does_not_write() -> None:
    found = {path for path, module in python("runs") if any(writes(module))}
    assert set(WRITERS) - found == set()
