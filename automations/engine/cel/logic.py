"""Compiling ``&&``, ``||``, ``?:`` and ``!``. An error of one side is absorbed where the other decides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .arithmetic import negate
from .ast import Conditional, Logic, Unary
from .budget import Frame
from .errors import BudgetExceeded, ExpressionError, Fault, OpenValue
from .values import plain, type_name

if TYPE_CHECKING:
    from .compiler import Closure, Compiler, Context

ERROR_COST = 100  # operations an absorbed error costs inside a loop


def worse(known: ExpressionError | None, new: ExpressionError) -> ExpressionError:
    """Of several errors the first counts, except that what is not known yet outranks the rest."""
    if known is None or (isinstance(new, OpenValue) and not isinstance(known, OpenValue)):
        return new
    return known


def not_bool(value: Any, place: tuple[int, int]) -> ExpressionError:
    """The error for a value that had to be true or false."""
    try:
        plain(value)
    except Fault as fault:
        return fault.at(place)
    return ExpressionError(f"expected true or false, not {type_name(value)}", *place)


def compile_logic(compiler: Compiler, node: Logic, context: Context) -> Closure:
    decisive = node.operator == "||"
    neutral = not decisive
    cost = ERROR_COST if context.metered else 0
    parts = tuple((compiler.compile(operand, context), compiler.place(operand.start)) for operand in node.operands)

    def decide(frame: Frame) -> bool:
        problem: ExpressionError | None = None
        for part, place in parts:
            try:
                value = part(frame)
            except BudgetExceeded:
                raise
            except ExpressionError as error:
                frame.left -= cost
                problem = worse(problem, error)
                continue
            if value is decisive:
                return decisive
            if value is not neutral:
                problem = worse(problem, not_bool(value, place))
        if problem is not None:
            raise problem
        return neutral

    return decide


def compile_conditional(compiler: Compiler, node: Conditional, context: Context) -> Closure:
    test = compiler.compile(node.test, context)
    then = compiler.compile(node.then, context)
    otherwise = compiler.compile(node.otherwise, context)
    place = compiler.place(node.test.start)

    def choose(frame: Frame) -> Any:
        value = test(frame)
        if value is True:
            return then(frame)
        if value is False:
            return otherwise(frame)
        raise not_bool(value, place)

    return choose


def compile_unary(compiler: Compiler, node: Unary, context: Context) -> Closure:
    operand = compiler.compile(node.operand, context)
    place = compiler.place(node.at)
    if node.operator == "!":
        flipped = node.times == 1

        def opposite(frame: Frame) -> bool:
            value = operand(frame)
            if value is True or value is False:
                return value is not flipped
            raise not_bool(value, place)

        return opposite
    times = node.times

    def negative(frame: Frame) -> Any:
        value = operand(frame)
        try:
            for _ in range(times):
                value = negate(value)
        except Fault as fault:
            raise fault.at(place) from None
        return value

    return negative
