"""When a failed step is performed again; the arithmetic stands in the table."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automations.engine.errors import StepError
from automations.engine.parts import RetryPolicy
from automations.engine.retry import backoff, next_attempt

NOW = datetime(2026, 1, 1, tzinfo=UTC)
STEADY = RetryPolicy(attempts=10, delay=2, factor=3, max_delay=100, jitter=False)


def error(retryable=True, retry_after=None):
    return StepError("timeout", "x", retryable=retryable, retry_after=retry_after)


def wait(policy, attempt, *, chance=0.5, retry_after=None):
    moment = next_attempt(policy, attempt, error(retry_after=retry_after), now=NOW, chance=chance)
    return None if moment is None else (moment - NOW).total_seconds()


@pytest.mark.parametrize(("attempt", "seconds"), [(1, 2), (2, 6), (3, 18), (4, 54), (5, 100), (9, 100), (10, None)])
def test_the_delay_grows_up_to_its_limit_until_the_attempts_are_used_up(attempt, seconds):
    assert wait(STEADY, attempt) == seconds


def test_one_attempt_is_one_call():
    assert wait(RetryPolicy(), 1) is None


def test_what_is_not_retryable_is_given_up():
    assert next_attempt(STEADY, 1, error(retryable=False), now=NOW, chance=0.5) is None


@pytest.mark.parametrize(("chance", "seconds"), [(0.0, 0), (0.25, 0.5), (0.999, 1.998)])
def test_jitter_takes_a_random_part_of_the_delay(chance, seconds):
    assert wait(RetryPolicy(attempts=2, delay=2), 1, chance=chance) == pytest.approx(seconds)


@pytest.mark.parametrize(("retry_after", "seconds"), [(0, 2), (-5, 2), (30, 30), (1_000, 1_000), (1e9, 86_400)])
def test_retry_after_is_kept_to_and_never_shortened(retry_after, seconds):
    assert wait(STEADY, 1, retry_after=retry_after) == seconds


def test_retry_after_is_at_least_a_second():
    assert wait(RetryPolicy(attempts=2, delay=2), 1, chance=0, retry_after=0) == 1


@given(st.integers(1, 10_000), st.floats(1, 100), st.floats(0, 1e6), st.floats(0, 1e6))
def test_the_backoff_never_exceeds_its_limit(attempt, factor, delay, max_delay):
    assert 0 <= backoff(RetryPolicy(100, delay, factor, max_delay), attempt) <= max_delay
