"""The canary that passes through the queue: django-q2 can stand still while its status looks healthy."""

import os

from runs.database import run_folder

FILE = "canary"


def sing(token: int) -> None:
    """Leave the token where the supervisor looks, whole or not at all."""
    draft = run_folder() / f".{FILE}.{os.getpid()}"
    draft.write_text(str(token))
    os.replace(draft, run_folder() / FILE)


def heard() -> int:
    """The newest token that came through; 0 before the first."""
    try:
        return int((run_folder() / FILE).read_text())
    except (FileNotFoundError, ValueError):
        return 0
