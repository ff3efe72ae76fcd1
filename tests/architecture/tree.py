"""The repository as the architecture tests see it: files, their syntax trees, their texts."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
APPS = ("automations", "runs", "webhooks")
#: Made, not written.
_MADE = {"var", "build", "dist", "htmlcov", "__pycache__", "node_modules"}


def files(*tops: str, suffix: str = "") -> Iterator[Path]:
    """Files of the repository: these, those under these folders, or all. Folders of tools are left out."""
    for top in tops or ("",):
        found = [ROOT / top] if (ROOT / top).is_file() else sorted((ROOT / top).rglob(f"*{suffix}"))
        for path in found:
            parts = path.relative_to(ROOT).parts
            hidden = any(part.startswith(".") and part != ".ci" for part in parts[:-1])
            made = any(part in _MADE or part.endswith(".egg-info") for part in parts)
            if path.is_file() and not hidden and not made:
                yield path


def python(*tops: str) -> Iterator[tuple[str, ast.Module]]:
    """(path from the root, syntax tree) of each Python file but migrations."""
    for path in files(*(tops or (*APPS, "config")), suffix=".py"):
        name = path.relative_to(ROOT).as_posix()
        if "/migrations/" not in name:
            yield name, tree(path)


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def imports(module: ast.Module) -> Iterator[str]:
    """Absolute dotted names of what a module imports, `a.b` and `a.b.c` for `from a.b import c`."""
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def calls(module: ast.Module) -> Iterator[tuple[str, ast.Call]]:
    """(dotted name as written, call) of each call of a name or attribute."""
    for node in ast.walk(module):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def texts(module: ast.Module) -> Iterator[str]:
    """Every text constant, the parts of f-strings too."""
    for node in ast.walk(module):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def read(name: str) -> str:
    return (ROOT / name).read_text()
