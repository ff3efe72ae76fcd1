"""Every published vector gets its verdict."""

import json
from pathlib import Path

import pytest

from webhooks.signatures import verify

VECTORS = Path(__file__).resolve().parents[3].parent / "shared" / "webhook_vectors.json"
SCHEME_OF = {"standard-webhooks": "standard"}  # every other provider has the name of its scheme
SOME_TIME = 1_700_000_000.0


def _vectors():
    if not VECTORS.exists():
        return [pytest.param(None, marks=pytest.mark.skip(reason="the file of published vectors is not here"))]
    found = json.loads(VECTORS.read_text())
    return [pytest.param(vector, id=f"{vector['provider']}: {vector['note'][:60]}") for vector in found]


@pytest.mark.parametrize("vector", _vectors())
def test_a_vector_gets_its_verdict(vector):
    secrets = vector["secret"] if isinstance(vector["secret"], list) else [vector["secret"]]
    verdict = verify(
        SCHEME_OF.get(vector["provider"], vector["provider"]),
        secrets,
        vector["headers"],
        vector["body"].encode(),
        now=SOME_TIME if vector["now"] is None else vector["now"],
        url=vector.get("url", ""),
    )
    assert verdict.ok is vector["valid"], verdict.reason
    assert (verdict.code == "ok") is vector["valid"]
    assert (verdict.matched is None) is not (verdict.ok or verdict.stale)
