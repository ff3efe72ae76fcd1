"""Imports flow one way, edges stand alone, and the engine is pure."""

from __future__ import annotations

import ast
import contextlib
import io
from pathlib import PurePosixPath

import pytest
from importlinter import cli

from tests.architecture.tree import APPS, ROOT, calls, imports, python

pytestmark = pytest.mark.one_database

EDGES = ("admin", "api", "management")


def edge_of(path: str) -> str | None:
    """`admin` of `runs/admin/home.py`, None of the domain."""
    parts = PurePosixPath(path).parts
    return parts[1] if len(parts) > 2 and parts[0] in APPS and parts[1] in EDGES else None


def edge_named(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[0] in APPS and parts[1] in EDGES else None


def test_the_contracts_of_pyproject_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    with contextlib.redirect_stdout(io.StringIO()) as said:
        code = cli.lint_imports(no_cache=True)
    assert code == cli.EXIT_STATUS_SUCCESS, said.getvalue()


def test_the_domain_imports_no_edge() -> None:
    wrong = [
        f"{path}: {name}"
        for path, module in python(*APPS)
        for name in imports(module)
        if edge_of(path) is None and edge_named(name)
    ]
    assert wrong == []


def test_no_edge_imports_another() -> None:
    wrong = [
        f"{path}: {name}"
        for path, module in python(*APPS)
        for name in imports(module)
        if edge_of(path) and edge_named(name) not in (None, edge_of(path))
    ]
    assert wrong == []


def test_nobody_imports_the_configuration() -> None:
    wrong = [
        f"{path}: {name}"
        for path, module in python(*APPS)
        for name in imports(module)
        if name.split(".")[0] == "config"
    ]
    assert wrong == []


IMPURE = {
    "time",
    "random",
    "secrets",
    "os",
    "socket",
    "asyncio",
    "threading",
    "subprocess",
    "pathlib",
    "logging",
    "django",
}


def test_the_engine_has_no_clock_no_chance_no_input_and_no_output() -> None:
    wrong = []
    for path, module in python("automations/engine"):
        wrong += [f"{path}: import {name}" for name in imports(module) if name.split(".")[0] in IMPURE]
        wrong += [
            f"{path}:{call.lineno}: {name}"
            for name, call in calls(module)
            if name == "open" or name.endswith((".now", ".utcnow", ".today"))
        ]
    assert wrong == []


def test_every_package_has_an_init() -> None:
    folders = {(ROOT / path).parent for path, _ in python()}
    assert sorted(str(folder) for folder in folders if not (folder / "__init__.py").exists()) == []


def test_an_import_in_a_string_is_seen_too() -> None:
    """The product starts nothing by a dotted name but its own tasks."""
    names = [
        node.value
        for _, module in python(*APPS)
        for name, call in calls(module)
        if name in ("async_task", "import_string", "import_module", "__import__")
        for node in call.args[:1]
        if isinstance(node, ast.Constant)
    ]
    assert all(name.startswith("runs.tasks.") for name in names), names
