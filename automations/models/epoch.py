"""The definitions' epoch: one number that moves whenever something changes that a decision may rest on."""

import uuid
from typing import Any

from django.db import connection, models


class Epoch(models.Model):
    """One row. Whoever caches definitions keeps the epoch they were read under and reads again once it has moved."""

    value = models.BigIntegerField(default=1)
    installation = models.UUIDField(default=uuid.uuid4)  # keeps our idempotency keys apart from another installation's

    @classmethod
    def current(cls) -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT value FROM automations_epoch WHERE id = 1")
            row = cursor.fetchone()
        return row[0] if row else 0

    @classmethod
    def advance(cls, **_: Any) -> None:
        """Move the epoch in the transaction of the change itself, so that no reader sees one without the other."""
        if not cls.objects.filter(pk=1).update(value=models.F("value") + 1):
            cls.objects.get_or_create(pk=1, defaults={"value": 1})
