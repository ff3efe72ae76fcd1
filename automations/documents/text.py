"""Definition text ↔ data: YAML by the 1.2 core rules, or JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

from automations.engine import yaml_core
from automations.engine.json_core import loads_json
from automations.engine.paths import Path

Format = Literal["yaml", "json"]


def read_text(text: str | bytes, format: Format = "yaml") -> tuple[Any, Mapping[Path, int]]:
    """The data, and for YAML the line of each path. Raises UnreadableError with line and column."""
    return (loads_json(text), {}) if format == "json" else yaml_core.loads(text)


def write_text(document: Mapping[str, Any], format: Format = "yaml") -> str:
    """The document as text that `read_text` gives back unchanged."""
    if format == "json":
        return json.dumps(document, ensure_ascii=False, indent=2) + "\n"
    return yaml_core.dumps(document)
