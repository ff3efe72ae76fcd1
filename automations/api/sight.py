"""Whose payloads a user may see, asked once per request and not once per row."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from automations.permissions import visible_to


class Sight:
    """CONTRACT 9: `payload` shows live data; whoever tests a workflow sees what its simulations were given."""

    def __init__(self, user: Any) -> None:
        self.user = user
        self._workflows: dict[str, set[int]] = {}

    def payload(self, workflow: int, *, simulated: bool = False) -> bool:
        """Whether inputs, outputs, payloads and values of this workflow's runs are shown."""
        return self._may("payload", workflow) or (simulated and self._may("test", workflow))

    def any_payload(self, workflows: Iterable[int], *, simulated: bool = False) -> bool:
        return any(self.payload(workflow, simulated=simulated) for workflow in workflows)

    def _may(self, verb: str, workflow: int) -> bool:
        if self.user.is_superuser:
            return True
        if verb not in self._workflows:
            self._workflows[verb] = set(visible_to(self.user, verb).values_list("pk", flat=True))
        return workflow in self._workflows[verb]
