"""Signed GitHub deliveries, many at a time, over real connections."""

from __future__ import annotations

import http.client
import json
import threading
import time
from typing import Any

from tests.builders_secret import SECRET
from tests.installation import Installation
from webhooks import signatures


def delivery(number: int, **fields: Any) -> tuple[bytes, dict[str, str]]:
    """Body and headers of one delivery as GitHub signs it."""
    body = json.dumps({"id": number, **fields}).encode()
    headers = signatures.sign("github", SECRET, body, now=time.time(), message_id=f"delivery-{number}")
    return body, {**headers, "Content-Type": "application/json", "X-GitHub-Event": "issues"}


class Load(threading.Thread):
    """Sends `count` deliveries from `senders` threads, each again until it is acknowledged; `acknowledged` holds ids."""

    def __init__(self, installation: Installation, count: int, *, senders: int = 8, pause: float = 0.0) -> None:
        super().__init__(daemon=True)
        self.installation, self.count, self.senders, self.pause = installation, count, senders, pause
        self.acknowledged: dict[int, list[int]] = {}
        self.failures = 0

    def run(self) -> None:
        threads = [threading.Thread(target=self._send, args=(n,), daemon=True) for n in range(self.senders)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _send(self, first: int) -> None:
        for number in range(first, self.count, self.senders):
            body, headers = delivery(number)
            for _ in range(200):
                try:
                    status, answer = self.installation.request("POST", "/hooks/shop", body, headers=headers)
                except (OSError, http.client.HTTPException):
                    status, answer = 0, None
                if status in (200, 202):
                    self.acknowledged[number] = answer["runs"]
                    break
                self.failures += 1
                time.sleep(0.1)
            time.sleep(self.pause)
