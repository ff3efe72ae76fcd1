"""Whether a step would be allowed to act: the run-as account, and whoever the test stands in for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.auth import get_user_model

from automations.engine.parts import ActionPlan
from automations.models import Connection


@dataclass(frozen=True, slots=True)
class Permission:
    """`missing` names in words what the account or the stand-in lacks."""

    account: str
    missing: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return {"as": self.account or None, "allowed": not self.missing, "missing": list(self.missing)}


class Permits:
    """Asked once for each step of one simulation. `lacks`: what the stand-in lacks for all of them."""

    def __init__(self, run_as: str, *, lacks: Sequence[str] = ()) -> None:
        self.run_as = run_as
        self.lacks = tuple(lacks)
        users = get_user_model()._default_manager
        self.account = users.filter(username=run_as, is_active=True).first() if run_as else None
        self._connections: dict[str, tuple[str, ...]] = {}

    def of(self, action: ActionPlan, value: Any) -> Permission:
        """What this step needs and lacks; `value` is its rendered config."""
        return Permission(self.run_as, self.lacks + (() if action.pure else self._of_effect(value)))

    def _of_effect(self, value: Any) -> tuple[str, ...]:
        if self.run_as and self.account is None:
            return (f"the run-as account {self.run_as} does not exist or is not active",)
        slug = value.get("connection") if isinstance(value, Mapping) else None
        if not isinstance(slug, str) or not slug:
            return ()
        if slug not in self._connections:
            self._connections[slug] = self._of_connection(slug)
        return self._connections[slug]

    def _of_connection(self, slug: str) -> tuple[str, ...]:
        # Naming a connection is what needs its role `user`, and was judged when the definition was saved.
        return () if Connection.objects.filter(slug=slug).exists() else (f"there is no connection {slug}",)
