"""Definitions as YAML, where the client asks for it; everything else is JSON."""

from __future__ import annotations

from typing import Any

from rest_framework.renderers import BaseRenderer, JSONRenderer

from automations.api.parsers import YAML_TYPES
from automations.documents import write_text


class YAMLRenderer(BaseRenderer):
    media_type = "application/yaml"
    format = "yaml"
    charset = "utf-8"

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> bytes:
        return write_text(data, "yaml").encode()


DEFINITION_RENDERERS = [
    JSONRenderer,
    *(type("YAMLRenderer", (YAMLRenderer,), {"media_type": name}) for name in YAML_TYPES),
]
