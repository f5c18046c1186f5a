"""A stand-in server: answers as it is told, keeps what it was asked."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from headwater.client import ivs

KEYS = {"access_key_id": "AKIDEXAMPLE", "secret_access_key": "not-a-secret-of-anybody"}


@dataclass
class Site:
    """An HTTP/1.1 server that answers as it is told and keeps what was asked."""

    url: str = ""
    answers: list = field(default_factory=list)  # (status, body); the last one stays
    headers: list = field(default_factory=list)
    bodies: list = field(default_factory=list)
    peers: list = field(default_factory=list)  # the client's port: one per connection
    silent: threading.Event = field(default_factory=threading.Event)
    keeps: bool = False  # connections stay open whatever the client asks for ...
    left: threading.Semaphore = field(
        default_factory=lambda: threading.Semaphore(0)
    )  # ... till it goes

    def client(self, **config):
        return ivs(config={"endpoint": self.url, "region": "us-west-2", **KEYS, **config})


@contextmanager
def running_site() -> Iterator[Site]:
    """A site on a free port, for the length of the block."""
    site = Site(answers=[(200, {"channels": []})])

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            site.headers.append(dict(self.headers))
            site.bodies.append(json.loads(body or b"null"))
            site.peers.append(self.client_address[1])
            if site.keeps:
                self.close_connection = False
            status, answer = site.answers.pop(0) if len(site.answers) > 1 else site.answers[0]
            if answer is None:
                site.silent.wait(5)
                return
            text = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.send_header("x-amzn-RequestId", "request-1")
            self.end_headers()
            self.wfile.write(text)

        def finish(self):
            super().finish()
            site.left.release()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    site.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield site
    finally:
        site.silent.set()
        server.shutdown()
        thread.join()
        server.server_close()
