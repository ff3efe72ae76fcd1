"""Errors: messages, fingerprints, hints, the shape the API shows."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from automations.engine.errors import (
    HINTS,
    AutomationError,
    DefinitionError,
    Problem,
    StepError,
    error_object,
    fingerprint,
    hint_for,
)
from automations.engine.plan import RetryPolicy


def test_the_docstring_is_the_default_message():
    assert str(AutomationError()) == "Something went wrong in the automation."


def test_messages_are_cut():
    error = StepError("x", "y" * 5_000, retryable=False, cause="z" * 5_000)
    assert (len(error.message), len(error.cause), len(str(error))) == (1_000, 1_000, 1_000)


def test_a_definition_error_tells_the_first_problems():
    problem = Problem("actions[0].kind", "is wrong.", "Write another.")
    assert str(DefinitionError([problem])) == "actions[0].kind: is wrong. Write another."
    assert problem.as_dict()["severity"] == "wrong"


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("order 7 failed", "order 12345 failed"), ("took 1.5 s", "took 22.75 s"), ('no "Ann" here', 'no "Bob" here'),
        ("id 0b9c7c1e-3c3f-4b7a-9c1d-0a1b2c3d4e5f", "id 11111111-2222-3333-4444-555555555555"), ("at 0x7fA3", "at 0x99"),
        ("hash deadbeef01", "hash 0123456789abcdef"), ("key 'a' missing", "key 'b c' missing"), ("a  b", "a b"),
        ("at 2026-01-31T08:00:00Z", "at 2027-11-01T18:10:59Z"), ("Status 503", "status 500"),
    ],
)  # fmt: skip
def test_the_same_failure_with_other_values_has_the_same_fingerprint(one, two):
    assert fingerprint("t", "s", one) == fingerprint("t", "s", two)


@pytest.mark.parametrize("other", [("t2", "s", "failed"), ("t", "s2", "failed"), ("t", "s", "refused")])
def test_another_failure_has_another_fingerprint(other):
    assert fingerprint("t", "s", "failed") != fingerprint(*other)
    assert len(fingerprint(*other)) == 16


@pytest.mark.parametrize("name", HINTS)
def test_every_known_type_has_a_hint(name):
    assert StepError(name, "x", retryable=False).hint == HINTS[name]


@pytest.mark.parametrize(
    ("status", "word"), [(401, "credentials"), (404, "path"), (429, "slow"), (503, "retry"), (418, "accept")]
)
def test_the_hint_for_a_status_depends_on_it(status, word):
    assert word in hint_for("http_status", {"status": status})


def test_the_error_has_exactly_the_shape_of_the_contract():
    error = StepError("http_status", "503 Service Unavailable", retryable=True, context={"status": 503})
    shown = error_object(
        error,
        step="notify",
        attempt=1,
        attempts=5,
        next_retry_at=datetime(2026, 1, 1, tzinfo=UTC),
        policy=RetryPolicy(5),
    )
    assert list(shown) == [
        "type", "message", "cause", "step", "attempt", "attempts", "retryable", "next_retry_at", "retry_policy", "context",
        "fingerprint", "hint",
    ]  # fmt: skip
    assert shown["next_retry_at"] == "2026-01-01T00:00:00Z"
    assert shown["retry_policy"] == {"attempts": 5, "delay": 2_000, "factor": 2.0, "max_delay": 600_000, "jitter": True}
