"""One attempt of one step: render, check, act, and say what came of it."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any

import jsonschema_rs

from automations.engine.cel import ExpressionError, MissingValue
from automations.engine.errors import StepError
from automations.engine.parts import ActionPlan
from automations.engine.rules import Undecided
from automations.engine.scope import render
from automations.kinds import ActionKind, Call, Effects, actions
from runs.executor.hand import Hand
from runs.keys import idempotency_key

#: Seconds an action may take that says nothing itself.
STEP_TIMEOUT = 60.0
#: Bytes of one step's output, as JSON.
OUTPUT_LIMIT = 256 * 1024


@dataclass(slots=True)
class Outcome:
    """What one attempt came to. `output` and `input` are JSON; `output_text` is how it is stored."""

    key: str
    output: Any = None
    output_text: str | None = None
    error: StepError | None = None
    notes: list[tuple[str, str]] = field(default_factory=list)
    elapsed: float = 0.0  # seconds


def rendered_input(hand: Hand, key: str, ready_at: datetime) -> Any:
    """The config with its templates filled in; the recorded one where there is one, so every attempt sends the same.

    Raises StepError (undecidable, expression, invalid_config).
    """
    if key in hand.inputs:
        return hand.inputs[key]
    action = hand.plan.by_key[key]
    try:
        value = render(hand.plan, hand.state, key, ready_at).value
    except ExpressionError as error:
        raise unrendered(error) from error
    check_input(action, value)
    storable(value)
    hand.inputs[key] = value
    return value


def unrendered(error: ExpressionError) -> StepError:
    """Why a config could not be filled in: undecidable (a value is missing, a row cannot be judged), or expression."""
    if isinstance(error, MissingValue):
        missing = f"{error.path} is missing."
        return StepError("undecidable", missing, retryable=False, cause=str(error), context={"path": error.path})
    if isinstance(error, Undecided):
        context = {"path": error.path, "open": error.open}
        return StepError("undecidable", f"{error.message}.", retryable=False, context=context)
    return StepError("expression", error.message, retryable=False, cause=str(error))


def check_input(action: ActionPlan, value: Any) -> None:
    """Raise StepError (invalid_config) when the rendered config does not fit the kind's schema."""
    kind = actions[action.kind]
    schema = kind.input_schema or kind.schema
    for error in _validator(kind.name, json.dumps(dict(schema))).iter_errors(value):
        path = ".".join(str(part) for part in error.instance_path)
        raise StepError(
            "invalid_config",
            f"{path or 'config'}: {error.message}"[:500],
            retryable=False,
            context={"path": path},
        )


@lru_cache(maxsize=200)
def _validator(_name: str, schema: str) -> Any:
    return jsonschema_rs.validator_for(json.loads(schema))


def call_of(hand: Hand, action: ActionPlan, value: Mapping[str, Any], ready_at: datetime) -> Call:
    state = hand.state.steps.get(action.key)
    return Call(
        run=hand.run.id,
        step=action.key,
        index=-1,
        attempt=(state.attempt if state else 0) + 1,
        input=dict(value),
        idempotency_key=idempotency_key(hand.run.origin, action.key, -1, hand.run.generation),
        now=ready_at,
        timeout=action.timeout,
        run_as=hand.plan.run_as,
        workflow=hand.plan.slug,
        subject=(hand.run.subject_type, hand.run.subject_key),
    )


def compute(hand: Hand, key: str, ready_at: datetime) -> Outcome:
    """A pure kind: no effect, no waiting."""
    action = hand.plan.by_key[key]
    kind = actions[action.kind]
    began = time.monotonic()
    notes: list[tuple[str, str]] = []
    try:
        call = call_of(hand, action, rendered_input(hand, key, ready_at), ready_at)
        notes = call.notes
        output = kind.compute(call)
        return Outcome(key, output, storable(output), notes=notes, elapsed=time.monotonic() - began)
    except Exception as error:
        return Outcome(key, error=as_step_error(error), notes=notes, elapsed=time.monotonic() - began)


async def perform(hand: Hand, key: str, value: Any, ready_at: datetime, effects: Effects) -> Outcome:
    """Any other kind: one call through the gateway, under the action's timeout."""
    action = hand.plan.by_key[key]
    kind: ActionKind = actions[action.kind]
    call = call_of(hand, action, value, ready_at)
    began = time.monotonic()
    try:
        async with asyncio.timeout(action.timeout or STEP_TIMEOUT):
            output = await kind.perform(call, effects)
        return Outcome(key, output, storable(output), notes=call.notes, elapsed=time.monotonic() - began)
    except TimeoutError as error:
        seconds = action.timeout or STEP_TIMEOUT
        slow = StepError("timeout", f"No outcome within {seconds:g} s.", retryable=True, cause=str(error))
        return Outcome(key, error=slow, notes=call.notes, elapsed=time.monotonic() - began)
    except Exception as error:
        return Outcome(key, error=as_step_error(error), notes=call.notes, elapsed=time.monotonic() - began)


def as_step_error(error: Exception) -> StepError:
    """What a kind raised, as the step's error; anything but StepError is a defect of the kind."""
    if isinstance(error, StepError):
        return error
    return StepError(
        "internal", f"{type(error).__name__}: {error}"[:500], retryable=False, cause=type(error).__qualname__
    )


_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


def storable(value: Any) -> str:
    """The value as JSON text that every database keeps. Raises StepError (unstorable, too_large)."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        size = len(text.encode())
    except (ValueError, TypeError, RecursionError) as error:
        message = "The result cannot be stored as JSON."
        raise StepError("unstorable", message, retryable=False, cause=str(error)) from error
    if "\\u0000" in text and _NUL.search(text):
        raise StepError("unstorable", "The result holds a NUL character.", retryable=False)
    if size > OUTPUT_LIMIT:
        raise StepError(
            "too_large",
            f"The result has {size:,} bytes; a step may keep {OUTPUT_LIMIT:,}.",
            retryable=False,
            context={"size": size, "limit": OUTPUT_LIMIT},
        )
    return text
