"""The expression language: CEL (Common Expression Language, https://cel.dev), evaluated by our own engine.

Pure: no clock, no randomness, no input or output; only JSON values, bytes, timestamps, durations, types
and optionals. ``docs/expressions.md`` describes the language and where it differs from CEL.
"""

from .budget import Budget
from .errors import BudgetExceeded, ExpressionError, MissingValue, OpenValue
from .explain import Explanation, Part
from .program import Program, compile, evaluate
from .values import CelType, Open, Optional, Uint

__all__ = [
    "Budget",
    "BudgetExceeded",
    "CelType",
    "Explanation",
    "ExpressionError",
    "MissingValue",
    "Open",
    "OpenValue",
    "Optional",
    "Part",
    "Program",
    "Uint",
    "compile",
    "evaluate",
]
