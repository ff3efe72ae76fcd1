"""Who is next: round robin, weighted, least loaded, first. Pure; the counters are JSON and belong to the caller.

Counters remember names, not places, so a pool may gain and lose members: whoever has waited longest is next, and
whoever is new has waited longest of all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

METHODS = ("round_robin", "least_loaded", "weighted", "first")
KEPT = 1_000
"""Names whose turn is remembered."""


@dataclass(slots=True)
class Counters:
    """`turn` counts the choices made, `last` says at which turn a name was chosen, `credit` what weights owe it."""

    turn: int = 0
    last: dict[str, int] = field(default_factory=dict)
    credit: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, data: Mapping[str, Any] | None) -> Counters:
        """The counters as they were stored; new ones where there are none."""
        data = data or {}
        return cls(data.get("turn", 0), dict(data.get("last", {})), dict(data.get("credit", {})))

    def as_dict(self) -> dict[str, Any]:
        """JSON data: of very many names those chosen latest, and those with the greatest credit or debt."""
        latest = sorted(self.last, key=self.last.__getitem__, reverse=True)[:KEPT]
        owed = sorted((name for name in self.credit if self.credit[name]), key=lambda name: -abs(self.credit[name]))
        credit = {name: self.credit[name] for name in owed[:KEPT]}
        return {"turn": self.turn, "last": {name: self.last[name] for name in latest}, "credit": credit}


@dataclass(frozen=True, slots=True)
class Choice:
    """`reason` says why this name, as in “round robin, last chosen 3 turns ago”."""

    name: str
    reason: str


def choose(
    method: str,
    pool: Sequence[str],
    counters: Counters,
    *,
    weights: Mapping[str, float] | None = None,
    loads: Mapping[str, int] | None = None,
) -> Choice:
    """Choose one of `pool` (not empty, in its stable order) and move the counters.

    `weights` default to 1, `loads` (open work of each name) to 0. Raises ValueError when all weights are 0.
    """
    if method == "weighted":
        choice = _weighted(pool, counters, weights or {})
    elif method == "least_loaded":
        choice = _least_loaded(pool, counters, loads or {})
    elif method == "first":
        choice = Choice(pool[0], f"the first of {len(pool)}")
    else:
        choice = _longest_waiting(pool, counters)
    counters.turn += 1
    counters.last[choice.name] = counters.turn
    return choice


def _longest_waiting(pool: Sequence[str], counters: Counters) -> Choice:
    name = min(pool, key=lambda one: counters.last.get(one, 0))
    return Choice(name, f"round robin among {len(pool)}, {_waited(name, counters)}")


def _least_loaded(pool: Sequence[str], counters: Counters, loads: Mapping[str, int]) -> Choice:
    name = min(pool, key=lambda one: (loads.get(one, 0), counters.last.get(one, 0)))
    return Choice(name, f"least loaded of {len(pool)} with {loads.get(name, 0)} open, {_waited(name, counters)}")


def _weighted(pool: Sequence[str], counters: Counters, weights: Mapping[str, float]) -> Choice:
    """Smooth weighted round robin: each turn every name gains its weight, and the richest pays for all.

    In any span of turns each name gets its share, evenly spread: 3 to 1 gives a a b a, never a a a b for long.
    """
    shares = {name: float(weights.get(name, 1)) for name in pool}
    total = sum(shares.values())
    if total <= 0:
        raise ValueError("All weights are 0.")
    for name, share in shares.items():
        counters.credit[name] = counters.credit.get(name, 0.0) + share
    chosen = max((name for name in pool if shares[name] > 0), key=lambda one: counters.credit[one])
    counters.credit[chosen] -= total
    return Choice(chosen, f"weight {shares[chosen]:g} of {total:g}, {_waited(chosen, counters)}")


def _waited(name: str, counters: Counters) -> str:
    last = counters.last.get(name)
    if last is None:
        return "not chosen before"
    ago = counters.turn - last + 1
    return f"last chosen {ago} turn{'' if ago == 1 else 's'} ago"
