"""Database fields that keep a secret secret, and JSON exactly as it came."""

import json
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.db import models


def _ring() -> MultiFernet:
    """The key ring: the first key encrypts, all decrypt (rotation keeps the old ones readable)."""
    return MultiFernet([Fernet(key) for key in settings.ENCRYPTION_KEYS])


class EncryptedJSONField(models.TextField):
    """A JSON value stored encrypted (Fernet, https://github.com/fernet/spec); plain only in memory.

    Raises ValueError when no configured key opens what is stored.
    """

    def from_db_value(self, value: str | None, expression: object, connection: object) -> Any:
        if value is None or value == "":
            return None
        try:
            return json.loads(_ring().decrypt(value.encode()))
        except InvalidToken as error:
            raise ValueError(f"{self.name} was encrypted with a key that is not in ENCRYPTION_KEYS.") from error

    def get_prep_value(self, value: Any) -> str | None:
        return None if value is None else _ring().encrypt(json.dumps(value).encode()).decode()

    def to_python(self, value: Any) -> Any:
        return value

    def value_to_string(self, obj: models.Model) -> str:
        """Serialisers (dumpdata) get the cipher text, never the secret."""
        return self.get_prep_value(self.value_from_object(obj)) or ""


class JSONTextField(models.JSONField):
    """JSON kept as text: the order of keys and every digit survive, which PostgreSQL's jsonb gives up.

    Nothing filters by what is inside; reading and writing is one json.loads or json.dumps.
    """

    def get_internal_type(self) -> str:
        return "TextField"

    def db_type(self, connection: Any) -> str:
        return "text"

    def db_check(self, connection: Any) -> None:
        return None

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        if hasattr(value, "as_sql"):
            return value
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))

    def get_db_prep_save(self, value: Any, connection: Any) -> Any:
        return None if value is None else self.get_db_prep_value(value, connection)
