"""The least that Headwater's HTTP server costs: Granian with a handler that only answers.

    floor.py PORT TLS_PORT DIRECTORY CERTIFICATE KEY

Answers with the files of a directory, each read once, and as many headers as delivery.
"""

import asyncio
import sys
from pathlib import Path
from typing import Any

import uvloop
from granian.constants import Interfaces
from granian.server.embed import Server

HEADERS = [
    ("content-type", "application/vnd.apple.mpegurl"),
    ("cache-control", "max-age=3600"),
    ("etag", '"AbCdEfGhIjKlMnOp"'),
    ("accept-ranges", "bytes"),
    ("access-control-allow-origin", "*"),
    ("access-control-expose-headers", "accept-ranges, age, cache-control, content-length, etag"),
]


async def serve(port: int, tls_port: int, directory: Path, certificate: Path, key: Path) -> None:
    """Serve both ports until the process ends."""
    made: dict[str, tuple[int, list[tuple[str, str]], bytes]] = {}

    async def answer(scope: Any, protocol: Any) -> None:  # noqa: ANN401 - RSGI has no types
        response = made.get(scope.path)
        if response is None:
            body = (directory / scope.path[1:]).read_bytes()
            headers = [*HEADERS, ("content-length", str(len(body)))]
            response = made[scope.path] = 200, headers, body
        protocol.response_bytes(*response)

    options: dict[str, Any] = {
        "interface": Interfaces.RSGI, "websockets": False, "backlog": 1024, "log_enabled": False,
    }  # fmt: skip
    plain = Server(answer, port=port, **options)
    tls = Server(answer, port=tls_port, ssl_cert=certificate, ssl_key=key, **options)
    await asyncio.gather(plain.serve(), tls.serve())


if __name__ == "__main__":
    ports, paths = map(int, sys.argv[1:3]), map(Path, sys.argv[3:])
    uvloop.run(serve(*ports, *paths))
