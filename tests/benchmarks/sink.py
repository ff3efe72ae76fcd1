"""A fast receiver in a process of its own: answers every call at once (or after `delay` seconds) and counts.

`GET /count` → {"calls", "first", "last"} (times of time.time()); `GET /times` → the arrival time of each id.
Run as `python -m tests.benchmarks.sink PORT DELAY`.
"""

from __future__ import annotations

import asyncio
import sys
import time

from aiohttp import web


def application(delay: float) -> web.Application:
    arrivals: dict[str, float] = {}
    calls: list[float] = []

    async def note(request: web.Request) -> web.Response:
        body = await request.read()
        calls.append(time.time())
        arrivals.setdefault(body.decode(), calls[-1])
        if delay:
            await asyncio.sleep(delay)
        return web.json_response({"ok": True})

    async def count(_: web.Request) -> web.Response:
        return web.json_response({"calls": len(calls), "first": calls[:1], "last": calls[-1:]})

    async def times(_: web.Request) -> web.Response:
        return web.json_response(arrivals)

    async def reset(_: web.Request) -> web.Response:
        arrivals.clear()
        calls.clear()
        return web.json_response({})

    app = web.Application()
    app.add_routes(
        [
            web.get("/count", count),
            web.get("/times", times),
            web.post("/reset", reset),
            web.route("*", "/{path:.*}", note),
        ]
    )
    return app


if __name__ == "__main__":
    web.run_app(application(float(sys.argv[2])), host="127.0.0.1", port=int(sys.argv[1]), print=None, access_log=None)
