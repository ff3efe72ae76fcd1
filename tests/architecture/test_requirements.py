"""What is asked for (*.in) and what is pinned (*.txt) are in step, and every package has its reason."""

from __future__ import annotations

import re
import sys
from importlib import metadata

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.architecture.tree import read

pytestmark = pytest.mark.one_database


def wanted(name: str) -> list[Requirement]:
    lines = read(f"requirements/{name}.in").splitlines()
    return [Requirement(line) for line in lines if line.strip() and not line.startswith(("#", "-"))]


def pinned(name: str) -> dict[str, str]:
    """Package → version. Raises AssertionError for a line that is no pin."""
    found = {}
    for line in read(f"requirements/{name}.txt").splitlines():
        if line.strip() and not line.startswith("#"):
            assert re.fullmatch(r"[\w.-]+==[\w.]+", line), f"{name}.txt: {line}"
            package, version = line.split("==")
            assert canonicalize_name(package) not in found, f"{name}.txt: {package} twice"
            found[canonicalize_name(package)] = version
    return found


def closure(requirements: list[Requirement]) -> set[str]:
    """The packages these need, and those need, by what is installed."""
    seen: set[tuple[str, frozenset[str]]] = set()
    todo = [(canonicalize_name(one.name), frozenset(one.extras)) for one in requirements]
    while todo:
        package, extras = todo.pop()
        if (package, extras) in seen:
            continue
        seen.add((package, extras))
        for text in metadata.requires(package) or ():
            need = Requirement(text)
            if need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
                todo.append((canonicalize_name(need.name), frozenset(need.extras)))
    return {package for package, _ in seen}


def test_the_pins_are_what_is_asked_for_and_what_that_needs() -> None:
    base, dev = pinned("base"), pinned("dev")
    assert closure(wanted("base")) - set(base) == set()
    assert closure([*wanted("base"), *wanted("dev")]) - set(base) - set(dev) == set()
    if sys.version_info[:2] == (3, 11):  # newer ones need less
        assert set(base) - closure(wanted("base")) == set()
        assert set(dev) - closure(wanted("dev")) == set()
    assert set(base) & set(dev) == set()


def test_the_pins_meet_what_is_asked_for_and_are_installed() -> None:
    pins = pinned("base") | pinned("dev")
    for one in [*wanted("base"), *wanted("dev")]:
        assert pins[canonicalize_name(one.name)] in one.specifier, one
    assert {package: metadata.version(package) for package in pins} == pins


def test_every_package_has_its_reason() -> None:
    reasons = {canonicalize_name(word) for word in re.findall(r"[\w.-]+", read("docs/dependencies.md"))}
    asked = {canonicalize_name(one.name) for name in ("base", "dev") for one in wanted(name)}
    assert asked - reasons == set()
