"""Receiver: a web server that webhooks are sent to, and that answers as it is told."""

import asyncio
import json

from msgspec import Struct


class Received(Struct):
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def event(self):
        return json.loads(self.body)


class Receiver:
    """Listens on a free port of this machine while its block lasts."""

    def __init__(self, port=0):
        self.port = port
        self.received = []
        self.connections = 0
        self.script = []  # next answers, each a status, bytes, or an Event to wait for first
        self._arrived = asyncio.Condition()
        self._open = set()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/hook"

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self._server.close()
        for writer in self._open:
            writer.transport.abort()

    async def until(self, is_so):
        async with asyncio.timeout(15), self._arrived:
            await self._arrived.wait_for(lambda: is_so(self.received))
        return self.received

    async def bodies(self, count):
        return [one.event for one in (await self.until(lambda all_: len(all_) >= count))[:count]]

    async def _serve(self, reader, writer):
        self.connections += 1
        self._open.add(writer)
        try:
            await self._answer(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self._open.discard(writer)
            writer.close()

    async def _answer(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.split("\r\n")
        headers = {
            k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines if line)
        }
        body = await reader.readexactly(int(headers["content-length"]))
        answer = self.script.pop(0) if self.script else 200
        async with self._arrived:
            self.received.append(Received(first.split(" ")[1], headers, body))
            self._arrived.notify_all()
        if isinstance(answer, asyncio.Event):
            await answer.wait()
            answer = 200
        if isinstance(answer, int):
            answer = b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % answer
        writer.write(answer)
        await writer.drain()
