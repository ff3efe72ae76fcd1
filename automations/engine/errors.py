"""Errors of the engine: what is wrong with a definition, and why a step failed.

A class's docstring is its default message, written for the person who reads it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal, Protocol

MESSAGE_LIMIT = 1_000
"""Characters; a longer message is cut, so that no payload travels inside an error."""

Severity = Literal["wrong", "incomplete", "warning"]


def shorten(text: str, limit: int = MESSAGE_LIMIT) -> str:
    """Return `text` with at most `limit` characters; a cut is shown by an ellipsis."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


class AutomationError(Exception):
    """Something went wrong in the automation."""

    def __init__(self, message: str = "") -> None:
        default = (type(self).__doc__ or "").strip().split("\n")[0]
        self.message = shorten(message or default)
        super().__init__(self.message)

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to repair in a definition.

    `path` is written like `actions[1].when`, `fix` says what would be right, `line` counts from 1.
    `wrong` is refused when saved; `incomplete` is a finding that blocks the test of that step and the release;
    `warning` is a finding that blocks nothing.
    """

    path: str
    message: str
    fix: str = ""
    line: int | None = None
    severity: Severity = "wrong"

    def as_dict(self) -> dict[str, Any]:
        """Return the problem as JSON data."""
        return asdict(self)

    def __str__(self) -> str:
        where = f"{self.path}: " if self.path else ""
        return f"{where}{self.message}" + (f" {self.fix}" if self.fix else "")


class DefinitionError(AutomationError):
    """The definition cannot be used."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(str(problem) for problem in self.problems[:5]))


class UnreadableError(AutomationError):
    """The text cannot be read as data.

    `line` and `column` count from 1 where they are known, `path` is written like `actions[1].when`.
    """

    def __init__(self, message: str, *, line: int | None = None, column: int | None = None, path: str = "") -> None:
        where = f"line {line}, column {column}" if line and column else path
        super().__init__(f"{message} ({where})" if where else message)
        self.line = line
        self.column = column
        self.path = path

    def problem(self) -> Problem:
        """Return it as the one Problem of the document."""
        return Problem(self.path, self.message, line=self.line)


class StepError(AutomationError):
    """The step failed.

    `type` is a short stable word (`http_status`, `timeout`, …), `retry_after` is in seconds, `context` is JSON data.
    """

    def __init__(
        self,
        type: str,
        message: str,
        *,
        retryable: bool,
        cause: str = "",
        context: Mapping[str, Any] | None = None,
        retry_after: float | None = None,
        hint: str = "",
    ) -> None:
        super().__init__(message)
        self.type = type
        self.retryable = retryable
        self.cause = shorten(cause)
        self.context = dict(context or {})
        self.retry_after = retry_after
        self.hint = shorten(hint or hint_for(type, self.context))


class _Policy(Protocol):
    """What `error_object` reads of a RetryPolicy."""

    def as_dict(self) -> dict[str, Any]: ...


HINTS: dict[str, str] = {
    "http_status": "The service answered with an error."
    " Look at the answer below; a status listed in `accept` is no failure.",
    "timeout": "The service did not answer in time."
    " Raise the step's `timeout`, or ask the service's owner what was slow.",
    "connect": "The service could not be reached. Check the connection's address and whether the service is up.",
    "dns": "The host name could not be resolved. Check the connection's address for a typing error.",
    "tls": "The secure connection could not be made."
    " Check the service's certificate and the connection's TLS settings.",
    "refused_address": "This address is not allowed. Private addresses need `allow_private` on the connection,"
    " or an entry in OUTBOUND_ALLOW.",
    "undecidable": "A value the step reads is missing. Use `event.?a.b.orValue(…)`, `exists` or `missing`,"
    " or `on_unknown: skip` to make absence a decision.",
    "invalid_config": "The step's settings do not fit its kind once the templates are filled in."
    " Compare the rendered input with the kind's settings.",
    "invalid_output": "The answer has another form than the kind promises."
    " Look at the answer, or ask the service's owner.",
    "unstorable": "The result holds something that cannot be stored: a NUL character, a broken surrogate,"
    " or a number that is not finite.",
    "too_large": "The result is too large to be kept. Ask the service for less, or pick the fields you need.",
    "crash": "The worker ended while it performed this step, several times. Look for a very large result"
    " or a defect in the kind, then replay.",
    "unknown_outcome": "Nobody knows whether the effect happened. Look in the other system, then answer"
    " “it happened” or “it did not”.",
    "permission": "The run-as account lacks a permission. Ask an owner to grant it, or name another `run_as`.",
    "limit": "A limit was reached. Wait until there is room again, or ask a releaser to lift it.",
    "patience": "The connection was broken off for longer than the step's `patience`. Replay when the service is back.",
    "expired": "The step is older than its `valid_for`. Decide whether it still makes sense, then replay it.",
    "credentials": "The connection's credentials were refused or have expired. Renew them and test the connection.",
    "missing_connection": "The connection was deleted or renamed. Choose another one in the step's settings.",
    "conflict": "The record was changed by somebody else in the meantime. Look at it, then replay.",
    "not_found": "There is no such record. Check the key the step looks for.",
    "expression": "An expression could not be evaluated with these values. Try it with this event in a test.",
    "wait_timeout": "The awaited event did not arrive in time."
    " Raise the step's `timeout`, or use `on_timeout: continue`.",
    "child_failed": "The workflow that this step started did not succeed. Open its run for the reason.",
    "ambiguous": "Rows of a table with the hit policy `unique` must exclude each other."
    " Correct their conditions, or choose `first`.",
    "nobody": "There must be somebody to assign to. Look at the group's members, or at the list the step was given.",
    "unknown_kind": "No running worker knows this kind. Install the package that provides it, or change the step.",
    "internal": "This is a defect of the product, not of your workflow. Report it with the fingerprint.",
}
"""What helps, by the type of the error."""

_STATUS_HINTS: dict[int, str] = {
    400: "The service found the request malformed. Compare the rendered input with the service's description.",
    401: "The service does not know who we are. Renew the connection's credentials and test it.",
    403: "The service knows us but forbids this. Ask its owner for the right, or use another connection.",
    404: "The address does not exist at the service. Check `path` and the values filled into it.",
    405: "The service does not offer this method at this address. Check `method` and `path`.",
    408: "The service gave up waiting for the request. A retry usually helps.",
    409: "The service says this conflicts with what it has, often because it was done before. Look there first.",
    410: "What the address stood for is gone for good. Check the values filled into `path`.",
    413: "The request is too large for the service. Send less.",
    415: "The service wants another format. Check `json`, `text`, `form` and the headers.",
    422: "The service understood the request but refuses its values. Compare the rendered input with its answer.",
    429: "The service asks us to slow down. Lower the connection's `rate`, or raise the retry's delay.",
}


def hint_for(type: str, context: Mapping[str, Any] | None = None) -> str:
    """Return what helps against an error of this type, "" when nothing is known.

    For `http_status` the context's `status` decides.
    """
    status = (context or {}).get("status")
    if type == "http_status" and isinstance(status, int):
        if status in _STATUS_HINTS:
            return _STATUS_HINTS[status]
        if status >= 500:
            return "The service itself failed. Give the step a `retry`; if it lasts, ask the service's owner."
    return HINTS.get(type, "")


# The order matters: what is quoted may hold numbers, a uuid holds hex digits, a hex word holds numbers.
_VARIABLE_PARTS = (
    (re.compile(r'"[^"\n]*"|‹[^›\n]*›|“[^”\n]*”|(?<!\w)\'[^\'\n]*\'(?!\w)|`[^`\n]*`'), "«text»"),
    (re.compile(r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b", re.IGNORECASE), "«id»"),
    (re.compile(r"\b0x[0-9a-f]+\b|\b(?=[a-f]*\d)[0-9a-f]{8,}\b", re.IGNORECASE), "«hex»"),
    (re.compile(r"[+-]?\d+(?:[.,:]\d+)*(?:e[+-]?\d+)?", re.IGNORECASE), "«n»"),
    (re.compile(r"\s+"), " "),
)


def normalise(message: str) -> str:
    """Return the message without what differs from case to case: numbers, ids, hex, quoted values."""
    text = shorten(message)
    for pattern, replacement in _VARIABLE_PARTS:
        text = pattern.sub(replacement, text)
    return text.strip().lower()


def fingerprint(type: str, step: str, message: str) -> str:
    """Return 16 hex digits that are the same for the same failure with other values."""
    parts = "\x1f".join((type, step, normalise(message)))
    return hashlib.sha256(parts.encode("utf-8", "replace")).hexdigest()[:16]


def error_object(
    error: StepError,
    *,
    step: str,
    attempt: int,
    attempts: int,
    next_retry_at: datetime | None,
    policy: _Policy | None,
) -> dict[str, Any]:
    """Return the Error as the API shows it; times are RFC 3339, the policy's durations milliseconds."""
    return {
        "type": error.type,
        "message": error.message,
        "cause": error.cause,
        "step": step,
        "attempt": attempt,
        "attempts": attempts,
        "retryable": error.retryable,
        "next_retry_at": None
        if next_retry_at is None
        else next_retry_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "retry_policy": None if policy is None else policy.as_dict(),
        "context": error.context,
        "fingerprint": fingerprint(error.type, step, error.message),
        "hint": error.hint,
    }
