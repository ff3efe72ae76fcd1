"""Whatever a sender puts into headers and body, a verdict comes back; and signatures never meet in `==`."""

import ast
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import webhooks.signatures
from webhooks.signatures import SCHEMES, Verdict, verify

NAMES = [
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
    "x-hub-signature-256",
    "x-hub-signature",
    "x-gitlab-token",
    "x-gitlab-event-uuid",
    "idempotency-key",
    "stripe-signature",
    "x-slack-signature",
    "x-slack-request-timestamp",
    "x-shopify-hmac-sha256",
    "x-twilio-signature",
    "x-pagerduty-signature",
    "sentry-hook-signature",
    "sentry-app-signature",
    "x-grafana-alerting-signature",
    "x-grafana-alerting-timestamp",
    "x-signature",
    "authorization",
    "ce-id",
    "ce-source",
    "content-type",
    "request-id",
    "x-github-delivery",
]
PIECES = [
    *[
        "v1,",
        "v1a,",
        "v0=",
        "v1=",
        "t=",
        "sha256=",
        "Bearer",
        "whsec_",
        "whpk_",
        "whsk_",
        "1760000000",
        "application/cloudevents+json",
    ],
    " ",
    ",",
]

texts = st.one_of(
    st.text(max_size=60),
    st.text(st.characters(min_codepoint=0, max_codepoint=255), max_size=60),
    st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=8)), max_size=8).map("".join),
)
headers = st.dictionaries(
    st.one_of(st.sampled_from(NAMES), st.text(max_size=10), st.binary(max_size=5), st.none()),
    st.one_of(texts, st.binary(max_size=40), st.none(), st.integers()),
    max_size=10,
)
secrets = st.lists(st.one_of(texts, st.none(), st.integers(), st.binary(max_size=10)), max_size=3)
urls = st.one_of(texts, st.sampled_from(["https://[", "http://h:99999/?bodySHA256=", "//", "https://h/?bodySHA256=00"]))
clocks = st.one_of(st.floats(), st.integers(min_value=0, max_value=2**40))


@pytest.mark.parametrize("name", [name for name in SCHEMES if name != "none"])
@given(headers=headers, secrets=secrets, body=st.binary(max_size=200), url=urls, now=clocks)
@settings(max_examples=60, deadline=None)
def test_any_input_gives_a_verdict(name, headers, secrets, body, url, now):
    options = {"timestamp_header": "webhook-timestamp"} if name == "hmac" else {}
    verdict = verify(name, secrets, headers, body, now=now, url=url, options=options)
    assert isinstance(verdict, Verdict)
    assert verdict.code in {"ok", "bad_signature", "stale", "unsigned"}
    assert verdict.ok is (verdict.code == "ok")
    if name not in ("gitlab", "token"):  # their signature is the secret, which random texts can repeat
        assert not verdict.ok


@pytest.mark.parametrize("bad", [None, [], "text", 5, b""])
def test_headers_that_are_no_mapping_are_no_headers(bad):
    assert verify("github", ["s"], bad, b"", now=0).code == "unsigned"


def test_a_single_secret_given_as_text_is_one_secret_and_not_its_letters():
    assert not verify("token", "abc", {"Authorization": "a"}, b"", now=0).ok
    assert verify("token", "abc", {"Authorization": "abc"}, b"", now=0).ok


def test_a_flood_of_signatures_is_not_worked_through():
    flood = {"webhook-id": "m", "webhook-timestamp": "1", "webhook-signature": "v1a,AAAA " * 100_000}
    assert verify("standard", ["whpk_" + "A" * 43 + "="], flood, b"", now=1).code == "bad_signature"


# Comparisons of two variables that hold names; every other `==` or `in` has a literal or a length on one side.
_NAMES_ONLY = {"word not in allowed", "key in names", "name.lower() == HEADER.lower()"}


def _is_harmless(side):
    return isinstance(side, ast.Constant) or ast.unparse(side).startswith("len(")


@pytest.mark.parametrize("path", sorted(Path(webhooks.signatures.__path__[0]).glob("*.py")), ids=lambda path: path.name)
def test_no_signature_or_secret_is_compared_with_an_operator(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Compare):
            continue
        if any(isinstance(operator, (ast.Eq, ast.NotEq, ast.In, ast.NotIn)) for operator in node.ops):
            sides = [node.left, *node.comparators]
            text = ast.unparse(node)
            assert any(_is_harmless(side) for side in sides) or text in _NAMES_ONLY, (
                f"{path.name}:{node.lineno}: {text}"
            )


def test_every_match_goes_through_the_constant_time_comparison(monkeypatch):
    from webhooks.signatures import sign

    headers = sign("github", "s", b"{}", now=0)
    monkeypatch.setattr("webhooks.signatures.compare.hmac.compare_digest", lambda one, two: False)
    assert not verify("github", ["s"], headers, b"{}", now=0).ok
