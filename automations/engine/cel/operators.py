"""Compiling comparisons, membership and arithmetic. Common types take a short way, all others the careful one."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .arithmetic import calculate
from .ast import ListNode, Literal, Node, Operation
from .budget import Frame
from .comparison import contains, equals, ordered
from .errors import Fault
from .literals import INT_MAX, INT_MIN

if TYPE_CHECKING:
    from .compiler import Closure, Compiler, Context

Place = tuple[int, int]
_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_QUICK: dict[str, Callable[[Any, Any], Any]] = {"+": operator.add, "-": operator.sub, "*": operator.mul}
_SHORT = 256  # characters up to which comparing two texts costs nothing worth counting


def apply(frame: Frame, mark: str, left: Any, right: Any) -> Any:
    """``left mark right`` for any binary operator but ``&&`` and ``||``."""
    if mark == "==":
        return equals(frame, left, right)
    if mark == "!=":
        return not equals(frame, left, right)
    if mark == "in":
        return contains(frame, left, right)
    if mark in _ORDERS:
        return ordered(frame, mark, left, right)
    return calculate(frame, mark, left, right)


def compile_operation(compiler: Compiler, node: Operation, context: Context) -> Closure:
    operands = [compiler.compile(operand, context) for operand in node.operands]
    places = [compiler.place(at) for at in node.places]
    if len(operands) > 2:
        return _chain(operands, node.operators, places)
    left, right = operands
    mark, place = node.operators[0], places[0]
    constant = node.operands[1]
    if isinstance(constant, Literal) and type(constant.value) in (int, float, str):
        if mark in ("==", "!="):
            return _equals_constant(left, constant.value, mark == "==", place)
        if mark in _ORDERS:
            return _ordered_constant(left, constant.value, mark, place)
    if mark in ("==", "!="):
        return _equals(left, right, mark == "==", place)
    if mark in _ORDERS:
        return _ordered(left, right, mark, place)
    if mark == "in":
        return _contains(left, right, constant, place)
    return _calculation(left, right, mark, place)


def _careful(frame: Frame, mark: str, left: Any, right: Any, place: Place) -> Any:
    try:
        return apply(frame, mark, left, right)
    except Fault as fault:
        raise fault.at(place) from None


def _chain(operands: list[Closure], marks: tuple[str, ...], places: list[Place]) -> Closure:
    first, rest = operands[0], tuple(zip(marks, operands[1:], places, strict=True))

    def fold(frame: Frame) -> Any:
        value = first(frame)
        for mark, operand, place in rest:
            value = _careful(frame, mark, value, operand(frame), place)
        return value

    return fold


def _equals_constant(left: Closure, constant: Any, wanted: bool, place: Place) -> Closure:
    kind = type(constant)
    mark = "==" if wanted else "!="

    def compare(frame: Frame) -> bool:
        value = left(frame)
        if type(value) is kind:
            return (value == constant) is wanted
        return _careful(frame, mark, value, constant, place) is True

    return compare


def _ordered_constant(left: Closure, constant: Any, mark: str, place: Place) -> Closure:
    kind = type(constant)
    test = _ORDERS[mark]

    def compare(frame: Frame) -> bool:
        value = left(frame)
        if type(value) is kind:
            return test(value, constant)
        return _careful(frame, mark, value, constant, place) is True

    return compare


def _equals(left: Closure, right: Closure, wanted: bool, place: Place) -> Closure:
    mark = "==" if wanted else "!="

    def compare(frame: Frame) -> bool:
        one, two = left(frame), right(frame)
        kind = type(one)
        if kind is type(two) and (kind is int or kind is bool or (kind is str and len(one) < _SHORT)):
            return (one == two) is wanted
        return _careful(frame, mark, one, two, place) is True

    return compare


def _ordered(left: Closure, right: Closure, mark: str, place: Place) -> Closure:
    test = _ORDERS[mark]

    def compare(frame: Frame) -> bool:
        one, two = left(frame), right(frame)
        kind = type(one)
        if kind is type(two) and (kind is int or kind is float):
            return test(one, two)
        return _careful(frame, mark, one, two, place) is True

    return compare


def _contains(left: Closure, right: Closure, values: Node, place: Place) -> Closure:
    """Membership; a written-out list of texts is looked up at once."""
    texts = _texts(values)

    def member(frame: Frame) -> bool:
        value = left(frame)
        if texts and type(value) is str:
            return value in texts
        return _careful(frame, "in", value, right(frame), place) is True

    return member


def _texts(values: Node) -> frozenset[str]:
    """The elements of a written-out list that holds nothing but texts, else nothing."""
    if not isinstance(values, ListNode) or any(values.optional):
        return frozenset()
    found = [item.value for item in values.items if isinstance(item, Literal) and type(item.value) is str]
    return frozenset(found) if len(found) == len(values.items) else frozenset()


def _calculation(left: Closure, right: Closure, mark: str, place: Place) -> Closure:
    quick = _QUICK.get(mark)
    if quick is None:
        return lambda frame: _careful(frame, mark, left(frame), right(frame), place)

    def calculation(frame: Frame) -> Any:
        one, two = left(frame), right(frame)
        kind = type(one)
        if kind is type(two):
            if kind is float:
                return quick(one, two)
            if kind is int and INT_MIN <= (result := quick(one, two)) <= INT_MAX:
                return result
        return _careful(frame, mark, one, two, place)

    return calculation
