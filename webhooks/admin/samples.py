"""How to send a test to an endpoint from a shell, signed as its scheme wants it. The secret stays a variable."""

from shlex import quote
from typing import Any

_BODY = """BODY='{"id": "test-1", "type": "test"}'"""
_CURL = "curl -i -X POST {url} -H 'Content-Type: application/json' {headers} -d \"$BODY\""


def sample(scheme: str, url: str, options: dict[str, Any]) -> str:
    """Shell commands, "" where only the sender itself can sign."""
    make = {"standard": _standard, "github": _github, "hmac": _hmac, "token": _token, "none": _none}.get(scheme)
    return make(quote(url), options) if make else ""


def _join(*lines: str) -> str:
    return "\n".join(lines)


def _standard(url: str, options: dict[str, Any]) -> str:
    return _join(
        "SECRET='whsec_…'",
        _BODY,
        "ID=msg_$(date +%s%N); AT=$(date +%s)",
        'KEY=$(printf %s "${SECRET#whsec_}" | base64 -d | od -An -vtx1 | tr -d " \\n")',
        'SIGNATURE=$(printf %s "$ID.$AT.$BODY" | openssl dgst -sha256 -mac HMAC -macopt hexkey:$KEY -binary | base64)',
        _CURL.format(
            url=url, headers='-H "webhook-id: $ID" -H "webhook-timestamp: $AT" -H "webhook-signature: v1,$SIGNATURE"'
        ),
    )


def _github(url: str, options: dict[str, Any]) -> str:
    return _join(
        "SECRET='…'",
        _BODY,
        'SIGNATURE=$(printf %s "$BODY" | openssl dgst -sha256 -hmac "$SECRET" | sed "s/^.* //")',
        _CURL.format(
            url=url,
            headers='-H "X-GitHub-Event: ping" -H "X-GitHub-Delivery: test-$(date +%s%N)"'
            ' -H "X-Hub-Signature-256: sha256=$SIGNATURE"',
        ),
    )


def _hmac(url: str, options: dict[str, Any]) -> str:
    algorithm, name = options.get("algorithm", "sha256"), options.get("header", "X-Signature")
    stamp = options.get("timestamp_header")
    signed = '"$AT.$BODY"' if stamp else '"$BODY"'
    digest = f'printf %s {signed} | openssl dgst -{algorithm} -hmac "$SECRET"'
    encoded = f"{digest} -binary | base64 -w0" if options.get("encoding") == "base64" else f'{digest} | sed "s/^.* //"'
    headers = f'-H "{name}: {options.get("prefix", "")}$SIGNATURE"' + (f' -H "{stamp}: $AT"' if stamp else "")
    clock = ["AT=$(date +%s)"] if stamp else []
    return _join("SECRET='…'", _BODY, *clock, f"SIGNATURE=$({encoded})", _CURL.format(url=url, headers=headers))


def _token(url: str, options: dict[str, Any]) -> str:
    name = options.get("header", "Authorization")
    value = "Bearer $SECRET" if name.lower() == "authorization" else "$SECRET"
    return _join("SECRET='…'", _BODY, _CURL.format(url=url, headers=f'-H "{name}: {value}"'))


def _none(url: str, options: dict[str, Any]) -> str:
    return _join(_BODY, _CURL.format(url=url, headers=""))
