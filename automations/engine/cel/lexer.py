"""Source text to tokens, per the lexis of the CEL language definition."""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import NamedTuple

from .budget import MAX_SOURCE
from .errors import BudgetExceeded, ExpressionError

_TOKEN = re.compile(
    r"""(?P<space>[ \t\n\f\r]+|//[^\n]*)
    |(?P<text>[bB]?[rR]?(?:\"{3}|'{3}|"|'))
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<double>(?:[0-9]+\.[0-9]+|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+)
    |(?P<uint>(?:0x[0-9a-fA-F]+|[0-9]+)[uU])
    |(?P<int>0x[0-9a-fA-F]+|[0-9]+)
    |(?P<mark>&&|\|\||[=!<>]=|[-+*/%<>!?:.,()\[\]{}])
    |(?P<quoted>`[A-Za-z0-9_.\-/ ]+`)
    """,
    re.VERBOSE,
)
_ENDS = {
    "'": re.compile(r"[^'\\\n\r]*(?:\\[^\n\r][^'\\\n\r]*)*'"),
    '"': re.compile(r'[^"\\\n\r]*(?:\\[^\n\r][^"\\\n\r]*)*"'),
    "'''": re.compile(r"[^'\\]*(?:(?:\\.|'(?!''))[^'\\]*)*'''", re.DOTALL),
    '"""': re.compile(r'[^"\\]*(?:(?:\\.|"(?!""))[^"\\]*)*"""', re.DOTALL),
}
_RAW_ENDS = {
    "'": re.compile(r"[^'\n\r]*'"),
    '"': re.compile(r'[^"\n\r]*"'),
    "'''": re.compile(r".*?'''", re.DOTALL),
    '"""': re.compile(r'.*?"""', re.DOTALL),
}


class Token(NamedTuple):
    kind: str  # name, quoted, text, int, uint, double, mark, end
    text: str  # a mark or name as written; a literal including its quotes
    start: int
    end: int


class Places:
    """Turns offsets of a source into (line, column), both counted from 1."""

    def __init__(self, source: str) -> None:
        self._lines: list[int] | None = None
        if "\n" in source:
            self._lines = [0, *(at + 1 for at, character in enumerate(source) if character == "\n")]

    def __call__(self, offset: int) -> tuple[int, int]:
        if self._lines is None:
            return 1, offset + 1
        line = bisect_right(self._lines, offset)
        return line, offset - self._lines[line - 1] + 1


def tokenize(source: str, places: Places) -> list[Token]:
    """The tokens of a source, closed by one of kind ``end``.

    Raises :class:`ExpressionError` at the first character that starts no token, and
    :class:`BudgetExceeded` for a source over ``MAX_SOURCE`` characters.
    """
    if len(source) > MAX_SOURCE:
        raise BudgetExceeded(f"the expression is longer than {MAX_SOURCE} characters")
    tokens: list[Token] = []
    at, length = 0, len(source)
    match = _TOKEN.match
    while at < length:
        found = match(source, at)
        if found is None:
            raise ExpressionError(f"unexpected character {source[at]!r}", *places(at))
        kind = found.lastgroup or ""
        end = found.end()
        if kind != "space":
            if kind == "text":
                end = _text_end(source, found.group(), at, end, places)
            tokens.append(Token(kind, source[at:end], at, end))
        at = end
    tokens.append(Token("end", "the end", length, length))
    return tokens


def _text_end(source: str, opening: str, start: int, body: int, places: Places) -> int:
    quotes = opening.lstrip("bBrR")
    ends = _RAW_ENDS if "r" in opening or "R" in opening else _ENDS
    found = ends[quotes].match(source, body)
    if found is None:
        raise ExpressionError("this text is not closed", *places(start))
    return found.end()
