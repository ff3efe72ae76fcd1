"""What is odd about decision rows, provably: rows that never count, rows that collide, inputs without a row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from automations.engine.regions import Regions

COLLISIONS = 10
"""Pairs of rows that are named at most."""


class Remark(NamedTuple):
    """`row` counts from 0; None for the rows as a whole."""

    row: int | None
    message: str
    fix: str


def remarks(trees: Sequence[Any], named: Mapping[str, Any], hit: str, *, fallback: bool) -> list[Remark]:
    """Return what is odd about rows with these conditions; `named` are the conditions they may use, as trees.

    `fallback`: something is said for the case that no row matches. Only what can be proved is said: an example is
    real, and a row that “never” counts does so for no input at all.
    """
    if not trees:
        return []
    regions = Regions(trees, named)
    found = list(_idle(regions, hit))
    if hit == "unique":
        found += list(_collisions(regions))[:COLLISIONS]
    if hit != "collect" and not fallback:
        found += _gap(regions)
    return found


def _idle(regions: Regions, hit: str) -> Iterator[Remark]:
    left = regions.everything  # the cells in which no row so far surely matches
    for row in range(len(regions.trees)):
        true, false = regions.possible(row)
        if not true:
            yield Remark(row, f"Row {row + 1} can never match.", "Correct its condition, or take the row out.")
        elif hit == "first" and not true & left:
            message = f"Row {row + 1} is never reached: the rows before it take all that it matches."
            yield Remark(row, message, "Move it up, or take it out.")
        left &= false


def _collisions(regions: Regions) -> Iterator[Remark]:
    usual, matched = regions.usual, 0
    certain = [regions.certain(row)[0] & usual for row in range(len(regions.trees))]
    for row, cells in enumerate(certain):
        if cells & matched:
            for other in range(row):
                if both := cells & certain[other]:
                    where = _where(regions.example(both, (row, other)))
                    message = f"Rows {other + 1} and {row + 1} both match{where}; with “unique” the step then fails."
                    yield Remark(row, message, "Let their conditions exclude each other, or choose `first`.")
        matched |= cells


def _gap(regions: Regions) -> Iterator[Remark]:
    cells = regions.usual
    for row in range(len(regions.trees)):
        cells &= regions.certain(row)[1]
    if cells:
        where = _where(regions.example(cells, range(len(regions.trees))))
        yield Remark(None, f"No row matches{where}.", "Add a row, or say what counts otherwise.")


def _where(example: str) -> str:
    return f", for example where {example}" if example else " whatever arrives"


__all__ = ["Remark", "remarks"]
