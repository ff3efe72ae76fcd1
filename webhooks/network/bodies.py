"""Reads an answer's body up to a cap, unpacking gzip and deflate piece by piece, so a bomb costs no memory."""

from __future__ import annotations

import zlib

import aiohttp

from .messages import NetworkError

ACCEPT_ENCODING = "gzip, deflate"
PIECE = 65_536  # bytes unpacked at a time
MAX_MEMBERS = 100  # concatenated gzip members; honest senders use one
GZIP, ZLIB, RAW = 31, 15, -15


async def read_body(response: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    """The unpacked body. NetworkError `too_large` beyond max_bytes, `protocol` when it cannot be unpacked.

    The caller closes the response on an error, so the rest is never received.
    """
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    sink = _Plain(max_bytes) if encoding in ("", "identity") else _Packed(encoding, max_bytes)
    if response.content_length is not None and response.content_length > sink.wire_limit and response.method != "HEAD":
        raise too_large(max_bytes)
    while chunk := await response.content.readany():
        sink.feed(chunk)
    return sink.finish()


def too_large(max_bytes: int) -> NetworkError:
    """The answer has more bytes than asked for."""
    return NetworkError(f"The answer is larger than {max_bytes} bytes.", kind="too_large", sent=True)


class _Plain:
    def __init__(self, limit: int) -> None:
        self.limit = self.wire_limit = limit
        self._pieces: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> None:
        self._size += len(chunk)
        if self._size > self.limit:
            raise too_large(self.limit)
        self._pieces.append(chunk)

    def finish(self) -> bytes:
        return b"".join(self._pieces)


class _Packed(_Plain):
    """gzip (RFC 1952, several members allowed) or deflate (RFC 1950, or raw as some servers send it)."""

    def __init__(self, encoding: str, limit: int) -> None:
        super().__init__(limit)
        if encoding not in ("gzip", "x-gzip", "deflate"):
            raise _unreadable(f"its content encoding {encoding[:40]!r} was not asked for")
        self.wire_limit = limit + limit // 100 + 1_024  # packing never adds more than this to honest data
        self._gzip = encoding != "deflate"
        self._stream: zlib._Decompress | None = None
        self._members = self._received = 0

    def feed(self, chunk: bytes) -> None:
        self._received += len(chunk)
        if self._received > self.wire_limit:
            raise too_large(self.limit)
        try:
            while chunk := self._unpack(chunk):
                pass
        except zlib.error as exc:
            raise _unreadable("it cannot be unpacked") from exc

    def _unpack(self, data: bytes) -> bytes:
        """Unpack one member's share of these bytes; return what belongs to the next member."""
        if self._stream is None:
            if self._members and (not self._gzip or data[:1] != b"\x1f"):
                return b""  # padding after the last member
            self._stream = self._begin(data)
        while True:
            asked = min(PIECE, self.limit - self._size + 1)
            piece = self._stream.decompress(data, asked)
            super().feed(piece)
            data = self._stream.unconsumed_tail
            if self._stream.eof:
                rest, self._stream = self._stream.unused_data, None
                return rest
            if not data and len(piece) < asked:
                return b""

    def _begin(self, data: bytes) -> zlib._Decompress:
        self._members += 1
        if self._members > MAX_MEMBERS:
            raise _unreadable("it has too many parts")
        zlib_header = data[0] & 0x0F == 8
        return zlib.decompressobj(GZIP if self._gzip else ZLIB if zlib_header else RAW)

    def finish(self) -> bytes:
        if self._stream is not None:
            raise _unreadable("it ends too early")
        return super().finish()


def _unreadable(why: str) -> NetworkError:
    return NetworkError(f"The answer cannot be read: {why}.", kind="protocol", sent=True)
