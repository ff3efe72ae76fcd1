"""The providers' own libraries sign what we accept, and accept what we sign."""

import json
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from slack_sdk.signature import Clock, SignatureVerifier
from standardwebhooks.webhooks import Webhook, WebhookVerificationError
from stripe import SignatureVerificationError, WebhookSignature

from webhooks.signatures import new_secret, sign, verify

NOW = 1_760_000_000
BODY = json.dumps({"id": "evt_1", "event_id": "Ev1", "text": "grün ♥"}, ensure_ascii=False).encode()
bodies = st.text(st.characters(codec="utf-8"), max_size=200)


class _Clock(Clock):
    def now(self) -> float:
        return NOW


@given(body=bodies)
@settings(max_examples=50, deadline=None)
def test_what_the_standard_library_signs_is_accepted(body):
    secret = new_secret("standard")
    made = Webhook(secret).sign("msg_1", datetime.fromtimestamp(NOW, tz=UTC), body)
    headers = {"Webhook-Id": "msg_1", "Webhook-Timestamp": str(NOW), "Webhook-Signature": made}
    verdict = verify("standard", [secret], headers, body.encode(), now=NOW)
    assert (verdict.ok, verdict.dedupe_id, verdict.matched) == (True, "msg_1", 0)


def test_the_standard_library_accepts_what_we_sign():
    secret, now = new_secret("standard"), datetime.now(tz=UTC).timestamp()
    headers = sign("standard", secret, BODY, now=now, message_id="msg_1")
    assert Webhook(secret).verify(BODY, headers) == json.loads(BODY)
    with pytest.raises(WebhookVerificationError):
        Webhook(new_secret("standard")).verify(BODY, headers)


@given(body=bodies, secret=st.text(st.characters(codec="utf-8"), min_size=1).filter(str.strip))
@settings(max_examples=50, deadline=None)
def test_what_stripe_signs_is_accepted(body, secret):
    header = WebhookSignature.generate_signature_header(body, secret, NOW)
    assert verify("stripe", [secret], {"stripe-signature": header}, body.encode(), now=NOW + 300).ok


def test_stripe_accepts_what_we_sign():
    headers = sign("stripe", "whsec_text", BODY, now=NOW)
    assert WebhookSignature.verify_header(BODY, headers["Stripe-Signature"], "whsec_text")
    with pytest.raises(SignatureVerificationError):
        WebhookSignature.verify_header(BODY + b" ", headers["Stripe-Signature"], "whsec_text")


@given(body=bodies)
@settings(max_examples=50, deadline=None)
def test_what_slack_signs_is_accepted(body):
    made = SignatureVerifier("s3cret", _Clock()).generate_signature(timestamp=str(NOW), body=body)
    headers = {"X-Slack-Signature": made, "X-Slack-Request-Timestamp": str(NOW)}
    assert verify("slack", ["s3cret"], headers, body.encode(), now=NOW - 300).ok


def test_slack_accepts_what_we_sign():
    headers = sign("slack", "s3cret", BODY, now=NOW)
    assert SignatureVerifier("s3cret", _Clock()).is_valid_request(BODY, headers)
    assert not SignatureVerifier("other", _Clock()).is_valid_request(BODY, headers)


@pytest.mark.parametrize("with_public", [False, True])
def test_an_ed25519_key_pair_signs_and_checks(with_public):
    import base64

    key = Ed25519PrivateKey.generate()
    seed, public = key.private_bytes_raw(), key.public_key().public_bytes_raw()
    private = "whsk_" + base64.b64encode(seed + public if with_public else seed).decode()
    headers = sign("standard", private, BODY, now=NOW, message_id="m")
    assert headers["webhook-signature"].startswith("v1a,")
    for secret in (private, "whpk_" + base64.b64encode(public).decode()):
        assert verify("standard", [secret], headers, BODY, now=NOW).ok
        assert not verify("standard", [secret], headers, BODY + b" ", now=NOW).ok
    assert not verify("gitlab-signing", [private], headers, BODY, now=NOW).ok
