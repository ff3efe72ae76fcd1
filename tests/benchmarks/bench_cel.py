"""Figures of the expression engine beside other engines, all from one run: ``python tests/benchmarks/bench_cel.py``.

Times are microseconds, the best of several rounds; the ratio is to this engine.
"""

from __future__ import annotations

import sys
import timeit
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from automations.engine.cel.program import Program, evaluate

RULE = 'event.order.total > 100 && event.order.country == "DE"'
EVENT = {"order": {"total": 150, "country": "DE", "lines": [{"price": 5}] * 20}, "customer": {"email": "a@b.example"}}
FILTER = "event.items.filter(i, i.price > 50)"
MISSING = "not installed"

Cases = dict[str, Callable[[], Any]]


def best(run: Callable[[], Any], seconds: float = 0.2, rounds: int = 5) -> float:
    """Microseconds of one call."""
    timer = timeit.Timer(run)
    once = max(timer.timeit(1), 1e-7)
    number = max(1, int(seconds / rounds / once))
    return min(timer.repeat(rounds, number)) / number * 1e6


def items(count: int) -> dict[str, Any]:
    return {"event": {"items": [{"price": number % 100} for number in range(count)]}}


def own() -> Cases:
    program, sieve, data = Program(RULE), Program(FILTER), items(1_000)
    variables = {"event": EVENT}
    return {
        "compile": lambda: Program(RULE),
        "evaluate": lambda: program.evaluate(variables),
        "evaluate(source)": lambda: evaluate(RULE, variables),
        "explain": lambda: program.explain(variables),
        "filter 1,000": lambda: sieve.evaluate(data),
    }


def google() -> Cases:
    from cel_expr_python import cel

    environment = cel.NewEnv(variables={"event": cel.Type.DYN})
    program, sieve, data = environment.compile(RULE), environment.compile(FILTER), items(1_000)
    variables = {"event": EVENT}
    return {
        "compile": lambda: environment.compile(RULE),
        "evaluate": lambda: program.eval(data=variables).value(),
        "filter 1,000": lambda: sieve.eval(data=data).value(),
    }


def rust() -> Cases:
    import cel

    program, sieve, data = cel.compile(RULE), cel.compile(FILTER), items(1_000)
    variables = {"event": EVENT}
    return {
        "compile": lambda: cel.compile(RULE),
        "evaluate": lambda: program.execute(variables),
        "filter 1,000": lambda: sieve.execute(data),
    }


def celpy_() -> Cases:
    import celpy

    environment = celpy.Environment()
    program = environment.program(environment.compile(RULE))
    sieve = environment.program(environment.compile(FILTER))
    variables, data = celpy.json_to_cel({"event": EVENT}), celpy.json_to_cel(items(1_000))
    return {
        "compile": lambda: environment.program(environment.compile(RULE)),
        "evaluate": lambda: program.evaluate(variables),
        "filter 1,000": lambda: sieve.evaluate(data),
    }


def jinja() -> Cases:
    from jinja2.sandbox import SandboxedEnvironment

    environment = SandboxedEnvironment()
    rule = RULE.replace("&&", "and")
    run = environment.compile_expression(rule)
    return {
        "compile": lambda: environment.compile_expression(rule),
        "evaluate": lambda: run(event=EVENT),
    }


ENGINES: dict[str, Callable[[], Cases]] = {
    "this engine": own,
    "cel-expr-python": google,
    "common-expression-language": rust,
    "cel-python": celpy_,
    "Jinja2 (sandbox)": jinja,
}


def figures() -> dict[str, dict[str, float] | None]:
    """Per engine the time of each case, or None where the engine is not installed."""
    result: dict[str, dict[str, float] | None] = {}
    for name, prepare in ENGINES.items():
        try:
            cases = prepare()
        except (ImportError, AttributeError):
            result[name] = None
            continue
        result[name] = {case: best(run) for case, run in cases.items()}
    return result


def growth() -> list[tuple[int, float]]:
    """Milliseconds of a filter over lists of several lengths."""
    sieve = Program(FILTER)
    lengths = (1_000, 10_000, 100_000)
    return [(count, best(partial(sieve.evaluate, items(count))) / 1e3) for count in lengths]


def main() -> None:
    found = figures()
    mine = found["this engine"] or {}
    print(f"rule: {RULE}\n")
    print(f"{'engine':28}{'case':20}{'µs':>10}{'ratio':>9}")
    for name, cases in found.items():
        if cases is None:
            print(f"{name:28}{MISSING}")
            continue
        for case, time in cases.items():
            ratio = f"{time / mine[case]:8.1f}x" if case in mine else ""
            print(f"{name:28}{case:20}{time:10.2f}{ratio:>9}")
    print(f"\n{FILTER}")
    for count, time in growth():
        print(f"{count:>9,} elements{time:10.2f} ms{time / count * 1e6:9.0f} ns each")


if __name__ == "__main__":
    main()
