"""`Authorization: Token <key>`: hashed, expiring API tokens."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from knox.auth import TokenAuthentication
from rest_framework.exceptions import AuthenticationFailed


class ApiTokenAuthentication(TokenAuthentication):
    """knox's tokens; answers 401 with a challenge when the key is wrong, expired or its user inactive."""

    def authenticate_credentials(self, token: bytes) -> tuple[Any, Any]:
        # Keys are ASCII; knox fails on other bytes, and PostgreSQL on a NUL.
        if not token.isalnum():
            raise AuthenticationFailed("Invalid token.")
        return super().authenticate_credentials(token)


class ApiTokenScheme(OpenApiAuthenticationExtension):
    target_class = ApiTokenAuthentication
    name = "token"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        return {"type": "apiKey", "in": "header", "name": "Authorization", "description": "`Token <key>`"}
