"""Compiling names, fields, indexes and ``has()``. A path written out in full, such as
``event.order.total``, becomes one step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .access import has, path_text, step_text, take, take_optional
from .ast import Has, Ident, Index, Literal, Node, Select, children
from .budget import Frame
from .errors import AbsentFault, ExpressionError, Fault, MissingValue, did_you_mean, known_names, missing_message
from .values import TYPES

if TYPE_CHECKING:
    from .compiler import Closure, Compiler, Context

Steps = tuple[str | int, ...]
_SHOWN = 80


def static_path(node: Node) -> tuple[Ident, Steps] | None:
    """The root and the steps of a path whose every step is written out, else None."""
    steps: list[str | int] = []
    while not isinstance(node, Ident):
        if isinstance(node, Select) and not node.optional:
            steps.append(node.field)
        elif isinstance(node, Index) and not node.optional and isinstance(node.key, Literal):
            if type(node.key.value) not in (str, int):
                return None
            steps.append(node.key.value)
        else:
            return None
        node = node.operand
    return node, tuple(reversed(steps))


def shown_path(text: str) -> str:
    """The text of a sub-expression as the beginning of a path, without the marks of optionals."""
    return text[:_SHOWN].replace(".?", ".").replace("[?", "[")


def reads_variables(node: Node) -> bool:
    """Whether a sub-expression names anything."""
    return isinstance(node, Ident) or any(map(reads_variables, children(node)))


def compile_path(compiler: Compiler, node: Ident | Select | Index, context: Context) -> Closure:
    """A name, selection or index."""
    root: Ident
    steps: Steps = ()
    if isinstance(node, Ident):
        root = node
    else:
        path = static_path(node)
        if path is None:
            return _step(compiler, node, context)
        root, steps = path
    if not root.absolute and root.name in context.local:
        return _from_slot(context.local[root.name], root.name, steps, compiler.place(node.at))
    dotted = [root.name]
    for step in steps:
        if not isinstance(step, str):
            break
        dotted.append(f"{dotted[-1]}.{step}")
    return _from_variable(compiler, root, steps, dotted, compiler.place(node.at))


def _from_variable(compiler: Compiler, root: Ident, steps: Steps, dotted: list[str], place: tuple[int, int]) -> Closure:
    compiler.dotted.update(dotted[1:])
    for length in range(len(dotted) - 1, 0, -1):
        if dotted[length] in compiler.present:
            return _walk_variable(dotted[length], steps[length:], place, None)
    fallback = _undeclared(compiler, root, dotted, place)
    if steps and all(isinstance(step, str) for step in steps):
        return _fields(root.name, steps, _walk_variable(root.name, steps, place, fallback))
    if not steps:
        return _name(root.name, fallback)
    return _walk_variable(root.name, steps, place, fallback)


def _undeclared(compiler: Compiler, root: Ident, dotted: list[str], place: tuple[int, int]) -> Closure:
    """What a path means whose root is no variable: a type, or an error. Raises it now where names are declared."""
    names = compiler.names
    known = TYPES.get(dotted[-1])
    if known is not None and (names is None or root.name not in names):
        return lambda frame: known
    here = compiler.place(root.at)
    if names is None:

        def refuse(frame: Frame) -> Any:
            raise ExpressionError(f"undeclared name '{root.name}'{did_you_mean(root.name, frame.variables)}", *here)

        return refuse
    if not any(name in names for name in dotted):
        beneath = [name for name in names if name.startswith(f"{root.name}.")]
        name = dotted[1] if beneath and len(dotted) > 1 else root.name
        raise ExpressionError(f"undeclared name '{name}'{did_you_mean(name, names) or known_names(names)}", *here)

    def missing(frame: Frame) -> Any:
        raise MissingValue(missing_message(dotted[-1]), *place, dotted[-1])

    return missing


def _name(name: str, fallback: Closure) -> Closure:
    def read(frame: Frame) -> Any:
        try:
            return frame.variables[name]
        except KeyError:
            return fallback(frame)

    return read


def _fields(name: str, steps: Steps, slowly: Closure) -> Closure:
    """The quick way through nested dicts; anything else takes the careful way."""
    if len(steps) == 1:
        (one,) = steps

        def read1(frame: Frame) -> Any:
            try:
                return frame.variables[name][one]
            except (KeyError, TypeError):
                return slowly(frame)

        return read1
    if len(steps) == 2:
        one, two = steps

        def read2(frame: Frame) -> Any:
            try:
                return frame.variables[name][one][two]
            except (KeyError, TypeError):
                return slowly(frame)

        return read2

    def read(frame: Frame) -> Any:
        try:
            value = frame.variables[name]
            for step in steps:
                value = value[step]
            return value
        except (KeyError, TypeError):
            return slowly(frame)

    return read


def _walk_variable(name: str, steps: Steps, place: tuple[int, int], fallback: Closure | None) -> Closure:
    def walk(frame: Frame) -> Any:
        variables = frame.variables
        if fallback is not None and name not in variables:
            return fallback(frame)
        return _walk(frame, variables[name], name, steps, place)

    return walk


def _walk(frame: Frame, value: Any, root: str, steps: Steps, place: tuple[int, int]) -> Any:
    try:
        for step in steps:
            value = take(frame, value, step)
        return value
    except AbsentFault as fault:
        raise fault.missing(place, path_text(root, steps)) from None
    except Fault as fault:
        raise fault.at(place) from None


def _from_slot(slot: int, name: str, steps: Steps, place: tuple[int, int]) -> Closure:
    if not steps:
        return lambda frame: frame.slots[slot]
    if len(steps) == 1 and isinstance(steps[0], str):
        field = steps[0]

        def read(frame: Frame) -> Any:
            value = frame.slots[slot]
            if type(value) is dict and field in value:
                return value[field]
            return _walk(frame, value, name, steps, place)

        return read
    return lambda frame: _walk(frame, frame.slots[slot], name, steps, place)


def _step(compiler: Compiler, node: Select | Index, context: Context) -> Closure:
    """One field or index of a computed value, or one whose key is computed."""
    operand = compiler.compile(node.operand, context)
    key = compiler.compile(node.key, context) if isinstance(node, Index) else None
    field = node.field if isinstance(node, Select) else ""
    shown = shown_path(compiler.text(node.operand)) if reads_variables(node) else ""
    place = compiler.place(node.at)
    reach = take_optional if node.optional else take

    def step(frame: Frame) -> Any:
        value = operand(frame)
        name = field if key is None else key(frame)
        try:
            return reach(frame, value, name)
        except AbsentFault as fault:
            raise fault.missing(place, shown and shown + step_text(name)) from None
        except Fault as fault:
            raise fault.at(place) from None

    return step


def compile_has(compiler: Compiler, node: Has, context: Context) -> Closure:
    operand = compiler.compile(node.operand, context)
    field, place, shown = node.field, compiler.place(node.at), shown_path(compiler.text(node.operand))

    def present(frame: Frame) -> bool:
        value = operand(frame)
        if type(value) is dict:
            return field in value
        try:
            return has(frame, value, field)
        except AbsentFault as fault:
            raise fault.missing(place, shown + step_text(field)) from None
        except Fault as fault:
            raise fault.at(place) from None

    return present
