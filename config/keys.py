"""Keys of the installation: from the environment, else made once and kept under var/ with mode 0600."""

import os
import secrets
from pathlib import Path

from cryptography.fernet import Fernet
from environ import Env


def _kept(path: Path, make: "type[str] | object") -> str:
    """Read the key file at `path`, making it first where it is missing (two processes at once agree on one)."""
    if not path.exists():
        draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(make())  # type: ignore[operator]
        try:
            os.link(draft, path)  # fails where another process was first: its key counts
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text().strip()


def secret_key(env: Env, var: Path) -> str:
    """Django's SECRET_KEY: `SECRET_KEY`, else the file var/secret_key."""
    return env.str("SECRET_KEY", default="") or _kept(var / "secret_key", lambda: secrets.token_urlsafe(64))


def encryption_keys(env: Env, var: Path) -> list[str]:
    """Fernet keys, newest first: `ENCRYPTION_KEYS` (comma-separated), else the file var/encryption_keys."""
    given = env.list("ENCRYPTION_KEYS", default=[])
    return given or _kept(var / "encryption_keys", lambda: Fernet.generate_key().decode()).split()
