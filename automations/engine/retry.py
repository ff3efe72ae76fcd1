"""When a failed step is performed again."""

from __future__ import annotations

from datetime import datetime, timedelta

from automations.engine.errors import StepError
from automations.engine.parts import RetryPolicy

SHORTEST_RETRY_AFTER = 1.0
LONGEST_RETRY_AFTER = 86_400.0


def next_attempt(
    policy: RetryPolicy, attempt: int, error: StepError, *, now: datetime, chance: float
) -> datetime | None:
    """Return when to call again after call number `attempt` (from 1), None to give up.

    The delay grows by `factor` from call to call up to `max_delay`; with jitter it is a random part of that,
    `chance` in [0, 1) says which. A Retry-After of the service is kept to between 1 s and 24 h, and the policy
    never makes the wait shorter than it.
    """
    if not error.retryable or attempt >= policy.attempts:
        return None
    wait = backoff(policy, attempt) * (chance if policy.jitter else 1.0)
    if error.retry_after is not None:
        wait = max(wait, min(max(error.retry_after, SHORTEST_RETRY_AFTER), LONGEST_RETRY_AFTER))
    return now + timedelta(seconds=wait)


def backoff(policy: RetryPolicy, attempt: int) -> float:
    """Return the longest wait in seconds after call number `attempt`."""
    try:
        return min(policy.delay * policy.factor ** max(attempt - 1, 0), policy.max_delay)
    except OverflowError:
        return policy.max_delay
