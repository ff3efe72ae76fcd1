"""Tricks to reach an inner address, all refused before a byte is sent; and no second look-up."""

import asyncio
import socket

import pytest

from webhooks.network import AllowList, NetworkError, OutboundClient, Response

from .servers import LOOPBACK, OK, ScriptedResolver, outcome, serving

PUBLIC = "93.184.216.34"
NAMES = ScriptedResolver()
for name, addresses in {
    "127.0.0.1.nip.io": ["127.0.0.1"],
    "169-254-169-254.nip.io": ["169.254.169.254"],
    "metadata.google.internal": ["169.254.169.254"],
    "localhost": ["127.0.0.1"],
    "localhost.": ["127.0.0.1"],
    "LOCALHOST": ["127.0.0.1"],
    "0x7f.0.0x1": ["127.0.0.1"],
    "0x7f000001": ["127.0.0.1"],
    "mixed.example.com": [PUBLIC, "10.0.0.1"],
    "mixed6.example.com": [PUBLIC, "::1"],
    "mixed-last.example.com": ["10.0.0.1", PUBLIC],
    "mapped.example.com": ["::ffff:169.254.169.254"],
    "nat64.example.com": ["64:ff9b::a9fe:a9fe"],
    "sixtofour.example.com": ["2002:7f00:1::"],
    "teredo.example.com": ["2001:0:7f00:1::1"],
    "multicast.example.com": ["224.0.0.1"],
    "zero.example.com": ["0.0.0.0"],
    "linklocal.example.com": ["fe80::1"],
    "text.example.com": ["127.1"],
    "xn--bcher-kva.example": ["10.0.0.1"],
}.items():
    NAMES.add(name, addresses)

REFUSED = [
    *(f"http://{name}/" for name in NAMES.answers),
    "http://bücher.example/",
    "http://127.0.0.1/",
    "https://127.0.0.1/",
    "http://127.0.0.1:8000/",
    "http://127.1/",
    "http://127.0.0.1./",
    "http://2130706433/",
    "http://017700000001/",
    "http://0177.0.0.1/",
    "http://0x7f.1/",
    "http://0/",
    "http://0.0.0.0/",
    "http://[::]/",
    "http://[::1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[::127.0.0.1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[2002:7f00:1::]/",
    "http://[fe80::1]/",
    "http://[fe80::1%25lo]/",
    "http://[fec0::1]/",
    "http://[fd00:ec2::254]/",
    "http://[ff02::1]/",
    "http://169.254.169.254/latest/meta-data/",
    "http://168.63.129.16/",
    "http://192.0.0.192/",
    "http://100.100.100.200/",
    "http://100.64.0.1/",
    "http://10.0.0.1/",
    "http://172.16.0.1/",
    "http://192.168.0.1/",
    "http://224.0.0.1/",
    "http://255.255.255.255/",
    "http://user@127.0.0.1/",
    "http://example.com@127.0.0.1/",
    "http://127.0.0.1@example.com/",
    "http://@example.com/",
    "http://:@example.com/",
    "http://example.com:80@127.0.0.1/",
    "http://127.0.0.1\\@example.com/",
    "http://example.com\\.127.0.0.1/",
    "http://127.0.0.1%00.example.com/",
    "http://127%2e0%2e0%2e1/",
    "http://①②⑦.0.0.1/",
    "http://127。0。0。1/",
    "http:///127.0.0.1/",
    "http:127.0.0.1",
    "//127.0.0.1/",
    "file:///etc/passwd",
    "ftp://127.0.0.1/",
    "gopher://127.0.0.1/",
    "unix:///run/x.sock",
    "javascript:1",
    "http://127.0.0.1:99999/",
    "http://127.0.0.1:-1/",
    "http://127.0.0.1:0/",
    "http:// 127.0.0.1/",
    "http://127.0.0.1/\r\nX: y",
    "http://a..b/",
    "",
]


@pytest.mark.parametrize("url", REFUSED)
def test_a_trick_is_refused_without_opening_a_socket(url, monkeypatch):
    opened = []
    real = socket.socket

    class Watched(real):
        def connect(self, address):
            opened.append(address)
            raise AssertionError("connected")

    async def run():
        monkeypatch.setattr("webhooks.network.connections.socket.socket", Watched)
        async with OutboundClient(resolver=NAMES) as client:
            return await outcome(client, url)

    error = asyncio.run(run())
    assert isinstance(error, NetworkError), error
    assert error.kind in ("refused_address", "invalid_request"), (error.kind, error.message)
    assert (error.sent, error.retryable, opened) == (False, False, [])


def test_more_than_forty_tricks_are_tried():
    assert len(set(REFUSED)) > 40


def test_a_name_that_answers_public_first_and_private_later_never_reaches_the_private_one():
    """ "Public" is a loopback address that is allowed, "private" one that is not; both have a server."""

    async def run():
        resolver = ScriptedResolver().add("rebind.example.com", ["127.0.0.2"], ["127.0.0.1"])
        close = OK.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n")
        only_two = AllowList.parse("127.0.0.2")
        async with serving(close, host="127.0.0.2") as public:
            url = f"http://rebind.example.com:{public.port}/"
            async with OutboundClient(only_two, resolver=resolver) as client:
                first = [await outcome(client, url) for _ in range(3)]
            assert resolver.asked == ["rebind.example.com"]
            async with OutboundClient(only_two, resolver=resolver) as client:
                second = await outcome(client, url)
            return first, second, public

    first, second, public = asyncio.run(run())
    assert [answer.status for answer in first] == [200, 200, 200]
    assert public.connections == 3
    assert (second.kind, second.sent) == ("refused_address", False)
    assert "127.0.0.1" in second.message and "rebind.example.com" in second.message


def test_a_refusal_names_the_address_and_the_setting():
    async def run():
        async with OutboundClient(resolver=NAMES) as client:
            return await outcome(client, "http://mixed.example.com/secret-path?token=abc")

    error = asyncio.run(run())
    assert "10.0.0.1" in error.message and "OUTBOUND_ALLOW" in error.message and "allow_private" in error.message
    assert "secret-path" not in error.message and "abc" not in str(error)


def test_a_connection_that_may_be_private_does_not_lend_its_pooled_connection_to_one_that_may_not():
    async def run():
        async with serving() as server, OutboundClient() as client:
            allowed = await outcome(client, server.url, allow_private=True)
            refused = await outcome(client, server.url)
            return allowed, refused, server

    allowed, refused, server = asyncio.run(run())
    assert isinstance(allowed, Response) and refused.kind == "refused_address"
    assert len(server.requests) == 1


def test_a_listed_host_name_opens_its_private_address_and_no_other_name():
    async def run():
        resolver = ScriptedResolver().add("crm.internal", ["127.0.0.1"]).add("other.internal", ["127.0.0.1"])
        allow = AllowList.parse("crm.internal")
        async with serving() as server, OutboundClient(allow, resolver=resolver) as client:
            return [
                await outcome(client, f"http://{name}:{server.port}/") for name in ("crm.internal", "other.internal")
            ]

    listed, other = asyncio.run(run())
    assert listed.body == b"ok" and other.kind == "refused_address"


def test_where_only_one_inner_address_of_a_name_is_allowed_it_is_used_alone():
    async def run():
        resolver = ScriptedResolver().add("localhost", ["::1", "127.0.0.1"])
        async with serving() as server, OutboundClient(LOOPBACK, resolver=resolver) as client:
            return await outcome(client, f"http://localhost:{server.port}/")

    assert asyncio.run(run()).body == b"ok"


def test_ports_can_be_limited():
    async def run():
        async with serving() as server, OutboundClient(LOOPBACK, ports=frozenset({80, 443})) as client:
            return await outcome(client, server.url)

    error = asyncio.run(run())
    assert (error.kind, error.sent) == ("invalid_request", False)


def test_a_proxy_in_the_environment_is_not_used(monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")

    async def run():
        async with serving() as server, OutboundClient(LOOPBACK) as client:
            return await outcome(client, server.url)

    assert asyncio.run(run()).status == 200
