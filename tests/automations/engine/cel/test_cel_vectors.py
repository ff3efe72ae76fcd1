"""The conformance vectors of the CEL specification, run where the file is at hand."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from automations.engine.cel import CelType, ExpressionError, Uint, evaluate
from automations.engine.cel.deviations import VECTORS_NOT_PASSED

ROOT = Path(__file__).resolve().parents[4]
FILE = ROOT.parent / "shared" / "cel_vectors.json"


def decoded(typed: dict[str, Any]) -> Any:
    """A value in the vectors' typed JSON, e.g. ``{"uint": "1"}``."""
    ((kind, value),) = typed.items()
    match kind:
        case "int":
            return int(value)
        case "uint":
            return Uint(int(value))
        case "double":
            return float(value)
        case "bytes":
            return base64.b64decode(value)
        case "list":
            return [decoded(item) for item in value]
        case "map":
            return {decoded(key): decoded(item) for key, item in value}
        case "type":
            return CelType(value)
    return value


def same(left: Any, right: Any) -> bool:
    """Equal in value and in type; NaN is equal to itself."""
    if type(left) is not type(right):
        return False
    if isinstance(left, float):
        return left == right or (left != left and right != right)
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    return bool(left == right)


def passes(vector: dict[str, Any]) -> bool:
    bindings = {name: decoded(value) for name, value in vector["bindings"].items()}
    try:
        result = evaluate(vector["expr"], bindings)
    except ExpressionError:
        return "error" in vector["expect"]
    return "value" in vector["expect"] and same(result, decoded(vector["expect"]["value"]))


def test_every_conformance_vector_passes_but_those_listed_as_deviations() -> None:
    if not FILE.exists():
        pytest.skip("../shared is absent: the conformance vectors lie there")
    vectors = json.loads(FILE.read_text())
    failing = {f"{v['file']}/{v['section']}/{v['name']}" for v in vectors if not passes(v)}
    assert failing == set(VECTORS_NOT_PASSED)
    assert len(vectors) > 1_000
