"""What goes over the wire, what is refused before, and how failures are told apart."""

import asyncio
import ssl

import pytest

from webhooks.network import NetworkError, OutboundClient, Request, Response

from .servers import LOOPBACK, OK, ScriptedResolver, once, outcome, serving

ANY = "http://127.0.0.1:{port}/"


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "post"])
def test_the_usual_methods_are_sent(method):
    answer = OK if method != "HEAD" else OK.removesuffix(b"ok")
    result, server = once(ANY, method, answer=answer)
    assert result.status == 200
    assert server.requests[0].startswith(method.upper().encode() + b" / HTTP/1.1\r\n")


@pytest.mark.parametrize(
    "method", ["TRACE", "CONNECT", "", "GET /x HTTP/1.1\r\nX: y", "G\u0130T", "BREW", "get\n", None]
)
def test_other_methods_are_refused(method):
    result, server = once(ANY, method)
    assert (result.kind, server.connections) == ("invalid_request", 0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-A", "1\r\nX-B: 2"),
        ("X-A", "1\nX-B: 2"),
        ("X-A", "1\rX-B: 2"),
        ("X-A", "1\x00"),
        ("X-A", "1\x0b2"),
        ("X-A", "\x7f"),
        ("X-A", "\r\n\r\nGET / HTTP/1.1"),
        ("X-A", "\ud800"),
        ("X-A", None),
        ("X-A", b"bytes"),
        ("X-A\r\nX-B", "1"),
        ("X-A: 1\r\nX-B", "1"),
        ("X A", "1"),
        ("X-A:", "1"),
        ("", "1"),
        ("X-Ä", "1"),
        (None, "1"),
        ("Host", "evil"),
        ("host", "evil"),
        ("Content-Length", "5"),
        ("CONTENT-LENGTH", "0"),
        ("Transfer-Encoding", "chunked"),
        ("Connection", "keep-alive"),
        ("Keep-Alive", "1"),
        ("Proxy-Authorization", "x"),
        ("Proxy-Connection", "x"),
        ("TE", "trailers"),
        ("Trailer", "x"),
        ("Upgrade", "h2c"),
        ("Expect", "100-continue"),
        ("HTTP2-Settings", "x"),
        ("X-Big", "x" * 70_000),
    ],
)
def test_a_header_that_could_split_or_steer_the_message_is_refused(name, value):
    result, server = once(ANY, headers=[("X-Fine", "1"), (name, value)])
    assert (result.kind, result.sent, server.connections) == ("invalid_request", False, 0)
    assert "evil" not in result.message


def test_headers_and_body_arrive_as_given():
    result, server = once(
        ANY,
        "POST",
        headers=[("X-Twice", "1"), ("X-Twice", "2"), ("X-Text", "grün\t!"), ("Accept-Encoding", "br")],
        body=b"\x00\r\n",
    )
    assert isinstance(result, Response)
    request = server.requests[0]
    assert b"X-Twice: 1\r\nX-Twice: 2\r\n" in request and "X-Text: grün\t!\r\n".encode() in request
    assert request.endswith(b"\r\n\r\n\x00\r\n") and b"Content-Length: 3\r\n" in request
    assert b"Accept-Encoding: gzip, deflate\r\n" in request and b"br\r\n" not in request
    assert b"Content-Type" not in request and b"aiohttp" not in request


@pytest.mark.parametrize("path", ["a%2Fb?x=%3D&y=a+b;c", "a/../b/./c?q=a|b", "%7Euser/~?x=%41", "ü?ö=ä b"])
def test_the_path_is_sent_as_written_or_quoted_where_it_must_be(path):
    result, server = once(ANY + path.replace(" ", "%20") + "#fragment")
    sent = server.requests[0].split(b" ")[1]
    assert result.status == 200 and b"#" not in sent
    if path.isascii() and "|" not in path:
        assert sent == f"/{path}".encode()


def test_a_large_body_is_sent_whole():
    body = bytes(range(256)) * 8_000
    result, server = once(ANY, "PUT", body=body)
    assert result.status == 200 and server.requests[0].endswith(body)


def test_an_answer_is_an_answer_whatever_its_status():
    answer = (
        b"HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nX-A: 1\r\nx-a: 2\r\nSet-Cookie: a=1\r\nContent-Length: 4\r\n\r\nlate"
    )
    result, _ = once(ANY + "x?y=1", answer=answer)
    assert (result.status, result.body, result.headers["retry-after"], result.headers["x-a"]) == (
        503,
        b"late",
        "7",
        "1, 2",
    )
    assert result.url.endswith("/x?y=1") and 0 <= result.elapsed < 2


def test_cookies_are_not_kept():
    async def run():
        cookie = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nContent-Length: 0\r\n\r\n"
        async with serving(cookie) as server, OutboundClient(LOOPBACK) as client:
            for _ in range(2):
                await outcome(client, server.url)
            return server

    server = asyncio.run(run())
    assert server.connections == 1 and not any(b"Cookie" in request for request in server.requests)


@pytest.mark.parametrize(
    "limits",
    [{"timeout": 0}, {"timeout": -1}, {"timeout": float("nan")}, {"timeout": float("inf")}, {"max_bytes": -1}]
    + [{"follow_redirects": 6}, {"follow_redirects": -1}],
)
def test_senseless_limits_are_refused(limits):
    assert once(ANY, **limits)[0].kind == "invalid_request"


def test_nobody_at_the_address_is_retryable_and_surely_not_sent():
    async def run():
        async with serving() as server:
            port = server.port
        async with OutboundClient(LOOPBACK) as client:
            return await outcome(client, f"http://127.0.0.1:{port}/secret", "PUT")

    error = asyncio.run(run())
    assert (error.kind, error.retryable, error.sent, error.status) == ("connect", True, False, None)
    assert "secret" not in error.message and "127.0.0.1" in error.message


def test_a_name_without_an_address_is_retryable_and_surely_not_sent():
    error, _ = once("http://nowhere.example.com/", client={"resolver": ScriptedResolver()})
    assert (error.kind, error.retryable, error.sent) == ("dns", True, False)


async def _hang_up(request, writer):
    return "close"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
def test_a_closed_connection_may_have_been_received_and_is_not_repeated(method):
    error, server = once(ANY, method, answer=_hang_up)
    assert (error.kind, error.retryable, error.sent) == ("protocol", True, True)
    assert len(server.requests) == 1


@pytest.mark.parametrize(("method", "times"), [("GET", 2), ("PUT", 1), ("DELETE", 1), ("POST", 1)])
def test_only_a_safe_method_is_repeated_when_a_kept_connection_breaks(method, times):
    """The server answers the first request of a connection and hangs up on the second."""

    async def run():
        seen = set()

        async def answer(request, writer):
            if writer in seen:
                return "close"
            seen.add(writer)
            writer.write(OK)

        async with serving(answer) as server, OutboundClient(LOOPBACK) as client:
            await outcome(client, server.url)
            second = await outcome(client, server.url + "second", method)
            return second, [request for request in server.requests if b"/second" in request]

    second, requests = asyncio.run(run())
    assert len(requests) == times
    assert isinstance(second, Response) is (times == 2)


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nzzz\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 5_000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nQQ\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 2\r\n\r\nok",
    ],
)
def test_an_answer_that_is_not_http_is_told_as_such(answer):
    error, _ = once(ANY, answer=answer)
    assert isinstance(error, NetworkError)
    assert (error.kind, error.sent) == ("protocol", True), error.message
    assert len(error.message) < 200


def test_an_untrusted_certificate_is_not_retryable_and_surely_not_sent(tmp_path):
    certificate = _self_signed(tmp_path)

    async def run():
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)

        async def handle(reader, writer):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(OK)

        listener = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context)
        url = f"https://localhost:{listener.sockets[0].getsockname()[1]}/"
        trusting = ssl.create_default_context(cafile=str(certificate))
        resolver = ScriptedResolver().add("localhost", ["127.0.0.1"])
        async with OutboundClient(LOOPBACK, resolver=resolver) as client:
            results = await outcome(client, url), await outcome(client, url, ssl_context=trusting)
        listener.close()
        return results

    refused, accepted = asyncio.run(run())
    assert (refused.kind, refused.retryable, refused.sent) == ("tls", False, False)
    assert accepted.body == b"ok"


def _self_signed(folder):
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(tz=UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "certificate.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


def test_secrets_are_in_no_repr_and_no_error():
    request = Request("GET", "http://127.0.0.1:1/?key=hush", headers=[("Authorization", "hush")], body=b"hush")
    assert "hush" not in repr(request)

    async def run():
        async with OutboundClient(LOOPBACK) as client:
            try:
                await client.send(request)
            except NetworkError as error:
                assert error.__cause__ is None and error.__context__ is None
                return error.message
        raise AssertionError("answered")

    assert "hush" not in asyncio.run(run())


def test_a_thousand_requests_run_at_the_same_time_on_one_loop():
    async def run():
        together = asyncio.Event()
        waiting = 0

        async def answer(request, writer):
            nonlocal waiting
            waiting += 1
            if waiting == 1000:
                together.set()
            await together.wait()
            writer.write(OK)

        async with serving(answer) as server, OutboundClient(LOOPBACK) as client:
            sends = [outcome(client, server.url, "POST", body=b"x", timeout=60) for _ in range(1000)]
            return await asyncio.gather(*sends)

    assert {result.status for result in asyncio.run(run())} == {200}


def test_connections_per_host_can_be_limited_and_waiting_for_one_is_not_sending():
    async def run():
        release = asyncio.Event()

        async def answer(request, writer):
            await release.wait()
            writer.write(OK)

        async with serving(answer) as server, OutboundClient(LOOPBACK, limit_per_host=1) as client:
            first = asyncio.create_task(outcome(client, server.url, timeout=5))
            while not server.connections:
                await asyncio.sleep(0.01)
            waiting = await outcome(client, server.url, timeout=0.1)
            release.set()
            return (await first), waiting, server

    first, waiting, server = asyncio.run(run())
    assert first.status == 200
    assert (waiting.kind, waiting.sent, server.connections) == ("timeout", False, 1)


def test_a_closed_client_sends_nothing():
    async def run():
        client = OutboundClient(LOOPBACK)
        await client.close()
        with pytest.raises(RuntimeError):
            await client.send(Request("GET", "http://127.0.0.1:1/"))

    asyncio.run(run())
