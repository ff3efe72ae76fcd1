"""Where the language differs from CEL on purpose. The table in docs/expressions.md is made from this list."""

from __future__ import annotations

from typing import NamedTuple


class Deviation(NamedTuple):
    """``example`` yields ``here``, written as a CEL literal, or ``error``; ``elsewhere`` is what CEL does."""

    subject: str
    elsewhere: str
    example: str
    here: str


DEVIATIONS = (
    Deviation("int and double mix in `+ - * /`", "an error", "100 * 1.5", "150.0"),
    Deviation("Types are checked when evaluated, not when saved", "refused when compiled", "1 == 'a'", "false"),
    Deviation("Decimals are written without exponent from 1e-6 to 1e21", "1.5e+06", "string(1500000.0)", "'1500000'"),
    Deviation("Infinite doubles as texts", "implementations differ", "string(1.0 / 0.0)", "'Infinity'"),
    Deviation("`%d` takes doubles", "implementations differ", "'%d'.format([2.5])", "'2.5'"),
    Deviation("`%o` of a negative number", "implementations differ", "'%o'.format([-9])", "'-11'"),
    Deviation("Precision in `format()` is at most 100", "larger", "'%.101f'.format([1.0])", "error"),
    Deviation(
        "Fractions of a second have no closing zeros", "implementations differ", "string(duration('1.5s'))", "'1.5s'"
    ),
    Deviation("A number in a text has no spaces around it", "implementations differ", "int(' 5')", "error"),
    Deviation("Doubles in texts are decimal", "implementations differ", "double('0x1p3')", "error"),
    Deviation("No leap seconds", "implementations differ", "timestamp('2016-12-31T23:59:60Z')", "error"),
    Deviation("A field of null is a missing field", "another error", "{'a': null}.a.b", "error"),
    Deviation("`.?` and `[?` of null are empty", "an error", "{'a': null}.?a.?b.orValue(1)", "1"),
    Deviation("Numbers of different types sort together", "an error", "[2, 1.5].sort()", "[1.5, 2]"),
    Deviation("No message types", "protocol buffer messages", "google.protobuf.Int32Value{value: 1}", "error"),
    Deviation("`matches` takes a pattern of at most 1,000 characters", "longer", "'a'.matches('a')", "true"),
    Deviation("`cel.bind` evaluates its value at once", "implementations differ", "cel.bind(x, 1 / 0, 1)", "error"),
)

# Vectors of the CEL specification's conformance suite that do not pass: file/section/name -> reason.
VECTORS_NOT_PASSED = {
    "parse/bytes_literals/triple_double_quoted_unescaped_punctuation": (
        "the vector expects a backslash its source does not hold; the same vector for texts expects none"
    ),
}


def table() -> str:
    """The deviations as the Markdown table of the documentation."""
    rows = ["| Here | In CEL | For example |", "|---|---|---|"]
    for deviation in DEVIATIONS:
        result = "is an error" if deviation.here == "error" else f"is `{deviation.here}`"
        rows.append(f"| {deviation.subject} | {deviation.elsewhere} | `{deviation.example}` {result} |")
    return "\n".join(rows)
