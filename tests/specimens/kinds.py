"""Action kinds for tests."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping
from typing import Any

from automations.engine.errors import StepError
from automations.kinds import ActionKind, Call, Effects, actions

ANYTHING = {"type": "object"}


class Poison(ActionKind):
    """Ends its worker, unless the file it is given exists."""

    name = "specimen.poison"
    schema = ANYTHING

    async def perform(self, call: Call, effects: Effects) -> Any:
        if call.input.get("unless") and os.path.exists(call.input["unless"]):
            return {"survived": True}
        os.kill(os.getpid(), signal.SIGKILL)

    def simulate(self, call: Call) -> Any:
        return {"survived": True}


class Sleep(ActionKind):
    """Takes its time: {seconds}."""

    name = "specimen.sleep"
    schema = ANYTHING

    async def perform(self, call: Call, effects: Effects) -> Any:
        await asyncio.sleep(float(call.input.get("seconds", 0.1)))
        return {"slept": True}


class Return(ActionKind):
    """Returns what cannot be stored: {what: nul | surrogate | nan | large}; anything else comes back as it is."""

    name = "specimen.return"
    schema = ANYTHING

    async def perform(self, call: Call, effects: Effects) -> Any:
        bad = {"nul": "a\x00b", "surrogate": "\ud800", "nan": float("nan"), "large": "x" * 300_000}
        return {"value": bad.get(call.input["what"], call.input["what"])}


class Unsafe(ActionKind):
    """Appends a line to the file it is given, then takes its time: an effect that cannot be repeated."""

    name = "specimen.unsafe"
    schema = ANYTHING

    def risk(self, config: Mapping[str, Any]) -> str:
        return "irreversible"

    def safety(self, config: Mapping[str, Any]) -> str:
        return "unsafe"

    async def perform(self, call: Call, effects: Effects) -> Any:
        with open(call.input["file"], "a") as file:
            file.write(f"{call.idempotency_key}\n")
        await asyncio.sleep(float(call.input.get("seconds", 0)))
        return {}


class Fail(ActionKind):
    """Fails: {retryable, message}; raises something that is no StepError with {defect: true}."""

    name = "specimen.fail"
    schema = ANYTHING

    async def perform(self, call: Call, effects: Effects) -> Any:
        if call.input.get("defect"):
            raise ZeroDivisionError("a defect of the kind")
        raise StepError("specimen", call.input.get("message", "no"), retryable=bool(call.input.get("retryable")))


def register() -> None:
    for kind in (Poison, Sleep, Return, Unsafe, Fail):
        if kind.name not in actions:
            actions.register(kind())
