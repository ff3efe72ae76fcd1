"""The graph of needs: order, cycles, ancestors, and the join rule."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from automations.engine.parts import ActionPlan, Plan
from automations.engine.state import FINISHED, SUCCEEDED

Needs = Mapping[str, Sequence[str]]


def topological(needs: Needs) -> list[str]:
    """Return the keys so that each comes after its needs, ties in the mapping's order.

    Keys on a cycle, and those behind one, are left out.
    """
    place = {key: index for index, key in enumerate(needs)}
    open_needs = {key: len(set(wanted)) for key, wanted in needs.items()}
    behind: dict[str, list[str]] = {key: [] for key in needs}
    for key, wanted in needs.items():
        for need in set(wanted):
            behind[need].append(key)
    names = list(needs)
    free = [place[key] for key, count in open_needs.items() if count == 0]
    ordered: list[str] = []
    while free:
        key = names[heapq.heappop(free)]
        ordered.append(key)
        for follower in behind[key]:
            open_needs[follower] -= 1
            if open_needs[follower] == 0:
                heapq.heappush(free, place[follower])
    return ordered


def cycle(needs: Needs) -> list[str]:
    """Return one cycle as `[a, b, a]`, starting at its first key in document order; [] without one."""
    left = {key: list(wanted) for key, wanted in needs.items()}
    for key in topological(needs):
        del left[key]
    if not left:
        return []
    # Every key that is left needs another that is left, so walking back must meet itself.
    seen: list[str] = []
    key = next(iter(left))
    while key not in seen:
        seen.append(key)
        key = next(need for need in left[key] if need in left)
    ring = seen[seen.index(key) :]
    place = {name: index for index, name in enumerate(needs)}
    start = ring.index(min(ring, key=place.__getitem__))
    ring = ring[start:] + ring[:start]
    return [*ring, ring[0]]


def ancestors(needs: Needs) -> dict[str, frozenset[str]]:
    """Return for each key all it depends on, directly or not; keys on a cycle have none."""
    found: dict[str, frozenset[str]] = {key: frozenset() for key in needs}
    for key in topological(needs):
        found[key] = frozenset(needs[key]).union(*(found[need] for need in needs[key]))
    return found


@dataclass(frozen=True, slots=True)
class Joined:
    """What an action's needs say; `counted` are the finished needs that made it ready."""

    outcome: Literal["ready", "wait", "skip", "blocked"]
    reason: str = ""
    counted: list[str] = field(default_factory=list)


WAIT = Joined("wait")


def join(action: ActionPlan, status: Callable[[str], str], blocked: Mapping[str, str], plan: Plan) -> Joined:
    """Return whether a pending action may start; untolerated failures never get here, they end the run."""
    if not action.needs:
        return Joined("ready")
    statuses = {need: status(need) for need in action.needs}
    if action.join == "all":
        return _join_all(action, statuses, blocked, plan)
    wanted = 1 if action.join == "any" else action.join
    return _join_some(wanted, statuses, blocked)


def _join_all(action: ActionPlan, statuses: Mapping[str, str], blocked: Mapping[str, str], plan: Plan) -> Joined:
    held = [need for need in statuses if need in blocked]
    if held:
        return Joined("blocked", f"needs the blocked step {held[0]}")
    if any(found not in FINISHED for found in statuses.values()):
        return WAIT
    performed = [
        n for n, s in statuses.items() if s in SUCCEEDED or (s == "failed" and plan.by_key[n].on_failure == "continue")
    ]
    if not performed and action.after_skip != "run":
        return Joined("skip", _which(statuses))
    return Joined("ready", counted=list(statuses))


def _which(statuses: Mapping[str, str]) -> str:
    skipped = [need for need, found in statuses.items() if found == "skipped"]
    rest = [need for need in statuses if need not in skipped]
    told = f"{', '.join(skipped)} {'was' if len(skipped) == 1 else 'were'} skipped" if skipped else ""
    more = f"{', '.join(rest)} {'was' if len(rest) == 1 else 'were'} cancelled" if rest else ""
    return " and ".join(part for part in (told, more) if part)


def _join_some(wanted: int, statuses: Mapping[str, str], blocked: Mapping[str, str]) -> Joined:
    done = [need for need, found in statuses.items() if found in SUCCEEDED]
    if len(done) >= wanted:
        return Joined("ready", counted=done)
    held = [need for need in statuses if need in blocked]
    hopeful = [need for need, found in statuses.items() if found not in FINISHED and need not in held]
    if len(done) + len(hopeful) >= wanted:
        return WAIT
    if len(done) + len(hopeful) + len(held) >= wanted:
        return Joined("blocked", f"needs the blocked step {held[0]}")
    return Joined("skip", f"needs {wanted} of {', '.join(statuses)} to succeed, {len(done)} did")
