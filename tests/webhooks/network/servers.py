"""Raw servers on loopback, and a resolver that answers from a script. For the tests of this folder."""

import asyncio
import socket
from contextlib import asynccontextmanager

from aiohttp.abc import AbstractResolver

from webhooks.network import AllowList, NetworkError, OutboundClient, Request

LOOPBACK = AllowList.parse("127.0.0.0/8")
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class ScriptedResolver(AbstractResolver):
    """Each look-up of a name gives its next answer, the last one for ever; `asked` counts."""

    def __init__(self, **answers):
        self.answers = {name.replace("__", "."): list(lists) for name, lists in answers.items()}
        self.asked = []

    def add(self, name, *lists):
        self.answers[name] = list(lists)
        return self

    async def resolve(self, host, port=0, family=socket.AF_INET):
        self.asked.append(host)
        if host not in self.answers:
            raise OSError(socket.EAI_NONAME, "Name or service not known")
        lists = self.answers[host]
        addresses = lists.pop(0) if len(lists) > 1 else lists[0]
        return [
            {
                "hostname": host,
                "host": address,
                "port": port,
                "family": socket.AF_INET6 if ":" in address else socket.AF_INET,
                "proto": 0,
                "flags": socket.AI_NUMERICHOST,
            }
            for address in addresses
        ]

    async def close(self):
        pass


class Server:
    """What the requests looked like, and how many connections there were."""

    def __init__(self):
        self.requests = []
        self.connections = 0
        self.port = 0

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/"


@asynccontextmanager
async def serving(answer=OK, host="127.0.0.1"):
    """A server that reads one request after another and calls `answer(request, writer)`, or writes `answer`."""
    server = Server()
    tasks = set()

    async def handle(reader, writer):
        server.connections += 1
        task = asyncio.current_task()
        tasks.add(task)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
                body = await reader.readexactly(int(length[0].split(b":")[1])) if length else b""
                server.requests.append(head + body)
                if isinstance(answer, bytes):
                    writer.write(answer)
                elif await answer(head + body, writer) == "close":
                    break
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            tasks.discard(task)
            writer.close()

    listener = await asyncio.start_server(handle, host, 0)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def outcome(client, url, method="GET", **more):
    """The Response, or the NetworkError instead of raising it."""
    try:
        return await client.send(Request(method, url, **({"timeout": 2.0} | more)))
    except NetworkError as error:
        return error


def once(url, method="GET", *, client=None, answer=OK, **more):
    """Serve `answer`, send one request to `url` ({port} is filled in) with a fresh client; (result, server)."""

    async def run():
        async with serving(answer) as server, OutboundClient(LOOPBACK, **(client or {})) as outbound:
            return await outcome(outbound, url.replace("{port}", str(server.port)), method, **more), server

    return asyncio.run(run())
