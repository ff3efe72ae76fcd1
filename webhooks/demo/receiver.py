"""The other side of the demo's connections: chat, pager and warehouses, in a thread, on loopback only."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

#: Calls to this warehouse are answered 503 while the file that says it is down exists.
BROKEN = "/warehouses/lyon/"


class Receiver:
    """Use as a context manager. `tell` is given one line for each call; `down` is the file that breaks a warehouse."""

    def __init__(self, port: int, down: Path, tell: Callable[[str], None]) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._server = _Server(port, down, tell)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True, name="receiver")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port: int, down: Path, tell: Callable[[str], None]) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.down, self.tell = down, tell


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        broken = self.path.startswith(BROKEN) and self.server.down.exists()
        status, answer = (503, {"error": "closed for stocktaking"}) if broken else (200, {"ok": True})
        self.server.tell(f"{self.path}  {body.decode('utf-8', 'replace')[:160]}  → {status}")
        text = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: Any) -> None:
        """`tell` has said it."""
