"""The encoders extension library."""

from __future__ import annotations

import base64
import binascii

from ..budget import Frame
from ..errors import Fault
from .registry import function


@function("base64.encode", "bytes")
def encode(frame: Frame, value: bytes) -> str:
    frame.charge_text(2 * len(value))
    return base64.b64encode(value).decode("ascii")


@function("base64.decode", "string")
def decode(frame: Frame, text: str) -> bytes:
    """The bytes of a base64 text; its closing ``=`` may be left out."""
    frame.charge_text(len(text))
    text = text.rstrip("=") if len(text) % 4 == 0 else text
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise Fault("this is not base64 text") from None
