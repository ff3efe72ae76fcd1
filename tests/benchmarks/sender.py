"""Sends signed GitHub deliveries over kept connections: `python -m tests.benchmarks.sender PORT COUNT CONNECTIONS RATE`.

Prints one JSON object: {"seconds", "accepted", "latency": [ms …], "sent": {id: time.time()}}. RATE per second, 0: as fast
as they go.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

from tests.builders_secret import SECRET
from webhooks import signatures


def requests(count: int, start: int, port: int) -> list[bytes]:
    made = []
    for number in range(start, start + count):
        body = json.dumps(
            {"id": number, "type": "order.paid", "order": {"id": number, "total": 250, "country": "DE"}}
        ).encode()
        headers = signatures.sign("github", SECRET, body, now=time.time(), message_id=f"d-{number}")
        lines = [f"{name}: {value}" for name, value in headers.items()]
        head = f"POST /hooks/shop HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
        made.append((head + "\r\n".join(lines) + f"\r\nContent-Length: {len(body)}\r\n\r\n").encode() + body)
    return made


async def run(port: int, count: int, connections: int, rate: float, start: int) -> dict[str, Any]:
    todo = list(enumerate(requests(count, start, port), start))
    todo.reverse()
    latency: list[float] = []
    sent: dict[int, float] = {}
    accepted = 0
    began = time.perf_counter()

    async def one(_: int) -> None:
        nonlocal accepted
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while todo:
            number, data = todo.pop()
            if rate:
                due = began + (number - start) / rate
                await asyncio.sleep(max(0, due - time.perf_counter()))
            at = time.perf_counter()
            sent[number] = time.time()
            writer.write(data)
            head = await reader.readuntil(b"\r\n\r\n")
            lower = head.lower()
            length = int(lower.split(b"content-length:")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
            latency.append((time.perf_counter() - at) * 1000)
            accepted += head.startswith(b"HTTP/1.1 202")
            if b"connection: close" in lower:
                writer.close()
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()

    await asyncio.gather(*(one(n) for n in range(connections)))
    return {"seconds": time.perf_counter() - began, "accepted": accepted, "latency": latency, "sent": sent}


if __name__ == "__main__":
    port, count, connections, rate, start = (
        int(sys.argv[1]),
        int(sys.argv[2]),
        int(sys.argv[3]),
        float(sys.argv[4]),
        int(sys.argv[5]),
    )
    print(json.dumps(asyncio.run(run(port, count, connections, rate, start))))
