"""A door in front of an S3 service that can be shut, slow, out of order, or break off."""

import socket
import threading
from contextlib import contextmanager, suppress

UNAVAILABLE = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/xml\r\n"
    b"Content-Length: 80\r\nConnection: close\r\n\r\n"
    b"<Error><Code>SlowDown</Code><Message>Reduce your request rate.</Message></Error>"
)


class Door:
    """Passes connections on to `target`, as its mode says.

    open: whole. shut: connections are closed at once. busy: each is answered with 503.
    half: an upload is broken off in its middle. slow: a hundred kilobytes a second.
    """

    def __init__(self, target):
        self.mode = "open"
        self.seen = 0
        self._target = target
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._open = set()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def set(self, mode):
        """From now on; connections that are there are closed."""
        self.mode = mode
        for each in list(self._open):
            _close(each)

    def close(self):
        _close(self._socket)
        self.set("shut")

    def _accept(self):
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            self.seen += 1
            threading.Thread(target=self._serve, args=(client, self.mode), daemon=True).start()

    def _serve(self, client, mode):
        self._open.add(client)
        try:
            if mode == "shut":
                return
            if mode == "busy":
                client.recv(65_536)
                client.sendall(UNAVAILABLE)
                return
            with socket.create_connection(self._target) as server:
                self._open.add(server)
                back = threading.Thread(target=_pass_on, args=(server, client, None, None))
                back.start()
                _pass_on(
                    client,
                    server,
                    20_000 if mode == "half" else None,
                    100_000 if mode == "slow" else None,
                )
                _close(server)
                back.join()
                self._open.discard(server)
        except OSError:
            pass
        finally:
            self._open.discard(client)
            _close(client)


def _pass_on(source, sink, most, per_s):
    passed, pause = 0, threading.Event()
    with suppress(OSError):
        while data := source.recv(8192 if per_s else 65_536):
            passed += len(data)
            if most is not None and passed > most:
                return
            sink.sendall(data)
            if per_s:
                pause.wait(len(data) / per_s)


def _close(each):
    with suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
    each.close()


@contextmanager
def door_to(url):
    """A door in front of `http://<host>:<port>`."""
    host, _, port = url.removeprefix("http://").partition(":")
    door = Door((host, int(port)))
    try:
        yield door
    finally:
        door.close()
