"""Which inputs a condition is true for, as far as its rules say so: for finding overlaps and gaps of decision rows.

Every field that the conditions compare is cut into *classes* that no rule tells apart, each with a sample value;
every input the conditions can distinguish is a *cell*, one class of each field. A condition's answer over all cells is
two integers used as sets of bits. What cannot be sampled (an expression, a value that is computed) is unknown, or
may be anything, as the question needs.

So what is said about an example is true of this example, and what is said about all inputs holds for all inputs.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from typing import Any

from automations.engine import times
from automations.engine.lookup import Absent
from automations.engine.operators import OPERATORS, Operator, Unfit, is_number, shown
from automations.engine.paths import Path, read, show
from automations.engine.templates import has_template

CELLS = 2**16
"""Cells at most; beyond that the fields with the most classes count as unknown."""
SAMPLES = 300
"""Sample values of one field at most; a field that needs more counts as unknown."""

EXACT = frozenset({"eq", "ne", "gt", "gte", "lt", "lte", "in", "not_in", "exists", "missing", "is_empty", "is_true",
                   "is_false"})  # fmt: skip
SAMPLED = EXACT | {"contains", "not_contains", "starts_with", "ends_with", "before", "after"}
ROOTS = frozenset({"event", "steps", "item", "trigger"})
OTHER_TEXT = "another text"
OTHER_LIST: list[Any] = [OTHER_TEXT]
OTHER_OBJECT: dict[str, Any] = {OTHER_TEXT: OTHER_TEXT}

Named = Mapping[str, Any]
Mask = tuple[int, int]
"""The cells where a condition is true, and those where it is false; in the others it is unknown."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """One rule, `{field, operator, value}`; `text` is what tells it from others."""

    text: str
    path: Path
    operator: Operator
    value: Any


@dataclass(slots=True)
class Axis:
    """A field and its classes, each by a sample; `usual` are those of a type its rules ask for."""

    path: Path
    samples: list[Any] = field(default_factory=list)
    usual: set[int] = field(default_factory=set)
    answers: dict[str, list[bool | None]] = field(default_factory=dict)  # leaf → its answer for each class
    stride: int = 1


# Reading trees ---------------------------------------------------------------------------------------------------


def leaf_of(tree: Mapping[str, Any]) -> Leaf | None:
    """The rule, None where it cannot be sampled."""
    operator, path, value = OPERATORS.get(str(tree.get("operator"))), read(str(tree.get("field"))), tree.get("value")
    if operator is None or operator.name not in SAMPLED or path is None or path[0] not in ROOTS:
        return None
    if path[:2] == ("trigger", "received_at") or any(isinstance(part, int) and part < 0 for part in path):
        return None
    if has_template(value) or (operator.fits and not operator.fits(value)):
        return None
    text = json.dumps([show(path), operator.name, value], sort_keys=True, default=str)
    return Leaf(text, path, operator, value)


def leaves(tree: Any, named: Named, seen: tuple[str, ...] = ()) -> Iterator[Leaf]:
    """Every rule of a tree that can be sampled, those of the conditions it names included."""
    if isinstance(tree, str):
        name = tree.strip().removeprefix("not ").strip() if tree.strip() not in named else tree.strip()
        if name in named and name not in seen:
            yield from leaves(named[name], named, (*seen, name))
        return
    for form, part in tree.items() if isinstance(tree, Mapping) else ():
        if form in ("all", "any", "none") and isinstance(part, list):
            for item in part:
                yield from leaves(item, named, seen)
        elif form == "condition" and isinstance(part, str):
            yield from leaves(part, named, seen)
        elif form == "field" and (leaf := leaf_of(tree)):
            yield leaf


# Samples ---------------------------------------------------------------------------------------------------------


def samples(asked: Sequence[Leaf]) -> list[tuple[Any, bool]]:
    """(value, whether it is usual) so that every class has one: what these rules compare with, what lies between,
    and one value of every other type. Usual ones come first."""
    constants = list(_constants(asked))
    numbers = _numbers([value for value in constants if is_number(value)])
    texts = [value for value in constants if isinstance(value, str)]
    names = {leaf.operator.name for leaf in asked}
    sized, flags = "is_empty" in names, bool(names & {"is_true", "is_false"}) or any(map(_is_flag, constants))
    usual: list[Any] = [*numbers, *texts]
    usual += [value for value in constants if value is None or isinstance(value, (list, tuple, Mapping))]
    usual += [OTHER_TEXT] if texts or sized or not (numbers or flags) else []
    usual += [True, False] if flags else []
    usual += ["", [], OTHER_LIST] if sized else []
    usual += [Absent] if names & {"exists", "missing"} else []
    others = [0, True, False, OTHER_TEXT, "", [], OTHER_LIST, {}, OTHER_OBJECT, None, Absent]
    return [(value, True) for value in usual] + [(value, False) for value in others]


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _constants(asked: Iterable[Leaf]) -> Iterator[Any]:
    for leaf in asked:
        name, value = leaf.operator.name, leaf.value
        if name in ("in", "not_in"):
            yield from value
        elif name in ("before", "after"):
            moment = times.parse(value)
            if moment is not None:
                yield from (times.show(moment + timedelta(seconds=shift)) for shift in (-1, 0, 1))
        elif name in ("contains", "not_contains"):
            yield from ([value], value) if isinstance(value, str) else ([value],)
        elif leaf.operator.has_value:
            yield value


def _numbers(thresholds: list[Any]) -> list[Any]:
    """The thresholds, and a number below, between and above them; whole ones where there are any."""
    if not thresholds:
        return []
    found: list[Any] = []
    ordered = sorted(thresholds)
    for low, high in pairwise(ordered):
        found += [low, *_between(low, high)]
    return [math.floor(ordered[0]) - 1, *found, ordered[-1], math.ceil(ordered[-1]) + 1]


def _between(low: Any, high: Any) -> list[Any]:
    middle = math.floor(low) + (math.floor(high) - math.floor(low) + 1) // 2
    choices = [middle, (low + high) / 2]
    return [next(choice for choice in choices if low < choice < high)] if any(low < c < high for c in choices) else []


def _axis(path: Path, asked: Sequence[Leaf]) -> Axis | None:
    """The field's classes; None where it needs too many samples."""
    axis = Axis(path)
    classes: dict[Any, Any] = {}
    drawn = samples(asked)
    if len(drawn) > SAMPLES:
        return None
    for value, usual in drawn:
        answers = tuple(_answer(leaf, value) for leaf in asked)
        place = classes.setdefault(answers, len(axis.samples))
        if place == len(axis.samples):
            axis.samples.append(value)
        if usual:
            axis.usual.add(place)
    for position, leaf in enumerate(asked):
        axis.answers[leaf.text] = [answers[position] for answers in classes]
    return axis


def _answer(leaf: Leaf, value: Any) -> bool | None:
    """What the rule says of a field with this value; like `conditions`, None where it cannot judge."""
    if leaf.operator.name in ("exists", "missing"):
        return (value is not Absent) is (leaf.operator.name == "exists")
    if value is Absent:
        return None
    try:
        return leaf.operator.judge(value, leaf.value, {})
    except Unfit:
        return None


# Cells -----------------------------------------------------------------------------------------------------------


class Regions:
    """All inputs that these conditions tell apart. `trees` are condition trees, `named` those they may name."""

    def __init__(self, trees: Sequence[Any], named: Named) -> None:
        self.trees, self.named = trees, named
        by_path: dict[Path, dict[str, Leaf]] = {}
        for tree in trees:
            for leaf in leaves(tree, named):
                by_path.setdefault(leaf.path, {}).setdefault(leaf.text, leaf)
        axes = [_axis(path, list(asked.values())) for path, asked in by_path.items() if _independent(path, by_path)]
        self.axes = _affordable([axis for axis in axes if axis])
        self.size = 1
        for axis in self.axes:
            axis.stride = self.size
            self.size *= len(axis.samples)
        self.everything = (1 << self.size) - 1
        self._leaves = {
            text: (self._cells(axis, answers, True), self._cells(axis, answers, False))
            for axis in self.axes
            for text, answers in axis.answers.items()
        }
        self._memo: dict[tuple[str, bool], Mask] = {}

    @property
    def usual(self) -> int:
        """The cells in which every field is of a type that its rules ask for."""
        cells = self.everything
        for axis in self.axes:
            cells &= self._of_classes(axis, axis.usual)
        return cells

    def certain(self, index: int) -> Mask:
        """The cells where the tree is surely true, and surely false."""
        return self._tree(self.trees[index], False, ())

    def possible(self, index: int) -> Mask:
        """The cells where the tree may be true, and where it may be false."""
        return self._tree(self.trees[index], True, ())

    def example(self, cells: int, trees: Iterable[int]) -> str:
        """One of the cells in words, `event.total = 120 and event.country is missing`: what these trees read of it."""
        cell = (cells & -cells).bit_length() - 1
        read_by = {leaf.path for index in trees for leaf in leaves(self.trees[index], self.named)}
        parts = []
        for axis in self.axes:
            if axis.path in read_by:
                value = axis.samples[cell // axis.stride % len(axis.samples)]
                parts.append(f"{show(axis.path)} {_said(value)}")
        return " and ".join(parts)

    # --- answers over all cells ----------------------------------------------------------------------------------

    def _tree(self, tree: Any, lenient: bool, seen: tuple[str, ...]) -> Mask:
        if isinstance(tree, str):
            return self._text(tree.strip(), lenient, seen)
        if not isinstance(tree, Mapping):
            return self._anything(lenient)
        for form, combine in _GROUPS.items():
            if isinstance(tree.get(form), list):
                return combine(self.everything, [self._tree(item, lenient, seen) for item in tree[form]])
        if "condition" in tree:
            return self._text(str(tree["condition"]), lenient, seen)
        if "always" in tree:
            return (self.everything, 0) if tree["always"] is True else (0, self.everything)
        leaf = leaf_of(tree) if "field" in tree else None
        if leaf is None or leaf.text not in self._leaves or (lenient and leaf.operator.name not in EXACT):
            return self._anything(lenient)
        return self._leaves[leaf.text]

    def _text(self, text: str, lenient: bool, seen: tuple[str, ...]) -> Mask:
        denied = text.removeprefix("not ").strip() if text not in self.named else ""
        name = denied if denied in self.named and text.startswith("not ") else text
        if name not in self.named or name in seen:
            return self._anything(lenient)
        if (name, lenient) not in self._memo:
            self._memo[name, lenient] = self._tree(self.named[name], lenient, (*seen, name))
        true, false = self._memo[name, lenient]
        return (false, true) if name != text else (true, false)

    def _anything(self, lenient: bool) -> Mask:
        return (self.everything, self.everything) if lenient else (0, 0)

    def _cells(self, axis: Axis, answers: list[bool | None], wanted: bool) -> int:
        return self._of_classes(axis, {place for place, answer in enumerate(answers) if answer is wanted})

    def _of_classes(self, axis: Axis, classes: Iterable[int]) -> int:
        block = (1 << axis.stride) - 1
        base = sum(block << (place * axis.stride) for place in classes)
        period = axis.stride * len(axis.samples)
        while period < self.size:  # doubled until it fills all cells; the last doubling may go beyond
            base |= base << period
            period *= 2
        return base & self.everything


def _independent(path: Path, others: Iterable[Path]) -> bool:
    """Whether the field can have any value whatever the others have: none of them is a part of it, or a sibling that
    makes its parent a list or an object."""
    return not any(_ties(path, other) for other in others if other != path)


def _ties(path: Path, other: Path) -> bool:
    for depth, (own, its) in enumerate(zip(path, other, strict=False)):
        if own == its:
            continue
        lists = isinstance(own, int), isinstance(its, int)
        # A list is no object, and its first element cannot be absent beside its second.
        return lists[0] != lists[1] or (all(lists) and depth == len(path) - 1)
    return len(path) < len(other)


def _affordable(axes: list[Axis]) -> list[Axis]:
    while math.prod(len(axis.samples) for axis in axes) > CELLS:
        axes.remove(max(axes, key=lambda axis: len(axis.samples)))
    return axes


def _all(everything: int, masks: list[Mask]) -> Mask:
    true, false = everything, 0
    for one, other in masks:
        true, false = true & one, false | other
    return true, false


def _any(everything: int, masks: list[Mask]) -> Mask:
    false, true = _all(everything, [(no, yes) for yes, no in masks])
    return true, false


_GROUPS: dict[str, Callable[[int, list[Mask]], Mask]] = {
    "all": _all,
    "any": _any,
    "none": lambda everything, masks: _any(everything, masks)[::-1],
}


def _said(value: Any) -> str:
    if value is Absent:
        return "is missing"
    if isinstance(value, str) and value == OTHER_TEXT:
        return f"is {OTHER_TEXT}"
    return f"= {shown(value)}"


__all__ = ["Regions"]
