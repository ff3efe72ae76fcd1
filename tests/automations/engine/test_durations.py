"""Durations as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automations.engine.durations import DurationError, format, parse


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("2s", 2), ("10m", 600), ("1h", 3_600), ("24h", 86_400), ("7d", 604_800), ("0s", 0)],
)
def test_a_duration_is_a_number_and_a_unit(text, seconds):
    assert parse(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "5", "s", "1.5h", "-1s", "1 h", "1H", "1w", "1h30m", "١s", "9" * 13 + "s", 5, None, "4000d"]
)
def test_anything_else_is_refused_and_told_what_would_be_right(text):
    with pytest.raises(DurationError, match="like 500ms"):
        parse(text)


@given(st.integers(0, 10**10))
def test_what_is_written_is_read_back(milliseconds):
    assert parse(format(milliseconds / 1_000)) == milliseconds / 1_000
