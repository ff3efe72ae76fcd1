"""API tokens: hashed, named by nobody but their owner, expiring where asked."""

from __future__ import annotations

from datetime import timedelta

from django.contrib.auth.models import User
from knox.auth import TokenAuthentication
from knox.models import AuthToken
from rest_framework.exceptions import AuthenticationFailed


def create(user: User, expires: timedelta | None = None) -> str:
    """Make a token for `user`; returns its key, which is shown this once. `expires` None: never."""
    _, key = AuthToken.objects.create(user=user, expiry=expires)
    return key


def owner(key: str) -> User | None:
    """Whose token this is, None when it does not work (any more)."""
    if not (key.isascii() and key.isalnum()):  # a key is hexadecimal; knox fails on other bytes
        return None
    try:
        user, _ = TokenAuthentication().authenticate_credentials(key.encode())
    except AuthenticationFailed:
        return None
    return user
