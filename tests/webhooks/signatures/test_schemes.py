"""The exact rules, scheme by scheme: what is refused, what is stale, what the dedupe id is."""

import hashlib
import json

import pytest

from webhooks.signatures import SCHEMES, check_options, new_secret, scheme_named, sign, verify
from webhooks.signatures.twilio import signed_url

NOW = 1_760_000_000
URL = "https://ops.example.com/hooks/shop?a=1"
BODY = b'{"id": "evt_9", "event_id": "Ev9", "event": {"id": "01PD"}}'
OPTIONS = {
    "hmac": {"header": "X-Sig", "prefix": "v=", "timestamp_header": "X-Time", "dedupe_header": "X-Id"},
    "grafana": {"timestamp_header": "X-Time", "dedupe_header": "X-Id"},
    "token": {"header": "X-Key"},
}
SIGNING = [name for name in SCHEMES if name != "none"]
TIMED = [name for name in SIGNING if SCHEMES[name].timed]
BODY_SIGNED = [name for name in SIGNING if name not in ("gitlab", "token")]


def signed(name, *, secret=None, body=BODY, now=NOW, options=None, message_id="id-1"):
    """(secret, headers, verify keywords) of a genuine message."""
    secret = secret or new_secret(name)
    options = OPTIONS.get(name, {}) if options is None else options
    url = signed_url(URL, body) if name == "twilio" else URL
    headers = sign(name, secret, body, now=now, message_id=message_id, url=url, options=options)
    return secret, headers, {"url": url, "options": options}


@pytest.mark.parametrize("name", SIGNING)
def test_a_scheme_accepts_what_it_signs(name):
    secret, headers, more = signed(name)
    verdict = verify(name, [secret], headers, BODY, now=NOW, **more)
    assert (verdict.ok, verdict.code, verdict.matched) == (True, "ok", 0), verdict.reason


@pytest.mark.parametrize("name", SIGNING)
def test_header_names_count_in_any_case_and_other_headers_do_not_matter(name):
    secret, headers, more = signed(name)
    loud = {key.upper(): value for key, value in headers.items()} | {"X-Other": "1", "Empty": ""}
    assert verify(name, [secret], loud, BODY, now=NOW, **more).ok


@pytest.mark.parametrize("name", SIGNING)
def test_the_secret_that_matched_is_told_while_two_are_live(name):
    secret, headers, more = signed(name)
    verdict = verify(name, [new_secret(name), "", secret], headers, BODY, now=NOW, **more)
    assert (verdict.ok, verdict.matched) == (True, 2)


@pytest.mark.parametrize("name", SIGNING)
def test_a_foreign_secret_is_a_bad_signature(name):
    _, headers, more = signed(name)
    verdict = verify(name, [new_secret(name)], headers, BODY, now=NOW, **more)
    assert (verdict.ok, verdict.code, verdict.matched, verdict.dedupe_id) == (False, "bad_signature", None, None)


@pytest.mark.parametrize("name", BODY_SIGNED)
@pytest.mark.parametrize("change", [b" ", b"\n", b"\x00"])
def test_one_byte_more_in_the_body_is_a_bad_signature(name, change):
    secret, headers, more = signed(name)
    assert verify(name, [secret], headers, BODY + change, now=NOW, **more).code == "bad_signature"


@pytest.mark.parametrize("name", SIGNING)
def test_a_message_without_any_signature_is_unsigned(name):
    secret, _, more = signed(name)
    assert verify(name, [secret], {"Host": "x"}, BODY, now=NOW, **more).code == "unsigned"


@pytest.mark.parametrize("name", SIGNING)
@pytest.mark.parametrize("empty", ["", " ", None, "whsec_", "whpk_", "whsk_AAAA", "whpk_ä", 7])
def test_an_empty_or_unusable_secret_never_matches(name, empty):
    _, headers, more = signed(name)
    for attempt in (headers, dict.fromkeys(headers, ""), dict.fromkeys(headers, str(empty))):
        if attempt.get("X-Gitlab-Token") == empty or (empty and attempt.get("X-Key") == empty):
            continue  # the literal text of a token is a token
        assert not verify(name, [empty], attempt, BODY, now=NOW, **more).ok


@pytest.mark.parametrize("name", TIMED)
@pytest.mark.parametrize(("shift", "code"), [(-301, "stale"), (-300, "ok"), (0, "ok"), (300, "ok"), (301, "stale")])
def test_the_window_is_300_seconds_to_both_sides_and_its_edge_passes(name, shift, code):
    secret, headers, more = signed(name)
    verdict = verify(name, [secret], headers, BODY, now=NOW + shift, **more)
    assert (verdict.code, verdict.stale, verdict.matched) == (code, code == "stale", 0)


@pytest.mark.parametrize("name", TIMED)
@pytest.mark.parametrize("window", [20, 20.0, "20s", "20"])
def test_the_window_is_an_option(name, window):
    secret, headers, more = signed(name)
    more["options"] = more["options"] | {"window": window}
    assert verify(name, [secret], headers, BODY, now=NOW + 20, **more).ok
    assert verify(name, [secret], headers, BODY, now=NOW + 20.5, **more).stale


@pytest.mark.parametrize("name", TIMED)
@pytest.mark.parametrize(
    "stamp", ["", "hello", "1e9", "-5", "+5", " ", "١٧٦", "1_760_000_000", "9" * 40, "1760000000.0"]
)
def test_only_whole_unix_seconds_are_a_time(name, stamp):
    secret, headers, more = signed(name)
    changed = {key: value.replace(str(NOW), stamp) for key, value in headers.items()}
    assert verify(name, [secret], changed, BODY, now=NOW, **more).code == "bad_signature"


@pytest.mark.parametrize("name", TIMED)
@pytest.mark.parametrize("clock", [float("nan"), float("inf"), None])
def test_a_broken_clock_accepts_nothing(name, clock):
    secret, headers, more = signed(name)
    assert verify(name, [secret], headers, BODY, now=clock, **more).stale


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("standard", "id-1"),
        ("github", "id-1"),
        ("gitlab", "id-1"),
        ("gitlab-signing", "id-1"),
        ("stripe", "evt_9"),
        ("slack", "Ev9"),
        ("shopify", "id-1"),
        ("twilio", "id-1"),
        ("pagerduty", "01PD"),
        ("sentry", "id-1"),
        ("grafana", "id-1"),
        ("hmac", "id-1"),
        ("token", "id-1"),
    ],
)
def test_the_dedupe_id_is_the_senders_own(name, expected):
    secret, headers, more = signed(name)
    assert verify(name, [secret], headers, BODY, now=NOW, **more).dedupe_id == expected
    assert verify(name, ["other"], headers, BODY, now=NOW, **more).dedupe_id is None


@pytest.mark.parametrize(
    ("name", "headers", "expected"),
    [
        ("gitlab", {"X-Gitlab-Event-UUID": "u"}, "u"),
        ("gitlab", {"X-Gitlab-Event-UUID": "u", "Idempotency-Key": "k"}, "k"),
        ("token", {"Idempotency-Key": '"8e03978e"'}, "8e03978e"),
        ("token", {"ce-source": "/shop", "ce-id": "7"}, "/shop 7"),
        ("shopify", {"X-Shopify-Webhook-Id": "w"}, "w"),
        ("shopify", {"X-Shopify-Webhook-Id": "w", "X-Shopify-Event-Id": "e"}, "e"),
        ("github", {"X-GitHub-Delivery": "d" * 255}, "d" * 255),
        ("github", {"X-GitHub-Delivery": "d" * 256}, "sha256:" + hashlib.sha256(b"d" * 256).hexdigest()),
        ("github", {}, None),
        ("sentry", {"Request-ID": "r"}, "r"),
        ("grafana", {"Idempotency-Key": "k"}, None),
    ],
)
def test_the_dedupe_id_comes_from_the_right_header(name, headers, expected):
    secret = new_secret(name)
    made = sign(name, secret, BODY, now=NOW)
    assert verify(name, [secret], made | headers, BODY, now=NOW).dedupe_id == expected


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"id": ' + b"9" * 5000 + b"}",
        b'{"id": 5}',
        b'{"id": null}',
        b'{"id": ""}',
        b"[]",
        b'"x"',
        b"NaN",
        b"id=evt_1",
    ],
)
def test_a_signed_body_that_has_no_id_is_accepted_without_one(body):
    headers = sign("stripe", "s", body, now=NOW)
    verdict = verify("stripe", ["s"], headers, body, now=NOW)
    assert (verdict.ok, verdict.dedupe_id) == (True, None)


def test_an_id_no_database_stores_becomes_its_digest():
    body = json.dumps({"id": "a\x00b\ud800"}).encode()
    verdict = verify("stripe", ["s"], sign("stripe", "s", body, now=NOW), body, now=NOW)
    assert verdict.dedupe_id.startswith("sha256:")
    verdict.dedupe_id.encode()


def test_the_body_is_not_parsed_before_the_signature_has_passed(monkeypatch):
    def explode(body):
        raise AssertionError("parsed")

    monkeypatch.setattr("webhooks.signatures.identify.parsed", explode)
    headers = sign("stripe", "s", BODY, now=NOW)
    assert not verify("stripe", ["t"], headers, BODY, now=NOW).ok
    assert verify("stripe", ["s"], headers, BODY, now=NOW + 1000).stale
    with pytest.raises(AssertionError, match="parsed"):
        verify("stripe", ["s"], headers, BODY, now=NOW)


@pytest.mark.parametrize("name", ["", "nope", "GitHub", None, ["github"]])
def test_an_unknown_scheme_is_a_configuration_error(name):
    with pytest.raises(ValueError, match="unknown signature scheme"):
        verify(name, ["s"], {}, b"", now=NOW)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("hmac", {"algorithm": "md5"}),
        ("hmac", {"algorithm": 5}),
        ("hmac", {"encoding": "hexadecimal"}),
        ("hmac", {"header": "X Sig"}),
        ("hmac", {"header": "X-Sig\r\n"}),
        ("hmac", {"prefix": 7}),
        ("hmac", {"timestamp_header": 5}),
        ("token", {"header": "ä"}),
        ("stripe", {"window": 0}),
        ("stripe", {"window": -1}),
        ("stripe", {"window": "soon"}),
        ("stripe", {"window": True}),
        ("stripe", {"window": float("nan")}),
    ],
)
def test_a_wrong_option_is_a_configuration_error(name, options):
    for call in (
        lambda: check_options(name, options),
        lambda: verify(name, ["s"], {}, b"", now=NOW, options=options),
        lambda: sign(name, "s", b"", now=NOW, options=options),
    ):
        with pytest.raises(ValueError, match=next(iter(options))):
            call()


def test_options_of_others_are_left_alone():
    check_options("github", {"window": "soon", "max_bytes": 5})


@pytest.mark.parametrize("name", SIGNING)
def test_nothing_is_signed_with_an_empty_secret(name):
    with pytest.raises(ValueError, match="secret"):
        sign(name, "", BODY, now=NOW, message_id="m", url=signed_url(URL, BODY))


def test_a_public_key_or_a_dotted_id_cannot_sign():
    for secret, message_id in (("whpk_AAAA", "m"), ("whsk_AAAA", "m"), (new_secret("standard"), "a.b")):
        with pytest.raises(ValueError):
            sign("standard", secret, BODY, now=NOW, message_id=message_id)


def test_every_scheme_has_a_title_and_a_fresh_secret_each_time():
    for name, scheme in SCHEMES.items():
        assert scheme_named(name) is scheme and scheme.title
        if scheme.secret != "none":
            assert new_secret(name) != new_secret(name)
            assert len(new_secret(name)) >= 43
