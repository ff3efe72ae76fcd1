"""The functions of the language, one module per library. Importing this package declares them all."""

from . import conversions, encoders, formatting, lists, maths, optionals, standard, strings, times
from .registry import Function, find_function, names

__all__ = [
    "Function",
    "conversions",
    "encoders",
    "find_function",
    "formatting",
    "lists",
    "maths",
    "names",
    "optionals",
    "standard",
    "strings",
    "times",
]
