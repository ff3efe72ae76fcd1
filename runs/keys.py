"""Idempotency keys: the same for retry, takeover and replay from the failed step (CONTRACT 6)."""

import uuid
from functools import lru_cache

from automations.models import Epoch


@lru_cache(maxsize=1)
def installation() -> uuid.UUID:
    """The id of this installation; read once per process (a drain reads it on its database thread first)."""
    epoch, _ = Epoch.objects.get_or_create(pk=1)
    return epoch.installation


def idempotency_key(origin: int, step: str, index: int = -1, generation: int = 0) -> str:
    """A UUID (version 5, RFC 9562) of installation, origin run, step, item and generation.

    `origin` is the first run of a chain of replays; `index` -1 outside `for_each`; only `again: true` raises
    `generation`.
    """
    return str(uuid.uuid5(installation(), f"{origin}/{step}/{index}/{generation}"))
