"""Compiling the comprehension macros and the macros that bind one name.

Every step of a loop is charged. A loop over the variables' own data, not nested in a computed loop, costs
little per element, so that going through a long list once is always affordable; loops over computed
lists and loops inside loops cost what their bodies weigh.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from .access import path_text
from .ast import Bind, Call, Literal, Loop, Node, Operation, children
from .budget import Frame
from .errors import BudgetExceeded, BudgetFault, ExpressionError, Fault, MissingValue, OpenValue
from .functions.lists import sort_by
from .logic import ERROR_COST, not_bool, worse
from .paths import static_path
from .values import NONE, PLAIN, Flag, Optional, plain, type_name

if TYPE_CHECKING:
    from .compiler import Closure, Compiler, Context

_FREE_WEIGHT = 30  # sub-expressions a loop over plain data may evaluate per element at the price of one
_CALL_WEIGHT = 3

Steps = Callable[[Frame], Iterator[Any]]


def _always(frame: Frame) -> bool:
    """The condition of a loop that has none."""
    return True


class Plan(NamedTuple):
    """What the runner of one loop needs."""

    steps: Steps
    condition: Closure
    body: Closure | None
    two: bool
    first: int  # slot of the first variable; the next hold the second one and the position
    blame: Callable[[Frame, ExpressionError], ExpressionError]
    place: tuple[int, int]
    condition_place: tuple[int, int]
    error_cost: int


def weight(node: Node) -> int:
    """Sub-expressions one evaluation visits; the bodies of inner loops are charged by those loops."""
    if isinstance(node, Literal):
        return 1
    if isinstance(node, Loop):
        return 8 + weight(node.source)
    extra = _CALL_WEIGHT if isinstance(node, Call) else len(node.operators) if isinstance(node, Operation) else 0
    return 1 + extra + sum(map(weight, children(node)))


def compile_loop(compiler: Compiler, node: Loop, context: Context) -> Closure:
    source = compiler.compile(node.source, context)
    first = compiler.reserve(context, 3)
    inner, free = _inner(node, context, first)
    compiler.positions[id(node)] = first + 2
    condition = _always if node.condition is None else compiler.compile(node.condition, inner)
    body = None if node.body is None else compiler.compile(node.body, inner)
    cost = 2 + sum(weight(part) for part in (node.condition, node.body) if part is not None)
    cost = 1 + max(0, cost - _FREE_WEIGHT) if free else cost
    two = len(node.variables) == 2
    place = compiler.place(node.at)
    plan = Plan(
        _steps(source, two, first, cost, place),
        condition,
        body,
        two,
        first,
        _blamer(node, first, two),
        place,
        compiler.place(node.condition.start) if node.condition is not None else place,
        ERROR_COST if inner.metered else 0,
    )
    return _RUNNERS[node.kind](plan)


def _inner(node: Loop, context: Context, first: int) -> tuple[Context, bool]:
    """The context of the body, and whether the loop goes over plain data only."""
    path = static_path(node.source)
    free = False
    if path is not None and not context.metered:
        root = path[0]
        is_local = not root.absolute and root.name in context.local
        free = root.name == context.element if is_local else context.element is None
    local = {**context.local, **{name: first + place for place, name in enumerate(node.variables)}}
    element = node.variables[-1] if free else None
    return context._replace(local=local, metered=not free, element=element, used=first + 3), free


def _steps(source: Closure, two: bool, first: int, cost: int, place: tuple[int, int]) -> Steps:
    def steps(frame: Frame) -> Iterator[Any]:
        value = source(frame)
        try:
            entries = _pairs(value) if two else _elements(value)
        except Fault as fault:
            raise fault.at(place) from None
        slots = frame.slots
        for position, item in enumerate(entries):
            frame.left -= cost
            if frame.left < 0:
                raise BudgetFault(f"the expression needs more than {frame.budget.operations} operations").at(place)
            if two:
                slots[first], slots[first + 1] = item
                slots[first + 2] = item[0]
            else:
                slots[first] = item
                slots[first + 2] = position
            yield item

    return steps


def _elements(value: Any) -> list[Any]:
    value = plain(value)
    if type(value) is list:
        return value
    if type(value) is dict:
        return [bool(key) if type(key) is Flag else key for key in value]
    raise Fault(f"expected a list or map, not {type_name(value)}")


def _pairs(value: Any) -> list[tuple[Any, Any]]:
    value = plain(value)
    if type(value) is list:
        return list(enumerate(value))
    if type(value) is dict:
        return [(bool(key) if type(key) is Flag else key, item) for key, item in value.items()]
    raise Fault(f"expected a list or map, not {type_name(value)}")


def _blamer(node: Loop, first: int, two: bool) -> Callable[[Frame, ExpressionError], ExpressionError]:
    """Names the element an error was about: ``i.price`` becomes ``event.items[3].price``."""
    path = static_path(node.source)
    name = node.variables[-1]

    def blame(frame: Frame, error: ExpressionError) -> ExpressionError:
        if path is None or not isinstance(error, MissingValue):
            return error
        rest = error.path[len(name) :]
        if not error.path.startswith(name) or rest[:1] not in (".", "[", ""):
            return error
        return error.relocated(path_text(path[0].name, (*path[1], frame.slots[first + 2])) + rest)

    return blame


def _test(plan: Plan, frame: Frame) -> bool:
    """The condition of the current step, as a bool."""
    value = plan.condition(frame)
    if value is True or value is False:
        return value
    raise not_bool(value, plan.condition_place)


def _quantifier(decisive: bool) -> Callable[[Plan], Closure]:
    def runner(plan: Plan) -> Closure:
        steps, condition, cost = plan.steps, plan.condition, plan.error_cost

        def decide(frame: Frame) -> bool:
            problem: ExpressionError | None = None
            for _ in steps(frame):
                try:
                    value = condition(frame)
                except BudgetExceeded:
                    raise
                except ExpressionError as error:
                    frame.left -= cost
                    if problem is None or isinstance(error, OpenValue):
                        problem = worse(problem, plan.blame(frame, error))
                    continue
                if value is decisive:
                    return decisive
                if type(value) is not bool:
                    problem = worse(problem, not_bool(value, plan.condition_place))
            if problem is not None:
                raise problem
            return not decisive

        return decide

    return runner


def _collector(plan: Plan, start: Callable[[], Any], add: Callable[[Frame, Any, Any, Any], None]) -> Closure:
    """Run the steps whose condition holds and gather what their bodies yield."""
    steps, body = plan.steps, plan.body
    unconditional = plan.condition is _always

    def collect(frame: Frame) -> Any:
        result = start()
        try:
            for item in steps(frame):
                if unconditional or _test(plan, frame):
                    value = item if body is None else body(frame)
                    add(frame, result, item, value)
            frame.charge_size(len(result))
        except MissingValue as error:
            raise plan.blame(frame, error) from None
        except Fault as fault:
            raise fault.at(plan.place) from None
        return result

    return collect


def _keep(frame: Frame, result: list[Any], item: Any, value: Any) -> None:
    result.append(value if type(value) in PLAIN else plain(value))


def _keep_entry(frame: Frame, result: dict[Any, Any], item: Any, value: Any) -> None:
    key = item[0]
    result[Flag(key) if type(key) is bool else key] = value if type(value) in PLAIN else plain(value)


def _merge(frame: Frame, result: dict[Any, Any], item: Any, value: Any) -> None:
    value = plain(value)
    if type(value) is not dict:
        raise Fault(f"transformMapEntry() needs a map for every entry, not {type_name(value)}")
    frame.charge(len(value))
    for key, part in value.items():
        if key in result:
            raise Fault("transformMapEntry() yields the same key twice")
        result[key] = part


def _exists_one(plan: Plan) -> Closure:
    def single(frame: Frame) -> bool:
        try:
            return sum(_test(plan, frame) for _ in plan.steps(frame)) == 1
        except MissingValue as error:
            raise plan.blame(frame, error) from None

    return single


def _sort_by(plan: Plan) -> Closure:
    def add(frame: Frame, result: list[Any], item: Any, key: Any) -> None:
        result.append((item, plain(key)))

    collect = _collector(plan, list, add)

    def ranked(frame: Frame) -> Any:
        pairs = collect(frame)
        try:
            return sort_by(frame, [item for item, _ in pairs], [key for _, key in pairs])
        except Fault as fault:
            raise fault.at(plan.place) from None

    return ranked


_RUNNERS: dict[str, Callable[[Plan], Closure]] = {
    "all": _quantifier(False),
    "exists": _quantifier(True),
    "exists_one": _exists_one,
    "filter": lambda plan: _collector(plan, list, _keep),
    "map": lambda plan: _collector(plan, list, _keep),
    "transformList": lambda plan: _collector(plan, list, _keep),
    "transformMap": lambda plan: _collector(plan, dict, _keep_entry),
    "transformMapEntry": lambda plan: _collector(plan, dict, _merge),
    "sortBy": _sort_by,
}


def compile_bind(compiler: Compiler, node: Bind, context: Context) -> Closure:
    value = compiler.compile(node.value, context)
    slot = compiler.reserve(context, 1)
    local = {**context.local, node.name: slot}
    element = None if context.element == node.name else context.element
    body = compiler.compile(node.body, context._replace(local=local, used=slot + 1, element=element))
    place, kind = compiler.place(node.at), node.kind

    def bound(frame: Frame) -> Any:
        frame.slots[slot] = value(frame)
        return body(frame)

    if kind == "bind":
        return bound

    def mapped(frame: Frame) -> Any:
        optional = value(frame)
        try:
            if type(optional) is not Optional:
                raise Fault(f"{kind}() needs an optional, not {type_name(plain(optional))}")
            if not optional.items:
                return NONE
            frame.slots[slot] = optional.items[0]
            result = plain(body(frame))
            if kind == "optFlatMap" and type(result) is not Optional:
                raise Fault("optFlatMap() needs an optional as its result")
        except Fault as fault:
            raise fault.at(place) from None
        return Optional((result,)) if kind == "optMap" else result

    return mapped
