"""The documents list what exists: map, commands, variables, kinds, metrics, times, links."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest
from django.core.management import get_commands
from django.test import Client

from automations.kinds import actions, triggers
from tests.architecture.tree import APPS, ROOT, calls, files, python, read

pytestmark = pytest.mark.one_database


def section(text: str, title: str) -> str:
    """What stands under a heading, up to the next of its level or above."""
    found = re.search(rf"^(#+) {re.escape(title)}\n(.*?)(?=^\#{{1,2}} |\Z)", text, re.M | re.S)
    assert found, f"there is no section {title}"
    return found[2]


def first_column(text: str) -> list[str]:
    """The first cell of every row of the tables in it."""
    return [
        row.split("|")[1].strip() for row in text.splitlines() if row.startswith("| ") and not row.startswith("| ---")
    ]


def named(cells: list[str]) -> set[str]:
    """The first word in code of each cell."""
    return {match[1] for cell in cells if (match := re.match(r"`([\w.]+)", cell))}


def test_the_map_of_the_house_is_the_house() -> None:
    block = re.search(r"```\n(.*?)```", section(read("README.md"), "Map of the house"), re.S)
    assert block
    top, listed, missing = "", set(), []
    for line in block[1].splitlines():
        name = line.split("  ")[0] if not line.startswith(" ") else line.strip().split("  ")[0]
        path = f"{top}{name}" if line.startswith(" ") else name
        if not line.startswith(" ") and name.endswith("/"):
            top = name
        listed.add(path)
        if not (ROOT / path).exists():
            missing.append(path)
    assert missing == []
    folders = {f"{path.relative_to(ROOT).parts[0]}/" for path in files() if len(path.relative_to(ROOT).parts) > 1}
    assert folders - listed == set()


def test_every_command_is_described_and_every_description_is_of_a_command() -> None:
    ours = {name for name, app in get_commands().items() if app in APPS}
    assert named(first_column(section(read("README.md"), "Commands"))) == ours


def test_every_variable_is_described_and_every_description_is_of_a_variable() -> None:
    read_here = set()
    for _, module in python():
        for name, call in calls(module):
            if re.fullmatch(r"env\.\w+|os\.environ\.get", name) and call.args:
                read_here.add(getattr(call.args[0], "value", ""))
    internal = {"", "DISPLAY", "AUTOMATION_PIPE"}  # what `work` tells its own processes, what a desktop says
    assert named(first_column(section(read("README.md"), "Environment"))) == read_here - internal


def test_every_kind_is_described_and_every_description_is_of_a_kind() -> None:
    text = read("docs/kinds.md")
    ours = {name for name in actions if not name.startswith("specimen.")}
    assert named(first_column(section(text, "Actions"))) == ours
    assert named(first_column(section(text, "Triggers"))) == set(triggers)


@pytest.mark.django_db
def test_every_metric_is_described_and_every_description_is_of_a_metric(client: Client) -> None:
    served = set(re.findall(r"^# TYPE (\w+)", client.get("/metrics").content.decode(), re.M))
    described = set(re.findall(r"`(automation_\w+)", section(read("docs/operations.md"), "Watch over it")))
    assert described == served


def test_times_and_sizes_are_those_of_the_code() -> None:
    rows = re.findall(
        r"^\| .*? \| `([\w.]+)\.(\w+)` \| ([\d.]+)", section(read("docs/execution.md"), "Times and sizes"), re.M
    )
    assert len(rows) > 10
    wrong = [
        f"{module}.{name}"
        for module, name, value in rows
        if getattr(importlib.import_module(module), name) != float(value)
    ]
    assert wrong == []


def test_links_lead_somewhere() -> None:
    wrong = []
    for page in [*(path for path in files(suffix=".md") if "tests" not in path.parts)]:
        for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"```.*?```", "", page.read_text(), flags=re.S)):
            if target.startswith(("http:", "https:", "mailto:")):
                continue
            name, _, anchor = target.partition("#")
            path = (page.parent / name).resolve() if name else page
            if not path.exists() or (anchor and anchor not in _anchors(path)):
                wrong.append(f"{page.relative_to(ROOT)}: {target}")
    assert wrong == []


def _anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_every_page_of_the_documentation_is_linked_from_the_first() -> None:
    readme = read("README.md")
    assert [path.name for path in files("docs", suffix=".md") if f"docs/{path.name}" not in readme] == []


def test_each_app_has_one_migration_until_the_first_release() -> None:
    for app in APPS:
        found = [path.name for path in (ROOT / app / "migrations").glob("*.py") if path.name != "__init__.py"]
        assert found == ["0001_initial.py"], app


def test_the_published_option_documents_are_kept_as_examples() -> None:
    assert {path.name for path in files("config/examples")} >= {
        "basic.yaml",
        "advanced.yaml",
        "process-optimization.yaml",
    }
