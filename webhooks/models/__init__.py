"""The wire's nouns; import them from here."""

from webhooks.models.endpoint import Endpoint
from webhooks.models.receipt import Receipt, Verdict

__all__ = ["Endpoint", "Receipt", "Verdict"]
