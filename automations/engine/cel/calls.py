"""Compiling calls of functions and methods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .ast import Call, Ident, Literal, Node
from .budget import Frame
from .errors import BudgetFault, ExpressionError, Fault, did_you_mean
from .functions import Function, find_function, names
from .functions.standard import MAX_STEPS, matcher
from .values import PLAIN, Optional, plain, type_name

if TYPE_CHECKING:
    from .compiler import Closure, Compiler, Context


def compile_call(compiler: Compiler, node: Call, context: Context) -> Closure:
    name, target, args = node.name, node.target, node.args
    if isinstance(target, Ident) and _is_namespace(compiler, target, name, context):
        name, target = f"{target.name}.{name}", None
    if target is not None and name in ("or", "orValue") and len(args) == 1:
        return _alternative(compiler, node, target, context)
    inputs = args if target is None else (target, *args)
    found = find_function(name, target is not None, len(inputs))
    if found is None:
        return _refused(compiler, node, name, target is not None)
    closures = [compiler.compile(arg, context) for arg in inputs]
    place = compiler.place(node.at)
    if name == "matches":
        found = _with_pattern(compiler, found, inputs[1], place)
    return _call(found, closures, place, name, found.cost if context.metered else 0)


def _is_namespace(compiler: Compiler, target: Ident, name: str, context: Context) -> bool:
    """Whether ``target.name`` is a function such as ``math.abs`` and not a method of a variable."""
    known = names(method=False)
    if f"{target.name}.{name}" in known:
        return True
    declared = target.name in context.local or target.name in (compiler.names or ())
    return not declared and any(function.startswith(f"{target.name}.") for function in known)


def _refused(compiler: Compiler, node: Call, name: str, method: bool) -> Closure:
    """A function that does not exist: an error now where names are declared, else when it is called."""
    known = names(method)
    if name in known:
        message = f"{name}() takes another number of arguments"
    elif name in names(not method):
        message = f"{name}() is called as {'a function: ' + name + '(x)' if method else 'a method: x.' + name + '()'}"
    else:
        message = f"unknown function {name[:64]}(){did_you_mean(name, known)}"
    place = compiler.place(node.at)
    if compiler.names is not None:
        raise ExpressionError(message, *place)

    def refuse(frame: Frame) -> Any:
        raise ExpressionError(message, *place)

    return refuse


def _with_pattern(compiler: Compiler, found: Function, pattern: Node, place: tuple[int, int]) -> Function:
    """``matches`` with its pattern read beforehand where it is written out."""
    if not isinstance(pattern, Literal) or type(pattern.value) is not str:
        return found
    try:
        run, steps = matcher(pattern.value)
        compiler.steps += steps
        if compiler.steps > MAX_STEPS:
            raise BudgetFault("the regular expressions of this expression are too large together")
        return found._replace(run=run)
    except Fault as fault:
        if compiler.names is not None or isinstance(fault, BudgetFault):
            raise fault.at(place) from None
        return found


def _call(found: Function, closures: list[Closure], place: tuple[int, int], name: str, cost: int) -> Closure:
    """``cost`` is what a call costs beyond the sizes of its arguments; calls outside of loops, or in loops
    over plain data, are few enough to be free."""
    kinds = found.parameters * len(closures) if found.variadic else found.parameters
    pairs = tuple(zip(closures, kinds, strict=True))
    run = found.run

    def call(frame: Frame) -> Any:
        values = []
        for closure, _ in pairs:
            values.append(closure(frame))
        try:
            for at, (_, allowed) in enumerate(pairs):
                value = values[at]
                if type(value) not in PLAIN:
                    values[at] = value = plain(value)
                if type(value) not in allowed:
                    raise Fault(f"{name}() cannot be used on {type_name(value)}")
            if cost:
                frame.charge(cost)
            return run(frame, *values)
        except Fault as fault:
            raise fault.at(place) from None

    return call


def _alternative(compiler: Compiler, node: Call, optional: Node, context: Context) -> Closure:
    """``a.or(b)`` and ``a.orValue(b)``: the argument is evaluated only where it is needed."""
    target = compiler.compile(optional, context)
    fallback = compiler.compile(node.args[0], context)
    place, unwraps = compiler.place(node.at), node.name == "orValue"

    def choose(frame: Frame) -> Any:
        optional = target(frame)
        try:
            if type(optional) is not Optional:
                raise Fault(f"{node.name}() needs an optional, not {type_name(plain(optional))}")
            if optional.items:
                return optional.items[0] if unwraps else optional
            other = fallback(frame)
            if not unwraps and type(other) is not Optional:
                raise Fault(f"or() needs an optional, not {type_name(plain(other))}")
            return other
        except Fault as fault:
            raise fault.at(place) from None

    return choose
