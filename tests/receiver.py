"""A receiver on loopback: records every call, answers as it is told."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Seen:
    """One call; `key` is its Idempotency-Key without quotes."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def key(self) -> str:
        return self.headers.get("idempotency-key", "").strip('"')

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Receiver:
    """Use as a context manager. `status` and `delay` (seconds) hold for the calls to come; `paths` for single paths."""

    def __init__(self) -> None:
        self.calls: list[Seen] = []
        self.status, self.delay = 200, 0.0
        self.headers: dict[str, str] = {}
        self.paths: dict[str, int] = {}

    def __enter__(self) -> Receiver:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.calls.append(Seen(self.command, self.path, headers, body))
                time.sleep(receiver.delay)
                text = b'{"ok":true,"id":7}'
                self.send_response(receiver.paths.get(self.path, receiver.status))
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                for name, value in receiver.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                try:
                    self.wfile.write(text)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

            def log_message(self, *_: Any) -> None: ...

        class Server(ThreadingHTTPServer):
            request_queue_size = 512
            daemon_threads = True

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    def keys(self) -> Counter[str]:
        return Counter(call.key for call in self.calls)
