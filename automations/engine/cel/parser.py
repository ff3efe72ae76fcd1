"""Tokens to syntax tree, per the grammar of the CEL language definition.

Binary operators are read with an explicit stack, so that only brackets, calls and branches recurse,
and their nesting is limited.
"""

from __future__ import annotations

from typing import Any

from . import macros
from .ast import (
    Call,
    Conditional,
    Ident,
    Index,
    ListNode,
    Literal,
    Logic,
    MapNode,
    Node,
    Operation,
    Select,
    Unary,
    depth,
)
from .budget import MAX_DEPTH
from .errors import BudgetExceeded, ExpressionError, Fault
from .lexer import Places, Token, tokenize
from .literals import double, integer, text_or_bytes

_PRECEDENCE = {
    "||": 1, "&&": 2, "<": 3, "<=": 3, ">": 3, ">=": 3, "==": 3, "!=": 3, "in": 3,
    "+": 4, "-": 4, "*": 5, "/": 5, "%": 5,
}  # fmt: skip
_CONSTANTS = {"true": True, "false": False, "null": None}
_RESERVED = frozenset({
    "as", "break", "const", "continue", "else", "for", "function", "if", "import", "let", "loop", "package",
    "namespace", "return", "var", "void", "while",
})  # fmt: skip


def parse(source: str) -> tuple[Node, Places]:
    """The tree of a source, and what turns its offsets into lines and columns.

    Raises :class:`ExpressionError` for a source that is no expression, :class:`BudgetExceeded` for one
    that is too long or nested too deeply.
    """
    places = Places(source)
    parser = Parser(tokenize(source, places), places)
    node = parser.whole()
    if depth(node) > MAX_DEPTH:
        raise BudgetExceeded(f"the expression is nested deeper than {MAX_DEPTH} levels", *places(node.start))
    return node, places


class Parser:
    """One pass over the tokens of one source."""

    def __init__(self, tokens: list[Token], places: Places) -> None:
        self.tokens = tokens
        self.places = places
        self.position = 0
        self.nesting = 0
        self.token = tokens[0]

    def error(self, message: str, at: int) -> ExpressionError:
        return ExpressionError(message, *self.places(at))

    def advance(self) -> Token:
        token = self.token
        self.position += 1
        self.token = self.tokens[self.position] if token.kind != "end" else token
        return token

    def takes(self, mark: str) -> bool:
        """Step over ``mark`` if it comes next."""
        if self.token.text == mark and self.token.kind == "mark":
            self.advance()
            return True
        return False

    def expect(self, mark: str) -> Token:
        if self.token.text == mark and self.token.kind == "mark":
            return self.advance()
        raise self.error(f"expected '{mark}' before {self.shown()}", self.token.start)

    def shown(self) -> str:
        text = self.token.text
        return text if self.token.kind == "end" else f"'{text[:40]}'"

    def whole(self) -> Node:
        node = self.expression()
        if self.token.kind != "end":
            raise self.error(f"unexpected {self.shown()}", self.token.start)
        return node

    def expression(self) -> Node:
        self.nesting += 1
        if self.nesting > MAX_DEPTH:
            raise BudgetExceeded(
                f"the expression is nested deeper than {MAX_DEPTH} levels", *self.places(self.token.start)
            )
        node = self.binary()
        if self.token.text == "?" and self.token.kind == "mark":
            at = self.advance().start
            then = self.binary()
            self.expect(":")
            otherwise = self.expression()
            node = Conditional(node, then, otherwise, node.start, otherwise.end, at)
        self.nesting -= 1
        return node

    def binary(self) -> Node:
        """Operands and operators up to the next bracket, comma or branch."""
        operands = [self.operand()]
        operators: list[tuple[int, Token]] = []
        while True:
            token = self.token
            level = _PRECEDENCE.get(token.text, 0) if token.kind in ("mark", "name") else 0
            while operators and operators[-1][0] > level:
                _reduce(operands, operators)
            if not level:
                return operands[0]
            operators.append((level, self.advance()))
            operands.append(self.operand())

    def operand(self) -> Node:
        """Member, or ``!`` or ``-`` before one."""
        token = self.token
        if token.kind != "mark" or token.text not in "!-":
            return self.member(self.primary())
        times = 0
        while self.token.text == token.text and self.token.kind == "mark":
            last = self.advance()
            times += 1
        if token.text == "-" and self.token.kind in ("int", "uint", "double"):
            times -= 1
            number = self.number(last.start, negative=True)
            operand = self.member(number)
        else:
            operand = self.member(self.primary())
        if not times:
            return operand
        return Unary(token.text, 2 - times % 2, operand, token.start, operand.end, token.start)

    def member(self, node: Node) -> Node:
        """The selections, indexes and method calls after a primary."""
        while self.token.kind == "mark":
            token = self.token
            if token.text == ".":
                self.advance()
                node = self.selection(node)
            elif token.text == "[":
                self.advance()
                optional = self.takes("?")
                key = self.expression()
                node = Index(node, key, optional, node.start, self.expect("]").end, token.start)
            else:
                break
        return node

    def selection(self, node: Node) -> Node:
        optional = self.takes("?")
        name = self.token
        if name.kind == "quoted":
            self.advance()
            return Select(node, name.text[1:-1], optional, node.start, name.end, name.start)
        if name.kind != "name" or name.text in _CONSTANTS or name.text == "in":
            raise self.error(f"expected a field name before {self.shown()}", name.start)
        self.advance()
        if not optional and self.takes("("):
            args, end = self.arguments()
            return self.call(name, node, args, node.start, end)
        return Select(node, name.text, optional, node.start, name.end, name.start)

    def arguments(self) -> tuple[tuple[Node, ...], int]:
        args: list[Node] = []
        if self.token.text != ")" or self.token.kind != "mark":
            args.append(self.expression())
            while self.takes(","):
                args.append(self.expression())
        return tuple(args), self.expect(")").end

    def call(self, name: Token, target: Node | None, args: tuple[Node, ...], start: int, end: int) -> Node:
        node = Call(name.text, target, args, start, end, name.start)
        try:
            return macros.expand(node)
        except Fault as fault:
            raise fault.at(self.places(name.start)) from None

    def primary(self) -> Node:
        token = self.token
        if token.kind == "name":
            return self.name(absolute=False)
        if token.kind in ("int", "uint", "double"):
            return self.number(token.start)
        if token.kind == "text":
            self.advance()
            return Literal(self.value(text_or_bytes, token), token.start, token.end, token.start)
        if token.text == "(" and token.kind == "mark":
            self.advance()
            node = self.expression()
            return node._replace(start=token.start, end=self.expect(")").end)
        if token.text == "[":
            return self.list_literal()
        if token.text == "{":
            return self.map_literal()
        if token.text == ".":
            self.advance()
            return self.name(absolute=True)
        raise self.error(f"expected a value before {self.shown()}", token.start)

    def value(self, read: Any, token: Token, **options: bool) -> Any:
        try:
            return read(token.text, **options)
        except Fault as fault:
            raise fault.at(self.places(token.start)) from None

    def number(self, start: int, *, negative: bool = False) -> Node:
        token = self.advance()
        value = self.value(double if token.kind == "double" else integer, token, negative=negative)
        return Literal(value, start, token.end, start)

    def name(self, *, absolute: bool) -> Node:
        token = self.token
        text = token.text
        if token.kind != "name" or text == "in":
            raise self.error(f"expected a name before {self.shown()}", token.start)
        self.advance()
        start = token.start - 1 if absolute else token.start
        if text in _CONSTANTS and not absolute:
            return Literal(_CONSTANTS[text], start, token.end, start)
        if text in _RESERVED or text in _CONSTANTS:
            raise self.error(f"'{text}' is a reserved word", token.start)
        if self.takes("("):
            args, end = self.arguments()
            return self.call(token, None, args, start, end)
        return Ident(text, absolute, start, token.end, token.start)

    def list_literal(self) -> Node:
        start = self.advance().start
        items: list[Node] = []
        optional: list[bool] = []
        while self.token.text not in ("]", ",") or self.token.kind != "mark":
            optional.append(self.takes("?"))
            items.append(self.expression())
            if self.token.text != "," or self.token.kind != "mark":
                break
            self.advance()
        else:
            if not items:
                self.takes(",")
        return ListNode(tuple(items), tuple(optional), start, self.expect("]").end, start)

    def map_literal(self) -> Node:
        start = self.advance().start
        keys: list[Node] = []
        values: list[Node] = []
        optional: list[bool] = []
        while self.token.text not in ("}", ",") or self.token.kind != "mark":
            optional.append(self.takes("?"))
            keys.append(self.expression())
            self.expect(":")
            values.append(self.expression())
            if self.token.text != "," or self.token.kind != "mark":
                break
            self.advance()
        else:
            if not keys:
                self.takes(",")
        return MapNode(tuple(keys), tuple(values), tuple(optional), start, self.expect("}").end, start)


def _reduce(operands: list[Node], operators: list[tuple[int, Token]]) -> None:
    """Join the operands of all operators of the topmost level, from left to right."""
    level = operators[-1][0]
    first = len(operators) - 1
    while first and operators[first - 1][0] == level:
        first -= 1
    marks = [token for _, token in operators[first:]]
    parts = tuple(operands[-len(marks) - 1 :])
    del operators[first:]
    del operands[-len(parts) :]
    start, end = parts[0].start, parts[-1].end
    if level <= 2:
        operands.append(Logic(marks[0].text, parts, start, end, marks[0].start))
        return
    places = tuple(token.start for token in marks)
    operands.append(Operation(tuple(token.text for token in marks), parts, places, start, end, places[0]))
