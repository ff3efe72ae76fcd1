"""Servers that drip, never end, explode or run in circles: cut at the deadline or the cap, in little memory."""

import asyncio
import gzip
import tracemalloc
import zlib

import pytest

from webhooks.network import OutboundClient, Response

from .servers import LOOPBACK, once, outcome, serving

ANY = "http://127.0.0.1:{port}/"
MB = 1_000_000


def _answer(body, *headers):
    lines = b"".join(header + b"\r\n" for header in (*headers, b"Content-Length: %d" % len(body)))
    return b"HTTP/1.1 200 OK\r\n" + lines + b"\r\n" + body


async def _drip_body(request, writer):
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    while not writer.is_closing():
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.05)


async def _drip_headers(request, writer):
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while not writer.is_closing():
        writer.write(b"X")
        await writer.drain()
        await asyncio.sleep(0.05)


async def _only_continue(request, writer):
    while not writer.is_closing():
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(0.01)


async def _silence(request, writer):
    await asyncio.sleep(30)


async def _endless(request, writer):
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while not writer.is_closing():
        writer.write(b"x" * 65_536)
        await writer.drain()


async def _endless_chunks(request, writer):
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while not writer.is_closing():
        writer.write(b"10000\r\n" + b"x" * 65_536 + b"\r\n")
        await writer.drain()


async def _endless_headers(request, writer):
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while not writer.is_closing():
        writer.write(b"X-Flood: " + b"x" * 1_000 + b"\r\n")
        await writer.drain()


@pytest.mark.parametrize("answer", [_drip_body, _drip_headers, _silence, _only_continue])
def test_a_server_that_drips_or_stays_silent_is_cut_at_the_deadline(answer):
    async def run():
        async with serving(answer) as server, OutboundClient(LOOPBACK) as client:
            began = asyncio.get_running_loop().time()
            error = await outcome(client, server.url, "POST", timeout=0.4)
            return error, asyncio.get_running_loop().time() - began

    error, seconds = asyncio.run(run())
    assert (error.kind, error.retryable, error.sent) == ("timeout", True, True)
    assert error.status == (200 if answer is _drip_body else None)
    assert seconds < 5


@pytest.mark.parametrize("answer", [_endless, _endless_chunks, _endless_headers])
def test_a_server_that_never_ends_is_cut_at_the_cap_in_little_memory(answer):
    tracemalloc.start()
    error, _ = once(ANY, answer=answer, max_bytes=MB)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert error.kind == ("protocol" if answer is _endless_headers else "too_large")
    assert error.sent and peak < 12 * MB


def test_a_gzip_bomb_is_cut_in_little_memory():
    packed = gzip.compress(bytes(50 * MB))
    assert len(packed) < 60_000
    tracemalloc.start()
    error, _ = once(ANY, answer=_answer(packed, b"Content-Encoding: gzip"), max_bytes=MB)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (error.kind, error.sent, error.status, error.retryable) == ("too_large", True, 200, False)
    assert peak < 6 * MB


def test_a_bomb_inside_a_bomb_is_not_unpacked_twice():
    packed = gzip.compress(gzip.compress(bytes(MB)))
    error, _ = once(ANY, answer=_answer(packed, b"Content-Encoding: gzip, gzip"))
    assert error.kind == "protocol"


def test_a_flood_of_empty_gzip_members_is_cut():
    error, _ = once(ANY, answer=_answer(gzip.compress(b"") * 40_000, b"Content-Encoding: gzip"))
    assert error.kind == "protocol"


TEXT = bytes(range(256)) * 1_000
RAW_DEFLATE = zlib.compressobj(wbits=-15)


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        (b"gzip", gzip.compress(TEXT)),
        (b"x-gzip", gzip.compress(TEXT)),
        (b"GZIP", gzip.compress(TEXT[:1000]) + gzip.compress(TEXT[1000:])),
        (b"gzip", gzip.compress(TEXT) + bytes(100)),
        (b"deflate", zlib.compress(TEXT)),
        (b"deflate", RAW_DEFLATE.compress(TEXT) + RAW_DEFLATE.flush()),
        (b"identity", TEXT),
        (b"gzip", gzip.compress(TEXT, 0)),
    ],
)
def test_honest_packing_is_unpacked_up_to_exactly_the_cap(encoding, packed):
    answer = _answer(packed, b"Content-Encoding: " + encoding)
    assert once(ANY, answer=answer, max_bytes=len(TEXT))[0].body == TEXT
    assert once(ANY, answer=answer, max_bytes=len(TEXT) - 1)[0].kind == "too_large"


@pytest.mark.parametrize("packed", [b"junk", gzip.compress(TEXT)[:-9], gzip.compress(TEXT)[:-1] + b"x", b"\x1f"])
def test_a_broken_packing_is_an_error_and_not_half_a_body(packed):
    assert once(ANY, answer=_answer(packed, b"Content-Encoding: gzip"))[0].kind == "protocol"


def test_an_empty_body_needs_no_packing():
    assert once(ANY, answer=_answer(b"", b"Content-Encoding: gzip"))[0].body == b""
    assert once(ANY, answer=_answer(b""), max_bytes=0)[0].body == b""


def test_a_body_announced_too_large_is_not_read_and_a_head_request_is_not_fooled():
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n"
    assert once(ANY, answer=head)[0].kind == "too_large"
    assert once(ANY, "HEAD", answer=head)[0].body == b""


def test_a_body_that_breaks_off_is_an_error():
    async def half(request, writer):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        return "close"

    error, _ = once(ANY, answer=half)
    assert (error.kind, error.retryable, error.sent, error.status) == ("protocol", True, True, 200)


def test_an_answer_that_was_cut_does_not_poison_the_next_request():
    async def run():
        async def answer(request, writer):
            if b"/endless" in request:
                await _endless(request, writer)
            writer.write(_answer(b"fine"))

        async with serving(answer) as server, OutboundClient(LOOPBACK) as client:
            await outcome(client, server.url + "endless", max_bytes=10)
            return await outcome(client, server.url + "next")

    result = asyncio.run(run())
    assert isinstance(result, Response) and result.body == b"fine"
