"""Stops a process at a named point: while the file `VAR_DIR/stop-in-transaction` exists, the first process that writes
a step takes the file away and stops (SIGSTOP) inside its transaction."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.backends.signals import connection_created


def _wrapper(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
    result = execute(sql, params, many, context)
    if sql.startswith("INSERT INTO automations_runs_step"):
        flag = Path(settings.VAR_DIR) / "stop-in-transaction"
        try:
            flag.rename(flag.with_name("stopped"))
        except FileNotFoundError:
            return result
        flag.with_name("stopped").write_text(str(os.getpid()))
        os.kill(os.getpid(), signal.SIGSTOP)
    return result


def _created(sender: Any, connection: Any, **_: Any) -> None:
    connection.execute_wrappers.append(_wrapper)


def install() -> None:
    if os.environ.get("SPECIMEN_STOPS"):
        connection_created.connect(_created, dispatch_uid="specimen-stops")
