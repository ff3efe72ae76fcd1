"""Bodies: strict JSON everywhere, YAML where a definition is expected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Any

from rest_framework.parsers import BaseParser

from automations.api.problems import TooLarge
from automations.documents import read_text
from automations.engine.json_core import loads_json
from automations.engine.paths import Path

LIMIT = 2 * 1024 * 1024
"""Bytes of any body."""


def read_body(stream: IO[bytes], context: Mapping[str, Any] | None) -> bytes:
    """The body, never more than LIMIT of it. Raises TooLarge."""
    request = (context or {}).get("request")
    length = request.META.get("CONTENT_LENGTH") if request is not None else None
    if length and length.isdigit() and int(length) > LIMIT:
        raise TooLarge(f"The body has {int(length):,} bytes, at most {LIMIT:,} are allowed.")
    body = stream.read(LIMIT + 1)
    if len(body) > LIMIT:
        raise TooLarge(f"The body has more than {LIMIT:,} bytes.")
    return body


class StrictJSONParser(BaseParser):
    """JSON without NaN, NUL, lone surrogates, duplicate keys, giant numbers or great depth."""

    media_type = "application/json"

    def parse(self, stream: IO[bytes], media_type: str | None = None, parser_context: Any = None) -> Any:
        """Raises UnreadableError with line and column, or with the path."""
        return loads_json(read_body(stream, parser_context))


@dataclass(frozen=True, slots=True)
class Written:
    """A definition as it was sent, and the line of each path where it was YAML."""

    document: Any
    lines: Mapping[Path, int]


class DefinitionJSONParser(StrictJSONParser):
    def parse(self, stream: IO[bytes], media_type: str | None = None, parser_context: Any = None) -> Any:
        return Written(*read_text(read_body(stream, parser_context), "json"))


class DefinitionYAMLParser(BaseParser):
    """YAML by the 1.2 core rules (RFC 9512)."""

    media_type = "application/yaml"

    def parse(self, stream: IO[bytes], media_type: str | None = None, parser_context: Any = None) -> Any:
        return Written(*read_text(read_body(stream, parser_context), "yaml"))


#: The names YAML goes by.
YAML_TYPES = ("application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml", "text/vnd.yaml")
DEFINITION_PARSERS = [
    DefinitionJSONParser,
    *(type("DefinitionYAMLParser", (DefinitionYAMLParser,), {"media_type": name}) for name in YAML_TYPES),
]
