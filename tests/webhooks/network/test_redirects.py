"""Redirects: off by default; when followed, every hop is judged anew and credentials stay at home."""

import asyncio

import pytest

from webhooks.network import OutboundClient, Response

from .servers import LOOPBACK, OK, ScriptedResolver, once, outcome, serving

ANY = "http://127.0.0.1:{port}/"
HEADERS = [
    ("Authorization", "Bearer hush"),
    ("Cookie", "hush=1"),
    ("X-Api-Key", "hush"),
    ("X-Other", "fine"),
    ("Content-Type", "application/json"),
]


def redirect(location, status=302):
    head = f"HTTP/1.1 {status} Moved\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"
    return head.encode("utf-8", "surrogateescape")


def to(location, status=302):
    """The first request of a server is redirected, the others are answered."""

    async def answer(request, writer):
        writer.write(redirect(location, status) if request.split(b" ")[1] == b"/" else OK)

    return answer


def test_a_redirect_is_just_a_response_by_default():
    result, server = once(ANY, "POST", answer=redirect("http://169.254.169.254/"))
    assert (result.status, result.headers["location"]) == (302, "http://169.254.169.254/")
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("status", "method", "then", "keeps_body"),
    [
        (301, "POST", "GET", False),
        (302, "POST", "GET", False),
        (303, "PUT", "GET", False),
        (303, "HEAD", "HEAD", False),
        (302, "PUT", "PUT", True),
        (307, "POST", "POST", True),
        (308, "PATCH", "PATCH", True),
    ],
)
def test_the_method_after_a_redirect_follows_the_standard(status, method, then, keeps_body):
    body = b"data" if method != "HEAD" else None
    result, server = once(
        ANY, method, answer=to("/next?a=%2F", status), follow_redirects=1, headers=HEADERS, body=body, timeout=1
    )
    last = server.requests[-1]
    assert last.startswith(then.encode() + b" /next?a=%2F ")
    assert last.endswith(b"data") is keeps_body
    assert (b"Content-Type" in last) is (keeps_body or method == "HEAD")
    assert b"Bearer hush" in last, "the same origin keeps the credentials"
    if method != "HEAD":
        assert isinstance(result, Response) and result.url.endswith("/next?a=%2F")


@pytest.mark.parametrize("other", ["http://127.0.0.1:{port}/x", "http://127.0.0.2:{port}/x", "//127.0.0.2:{port}/x"])
def test_another_origin_gets_no_credentials(other):
    async def run():
        async with serving(host="0.0.0.0") as second:
            answer = to(other.replace("{port}", str(second.port)))
            async with serving(answer) as first, OutboundClient(LOOPBACK) as client:
                more = {"headers": HEADERS, "follow_redirects": 5, "credential_headers": frozenset({"x-API-key"})}
                return await outcome(client, first.url, **more), first, second

    result, first, second = asyncio.run(run())
    assert result.body == b"ok"
    assert first.requests[0].count(b"hush") == 3
    assert b"hush" not in second.requests[0] and b"X-Other: fine" in second.requests[0]


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://[::ffff:10.0.0.1]/",
        "http://10.0.0.1/",
        "http://inner.example.com/",
        "http://[::1]:8000/",
    ],
)
def test_every_hop_is_judged(location):
    resolver = ScriptedResolver().add("inner.example.com", ["10.0.0.1"])
    error, server = once(ANY, answer=redirect(location), follow_redirects=5, client={"resolver": resolver})
    assert (error.kind, error.sent, error.retryable) == ("refused_address", True, False)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "location",
    [
        "file:///etc/passwd",
        "ftp://x/",
        "http://user:pw@127.0.0.1/",
        "http://127.1/",
        "http://[",
        "http://a b/",
        "\udcff\\x",
    ],
)
def test_a_redirect_to_something_else_than_a_plain_address_is_refused(location):
    error, server = once(ANY, answer=redirect(location), follow_redirects=5)
    assert error.kind in ("redirect", "protocol")
    assert len(server.requests) == 1


def test_the_permission_for_private_addresses_does_not_travel_to_another_host():
    async def run():
        resolver = ScriptedResolver().add("crm.internal", ["127.0.0.1"]).add("other.internal", ["127.0.0.1"])
        answers = []

        async def answer(request, writer):
            writer.write(redirect(answers.pop(0)) if answers else OK)

        async with serving(answer) as server, OutboundClient(resolver=resolver) as client:
            results = []
            for target in (f"http://crm.internal:{server.port}/x", f"http://other.internal:{server.port}/x"):
                answers.append(target)
                start = f"http://crm.internal:{server.port}/"
                results.append(await outcome(client, start, follow_redirects=3, allow_private=True))
            return results

    same, other = asyncio.run(run())
    assert same.body == b"ok" and other.kind == "refused_address"


@pytest.mark.parametrize("limit", [1, 5])
def test_a_circle_ends_after_the_allowed_number_of_hops(limit):
    error, server = once(ANY, answer=redirect("/again"), follow_redirects=limit)
    assert (error.kind, error.retryable, error.sent, len(server.requests)) == ("redirect", False, True, limit + 1)


def test_a_slow_circle_ends_at_the_one_deadline():
    async def slow(request, writer):
        await asyncio.sleep(0.2)
        writer.write(redirect("/again"))

    error, server = once(ANY, answer=slow, follow_redirects=5, timeout=0.5)
    assert (error.kind, error.sent) == ("timeout", True)
    assert len(server.requests) <= 3


def test_a_redirect_without_a_location_is_just_a_response():
    for answer in (b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n", redirect("/x", 304), redirect("/x", 300)):
        result, server = once(ANY, answer=answer, follow_redirects=5)
        assert result.status in (302, 304, 300) and len(server.requests) == 1
