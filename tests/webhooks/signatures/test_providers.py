"""What is special about one provider or another."""

import base64
import hashlib
import hmac

import pytest

from webhooks.signatures import new_secret, sign, verify
from webhooks.signatures.standard import sign_with
from webhooks.signatures.twilio import signed_url
from webhooks.signatures.verdict import Outgoing

NOW = 1_760_000_000
URL = "https://ops.example.com/hooks/shop?a=1"
BODY = b'{"id": "evt_9", "event_id": "Ev9", "event": {"id": "01PD"}}'


def test_a_sender_that_rotates_signs_with_both_and_either_receiver_accepts():
    new, old = new_secret("standard"), new_secret("standard")
    headers = sign_with([new, old], Outgoing(body=BODY, now=NOW, message_id="m"))
    for secrets, matched in (([old], 0), ([new], 0), ([new_secret("standard"), old], 1)):
        assert verify("standard", secrets, headers, BODY, now=NOW).matched == matched


@pytest.mark.parametrize(
    "junk", ["v1", "v1,", ",", "v1a,x", "nonsense", "v1,a,b", "v1," + "é", "v1a,é", "v1a," + "A" * 88]
)
def test_an_entry_that_is_no_signature_is_passed_over(junk):
    secret = new_secret("standard")
    headers = sign("standard", secret, BODY, now=NOW, message_id="m")
    both = headers | {"webhook-signature": f"{junk} {headers['webhook-signature']}"}
    assert verify("standard", [secret], both, BODY, now=NOW).ok
    for live in (secret, "whpk_" + base64.b64encode(b"k" * 32).decode()):
        assert not verify("standard", [live], headers | {"webhook-signature": junk}, BODY, now=NOW).ok


def test_a_lenient_base64_spelling_of_the_right_signature_is_refused():
    headers = sign("shopify", "s", BODY, now=NOW)
    value = headers["X-Shopify-Hmac-Sha256"]
    for spelling in (value.rstrip("="), value[:5] + "\n" + value[5:], value + "=", value.replace("=", "%3D")):
        assert not verify("shopify", ["s"], {"X-Shopify-Hmac-Sha256": spelling}, BODY, now=NOW).ok


def test_the_old_sha1_header_of_github_is_not_enough():
    verdict = verify("github", ["s"], {"X-Hub-Signature": "sha1=00"}, BODY, now=NOW)
    assert verdict.code == "unsigned" and "SHA-1" in verdict.reason


def test_a_signing_token_does_not_fall_back_to_the_plain_token():
    secret = new_secret("gitlab-signing")
    assert verify("gitlab-signing", [secret], {"X-Gitlab-Token": secret}, BODY, now=NOW).code == "unsigned"


def test_stripe_wants_exactly_one_time_and_a_v1():
    value = sign("stripe", "s", BODY, now=NOW)["Stripe-Signature"]
    v0 = value.replace("v1=", "v0=")
    for header in (f"t=1,{value}", value.partition(",")[2], v0, "t=1,v1", "v1=,t=", ",,,", "t==1"):
        assert verify("stripe", ["s"], {"stripe-signature": header}, BODY, now=NOW).code == "bad_signature"


def test_sentry_user_interface_components_have_their_own_header_and_bodies_may_be_empty():
    value = sign("sentry", "s", b"", now=NOW)["Sentry-Hook-Signature"]
    assert verify("sentry", ["s"], {"sentry-app-signature": value}, b"", now=NOW).ok


def test_a_configured_grafana_time_is_required_and_an_unconfigured_one_is_honoured():
    more = {"timestamp_header": "X-Grafana-Alerting-Timestamp"}
    headers = sign("grafana", "s", BODY, now=NOW, options=more)
    plain = sign("grafana", "s", BODY, now=NOW)
    assert verify("grafana", ["s"], headers, BODY, now=NOW, options=more).ok
    assert verify("grafana", ["s"], headers, BODY, now=NOW).ok
    assert verify("grafana", ["s"], headers, BODY, now=NOW + 301).stale
    assert verify("grafana", ["s"], plain, BODY, now=NOW).ok
    assert not verify("grafana", ["s"], plain, BODY, now=NOW, options=more).ok
    early = {"X-Grafana-Alert-Signature": plain["X-Grafana-Alerting-Signature"]}
    assert verify("grafana", ["s"], early, BODY, now=NOW).ok


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha384", "sha512", "SHA-256"])
@pytest.mark.parametrize("encoding", ["hex", "base64"])
@pytest.mark.parametrize("prefix", ["", "sha256="])
def test_every_shape_of_a_custom_hmac_works(algorithm, encoding, prefix):
    options = {"header": "X-Sig", "algorithm": algorithm, "encoding": encoding, "prefix": prefix}
    headers = sign("hmac", "s", BODY, now=NOW, options=options)
    assert verify("hmac", ["s"], headers, BODY, now=NOW, options=options).ok
    bare = {"X-Sig": "x" + headers["X-Sig"]}
    assert not verify("hmac", ["s"], bare, BODY, now=NOW, options=options).ok


def test_a_custom_hmac_takes_capital_hex_and_a_colon_after_the_time():
    options = {"timestamp_header": "X-Time"}
    for mark in (b".", b":"):
        value = hmac.new(b"s", str(NOW).encode() + mark + BODY, hashlib.sha256).hexdigest().upper()
        headers = {"X-Signature": value, "X-Time": str(NOW)}
        assert verify("hmac", ["s"], headers, BODY, now=NOW, options=options).ok
        assert verify("hmac", ["s"], headers, BODY, now=NOW + 301, options=options).stale
        assert not verify("hmac", ["s"], headers | {"X-Time": str(NOW + 1)}, BODY, now=NOW, options=options).ok
        assert not verify("hmac", ["s"], {"X-Signature": value}, BODY, now=NOW, options=options).ok


@pytest.mark.parametrize(
    ("headers", "url", "options", "ok"),
    [
        ({"Authorization": "Bearer s3cret"}, "", {}, True),
        ({"Authorization": "bearer  s3cret"}, "", {}, True),
        ({"Authorization": "s3cret"}, "", {}, True),
        ({"Authorization": "Basic s3cret"}, "", {}, False),
        ({"X-Key": "s3cret"}, "", {"header": "X-Key"}, True),
        ({"X-Key": "Bearer s3cret"}, "", {"header": "X-Key"}, False),
        ({"Authorization": "s3cret"}, "", {"header": "X-Key"}, False),
        ({}, "https://x/hooks/a?access_token=s3cret", {}, True),
        ({}, "https://x/hooks/a?access_token=s3cret", {"header": "X-Key"}, False),
        ({}, "https://[x/?access_token=s3cret", {}, False),
    ],
)
def test_a_token_is_found_where_it_may_stand_and_nowhere_else(headers, url, options, ok):
    assert verify("token", ["s3cret"], headers, BODY, now=NOW, url=url, options=options).ok is ok


def test_a_cloud_event_is_known_by_its_source_and_id():
    body, kind = b'{"specversion": "1.0", "source": "/shop", "id": "7"}', "application/cloudevents+json; charset=utf-8"
    headers = sign("token", "s3cret", body, now=NOW)
    assert verify("token", ["s3cret"], headers | {"Content-Type": kind}, body, now=NOW).dedupe_id == "/shop 7"
    assert verify("token", ["s3cret"], headers, body, now=NOW).dedupe_id is None
    for broken in (b"[]", b"{}", b'{"source": 1, "id": "7"}', b"\xff"):
        assert verify("token", ["s3cret"], headers | {"Content-Type": kind}, broken, now=NOW).dedupe_id is None


def test_a_token_with_umlauts_matches_as_web_servers_hand_it_over():
    secret = "schlüssel"
    for value in (secret, secret.encode().decode("latin-1")):
        assert verify("gitlab", [secret], {"X-Gitlab-Token": secret}, BODY, now=NOW).ok
        assert verify("token", [secret], {"Authorization": value}, BODY, now=NOW).ok


def test_none_accepts_everything_and_says_so():
    verdict = verify("none", [], {"Idempotency-Key": "k"}, BODY, now=NOW)
    assert (verdict.ok, verdict.matched, verdict.dedupe_id) == (True, None, "k")
    assert "without a signature" in verdict.reason


@pytest.mark.parametrize("url", ["https://h.example:8443/x?a=1", "http://h.example/x", "https://[2001:db8::1]:444/x"])
def test_twilio_signs_with_or_without_the_port(url):
    form = b"B=2&A=1&A=0&A=1&empty="
    for spelling in (url, url.replace(":8443", "").replace(":444/", "/"), url.replace("example/", "example:80/")):
        headers = sign("twilio", "tok", form, now=NOW, url=spelling)
        assert verify("twilio", ["tok"], headers, form, now=NOW, url=url).ok


def test_twilio_needs_the_address_and_the_hash_of_a_body_that_is_no_form():
    headers = sign("twilio", "tok", BODY, now=NOW, url=signed_url(URL, BODY))
    form_type = headers | {"Content-Type": "application/x-www-form-urlencoded"}
    assert not verify("twilio", ["tok"], headers, BODY, now=NOW).ok
    assert not verify("twilio", ["tok"], form_type, b"", now=NOW, url=signed_url(URL, BODY)).ok
    assert not verify("twilio", ["tok"], headers, b"\xff", now=NOW, url=URL).ok
    assert not verify("twilio", ["tok"], headers, BODY, now=NOW, url=URL).ok
