"""Strict JSON: what is refused, where, and that nothing crashes."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automations.engine.errors import UnreadableError
from automations.engine.json_core import loads_json


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "not JSON"), (b"{", "not JSON"), (b"{'a': 1}", "not JSON"), (b"[1,]", "not JSON"), (b"1 2", "not JSON"),
        (b'{"a": "\xff"}', "not UTF-8"), (b"\xef\xbb\xbf{}", "not JSON"), (b'"\x00"', "not JSON"), ("a\x00", "NUL"),
        (b'{"a": NaN}', "no JSON numbers"), (b"[Infinity]", "no JSON numbers"), (b"[-Infinity]", "no JSON numbers"),
        (b"[1e400]", "too large"), (b"[-1e400]", "too large"), (b"[" + b"9" * 5_000 + b"]", "64 bits"),
        (b"[18446744073709551616]", "64 bits"), (b"[-9223372036854775809]", "64 bits"),
        (b'{"a": 1, "a": 2}', "twice"), (b'{"x": [{"a": 1, "\\u0061": 2}]}', "twice"),
        (b'"\\u0000"', "NUL"), (b'{"\\u0000": 1}', "NUL"), (b'["\\ud800"]', "surrogate"), (b'["\\uDC00x"]', "surrogate"),
        (b"[" * 100_000, "deeper"), (b"[" * 100_000 + b"]" * 100_000, "deeper"), (b'{"a":' * 100_000, "deeper"),
        (b"[" * 65 + b"]" * 65, "deeper"), (b'{"a":' * 65 + b"1" + b"}" * 65, "deeper"),
        (b'["]",' * 70 + b"1" + b"]" * 70, "deeper"), (b"[NaN," * 2_000, "JSON|deeper"),
    ],
    ids=lambda part: str(part)[:30],
)  # fmt: skip
def test_what_is_refused_says_why(data, told):
    with pytest.raises(UnreadableError, match=told):
        loads_json(data)


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b'{"a": [1, 2.5, true, null, "\xc3\xa9"]}', {"a": [1, 2.5, True, None, "é"]}), (b'"\\ud83d\\ude42"', "🙂"),
        (b"18446744073709551615", 2**64 - 1), (b"-9223372036854775808", -(2**63)), (b" 1 ", 1), (b'"\\\\u0000"', "\\u0000"),
        (b"[" * 64 + b"]" * 64, None), (b'["' + b"[" * 500 + b'"]', ["[" * 500]),
        (b"[" + b",".join([b"[]"] * 500) + b"]", [[]] * 500), (b"1e-400", 0.0), (b"-0", 0),
    ],
    ids=lambda part: str(part)[:30],
)  # fmt: skip
def test_what_is_sound_is_read(data, value):
    read = loads_json(data)
    assert read == value or value is None


@pytest.mark.parametrize(
    ("data", "path"),
    [
        (b'{"a": [1, {"b": NaN}]}', "a[1].b"), (b'{"a": {"b": 1, "b": 2}}', "a.b"), (b'{"a": ["\\ud800"]}', "a[0]"),
        (b'{"a": [1e999]}', "a[0]"), (b'[{"x y": 99999999999999999999}]', '[0]["x y"]'),
    ],
)  # fmt: skip
def test_a_refused_value_is_named_by_its_path(data, path):
    with pytest.raises(UnreadableError) as caught:
        loads_json(data)
    assert caught.value.path == path


def test_broken_json_is_named_by_line_and_column():
    with pytest.raises(UnreadableError) as caught:
        loads_json(b'{\n  "a": 1,\n  b\n}')
    assert (caught.value.line, caught.value.column) == (3, 3)


def test_the_depth_can_be_chosen():
    assert loads_json(b"[[1]]", depth=2) == [[1]]
    with pytest.raises(UnreadableError):
        loads_json(b"[[1]]", depth=1)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=40) | st.text(alphabet='[]{}",:0123456789eE+-.\\u dDNaIntfyrulse').map(str.encode))
def test_any_bytes_are_read_as_the_standard_reader_does_or_refused(data):
    try:
        value = loads_json(data)
    except UnreadableError:
        return
    assert value == json.loads(data)
