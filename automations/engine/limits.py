"""What any document must keep to before it is read: size, depth, characters, numbers."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from automations.engine.errors import shorten
from automations.engine.findings import Findings
from automations.engine.paths import Path

SIZE = 1_048_576
"""Bytes of the document as JSON."""
DEPTH = 64
ACTIONS = 500
LARGEST = 2**63 - 1

UNFIT_CHARACTERS = re.compile("[\x00\ud800-\udfff]")


def check(document: Any, findings: Findings) -> bool:
    """Note what breaks a limit; False if the document must not be read further."""
    todo: list[tuple[Path, Any]] = [((), document)]
    sound = True
    while todo:
        path, value = todo.pop()
        if len(path) > DEPTH:
            findings.wrong(path[:DEPTH], f"The definition is nested deeper than {DEPTH}.", "Flatten this part.")
            return False
        if isinstance(value, Mapping):
            for key, item in value.items():
                sound &= _key(path, key, findings)
                todo.append(((*path, shorten(str(key), 200)), item))
        elif isinstance(value, list):
            todo.extend(((*path, index), item) for index, item in enumerate(value))
        else:
            sound &= _scalar(path, value, findings)
    return sound and _size(document, findings)


def _key(path: Path, key: Any, findings: Findings) -> bool:
    if not isinstance(key, str):
        findings.wrong(path, f"The key {key!r} is not text.", "Put it in quotes.")
        return False
    if UNFIT_CHARACTERS.search(key):
        findings.wrong(path, "A key holds a NUL character or a lone surrogate.", "Take it out.")
        return False
    return True


def _scalar(path: Path, value: Any, findings: Findings) -> bool:
    wrong = ""
    if isinstance(value, str):
        wrong = "This text holds a NUL character or a lone surrogate." if UNFIT_CHARACTERS.search(value) else ""
    elif isinstance(value, bool) or value is None:
        return True
    elif isinstance(value, int):
        wrong = "" if -LARGEST - 1 <= value <= LARGEST else "This number does not fit into 64 bits."
    elif isinstance(value, float):
        wrong = "" if math.isfinite(value) else "NaN and Infinity are no numbers here."
    else:
        wrong = f"A {type(value).__name__} cannot stand in a definition."
    if wrong:
        findings.wrong(path, wrong)
    return not wrong


def _size(document: Any, findings: Findings) -> bool:
    size = len(json.dumps(document, ensure_ascii=False).encode())
    if size > SIZE:
        findings.wrong((), f"The definition has {size:,} bytes, at most {SIZE:,} are allowed.", "Split the workflow.")
    return size <= SIZE
