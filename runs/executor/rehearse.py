"""A run in simulate mode, as a trigger started it: carried to its end in memory, recorded like any other."""

from __future__ import annotations

from datetime import datetime

from runs.agenda import Letting
from runs.executor.hand import Hand
from runs.executor.record import Entry
from runs.simulation import simulate


def rehearse(hand: Hand, now: datetime) -> Entry:
    """What the simulated run came to, as one entry that finishes it. Reads the database (permissions)."""
    simulation = simulate(
        hand.plan, hand.state, now=now, origin=hand.run.origin, generation=hand.run.generation, outputs=hand.run.outputs
    )
    return Entry(
        hand,
        steps=simulation.rows,
        log=simulation.log,
        status=simulation.finish.status,
        warnings=simulation.finish.warnings,
        error=simulation.error,
        letting=Letting(hand.id, hand.taken.claim, hand.seen, finished=True),
    )
