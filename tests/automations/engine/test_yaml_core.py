"""YAML by the 1.2 core rules, read and written."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automations.engine.errors import UnreadableError
from automations.engine.yaml_core import dumps, loads


def value(text):
    return loads(f"x: {text}\n")[0]["x"]


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("true", True), ("false", False), ("null", None), ("~", None), ("", None), ("12", 12), ("-3", -3), ("+3", 3),
        ("0", 0), ("1.5", 1.5), ("1e3", 1000.0), (".5", 0.5), ("0x1F", 31), ("0o17", 15), ("1.0", 1.0), ("-0.0", -0.0),
    ],
)  # fmt: skip
def test_core_values(text, data):
    assert (value(text), type(value(text))) == (data, type(data))


@pytest.mark.parametrize(
    "text",
    ["NO", "no", "yes", "Yes", "on", "off", "y", "n", "12:30", "01234", "2026-01-31", "2026-01-31T08:00:00Z", "1_000", "0b1",
     "tRue", "nULL", "1.2.3", "0x", "1e", "--1", "=", "<<x", "00", "-01", "1,000"],
)  # fmt: skip
def test_everything_else_is_text(text):
    assert value(text) == text


def test_quotes_make_text():
    assert loads("{a: 'true', b: \"12\", c: 'null'}")[0] == {"a": "true", "b": "12", "c": "null"}


def test_keys_are_always_text():
    assert loads("1: a\ntrue: b\nNO: c\nnull: d\n1.5: e")[0] == {
        "1": "a",
        "true": "b",
        "NO": "c",
        "null": "d",
        "1.5": "e",
    }


def test_each_path_knows_its_line():
    _data, lines = loads("a: 1\nb:\n  - x\n  - c: |\n      text\n    d: 2\n")
    assert {("a",): 1, ("b",): 2, ("b", 0): 3, ("b", 1): 4, ("b", 1, "c"): 4, ("b", 1, "d"): 6}.items() <= lines.items()


def test_aliases_are_copied():
    data, _lines = loads("a: &x {k: [1]}\nb: *x\n")
    data["a"]["k"].append(2)
    assert data["b"] == {"k": [1]}


BOMB = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: 1\na: 2", "twice"), ("a: !!python/object:os.system x", "Tags"), ("a: !x 1", "Tags"), ("!!map {a: 1}", "Tags"),
        ("a: 1\n---\nb: 2", "more than one document"), ("", "empty"), ("# only a comment", "empty"), ("a: *x", "anchor"),
        ("a: &x [*x]", "inside of what it names"), (BOMB, "more than"), ("a: {<<: {b: 1}}", "Merge keys"),
        ("? [a]\n: 1", "key must be text"), ("a: .inf", "no numbers"), ("a: -.INF", "no numbers"), ("a: .nan", "no numbers"),
        ("a: 1e400", "too large"), ("a: " + "9" * 5_000, "64 bits"), ("a: 18446744073709551616", "64 bits"),
        ("a: 0x" + "f" * 17, "64 bits"), ('a: "\\0"', "NUL"), ("a: [1", "not YAML"), ("a: b: c", "not YAML"), ("\ta: 1", "not YAML"),
        ("[" * 100_000, "deeper"), ("{a: " * 100_000, "deeper"), ("- " * 50_000, "deeper"), ("x" * 1_100_000, "larger"),
        (b"a: \xff", "UTF-8"), ("a: \x07", "not YAML"),
    ],
    ids=lambda part: str(part)[:25],
)  # fmt: skip
def test_what_is_refused_says_why(text, told):
    with pytest.raises(UnreadableError, match=told):
        loads(text)


def test_an_error_says_where():
    with pytest.raises(UnreadableError) as caught:
        loads("a: 1\nb:\n  c: 1\n  c: 2\n")
    assert (caught.value.line, caught.value.column) == (4, 3)


TRICKY = [
    "NO", "yes", "1e3", "0x1F", "0o7", "12:30", "01234", "true", "null", "~", "", " ", "a: b", "- x", "# c", "é ü", "🙂", "a\nb",
    "a\n\n b\n", "\n", " lead", "trail ", "tab\t", "x\n ", "'", '"', "\\", "{{ event.x }}", "%", "@", "`", "!tag", "&a", "*a", "|",
    ">", "?", "=", "<<", ".inf", ".nan", "2026-01-31", "\x85", "\u2028", "\ufeff", "a\r\nb", "1_0", "+1", ".5", "5.", "---", "...",
    "a #b", "a:", "x" * 300, "é" * 200, "line one\nline two: {a}\n  indented\n",
]  # fmt: skip


@pytest.mark.parametrize("text", TRICKY, ids=repr)
def test_tricky_texts_survive_as_values_and_as_keys(text):
    data = {"k": text, "l": [text, {"m": text}], text: 1}
    assert loads(dumps(data))[0] == data


TEXT = st.sampled_from(TRICKY) | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))
NUMBERS = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
DATA = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
    max_leaves=15,
)


@settings(max_examples=300, deadline=None)
@given(DATA)
def test_what_is_written_is_read_back(data):
    assert loads(dumps(data))[0] == data


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="abc:-[]{}&*!|>'\"#%@`?,.01 \n\t~<=\\"))
def test_any_text_is_read_or_refused(text):
    with suppress(UnreadableError):
        loads(text)
