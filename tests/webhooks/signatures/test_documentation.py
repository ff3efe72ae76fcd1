"""The examples of docs/webhooks.md are signed as the product checks them."""

import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from webhooks.signatures import SCHEMES, new_secret, verify

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "webhooks.md").read_text()
EXAMPLES = re.findall(r"^### (github|standard|hmac)$(.*?)(?=^##)", PAGE, re.MULTILINE | re.DOTALL)
OPTIONS = {"hmac": {"timestamp_header": "X-Timestamp"}}


def _block(text, language):
    return re.search(rf"```{language}\n(.*?)```", text, re.DOTALL)[1]


def test_there_is_an_example_for_each_of_three_schemes_and_a_row_for_every_scheme():
    assert [name for name, _ in EXAMPLES] == ["github", "standard", "hmac"]
    assert all(f"| `{name}` |" in PAGE for name in SCHEMES)


@pytest.mark.parametrize(("name", "text"), EXAMPLES, ids=lambda value: value[:9])
def test_the_python_example_is_accepted(name, text):
    secret = new_secret(name)
    script = f"SECRET = {secret!r}\n{_block(text, 'python')}\nimport json\nprint(json.dumps([headers, body.decode()]))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=20)
    headers, body = json.loads(done.stdout)
    verdict = verify(name, [secret], headers, body.encode(), now=time.time(), options=OPTIONS.get(name, {}))
    assert verdict.ok and verdict.dedupe_id, verdict.reason


@pytest.mark.skipif(not (shutil.which("openssl") and shutil.which("od")), reason="openssl is not installed")
@pytest.mark.parametrize(("name", "text"), EXAMPLES, ids=lambda value: value[:9])
def test_the_shell_example_is_accepted(name, text):
    secret = new_secret(name)
    # A stand-in for curl prints its arguments, one a line.
    script = "curl() { printf '%s\\n' \"$@\"; }\n" + _block(text, "sh")
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "SECRET": secret, "PUBLIC_URL": "https://ops.example.com"}
    done = subprocess.run(["sh", "-c", script], env=environment, capture_output=True, text=True, check=True, timeout=20)
    words = done.stdout.splitlines()
    headers = dict(words[at + 1].split(": ", 1) for at, word in enumerate(words) if word == "-H")
    body = words[words.index("--data-binary") + 1].encode()
    verdict = verify(name, [secret], headers, body, now=time.time(), options=OPTIONS.get(name, {}))
    assert verdict.ok and verdict.dedupe_id, verdict.reason
