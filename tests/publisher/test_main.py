"""The encoder as its users start it: a process, a URL in the environment, a real server."""

import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time

import pytest

KEY = "sk_us-east-1_verysecret"
SMALL = ("--width", "320", "--height", "180", "--video-kbps", "400")


def start(url, *options, **streams):
    return subprocess.Popen(
        [sys.executable, "-m", "headwater.publisher", *SMALL, *options],
        env=os.environ | {"HEADWATER_PUBLISH_URL": url, "PYTHONPATH": os.pathsep.join(sys.path)},
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        **streams,
    )


def finished(process):
    out, err = process.communicate(timeout=15)
    assert out == ""
    assert KEY not in err
    return process.returncode, err


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


class Listener:
    """Accepts one connection, reads one piece, then does as the test says."""

    def __init__(self, then=None):
        self.received = threading.Event()
        self.first = b""
        self.connection = None
        self._then = then or (lambda _connection: None)
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)

    def _serve(self):
        self._server.settimeout(10)
        self.connection, _ = self._server.accept()
        self.connection.settimeout(10)
        self.first = self.connection.recv(64)
        self.received.set()
        self._then(self.connection)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._thread.join()
        if self.connection:
            self.connection.close()
        self._server.close()


def test_a_refused_connection_is_one_line_without_the_key():
    port = free_port()

    assert finished(start(f"rtmp://127.0.0.1:{port}/app/{KEY}")) == (
        1,
        f"publisher: rtmp://127.0.0.1:{port}: connection refused\n",
    )


def test_a_server_that_hangs_up_is_one_line_without_the_key():
    with Listener(then=lambda connection: connection.close()) as listener:
        status, err = finished(start(f"rtmp://127.0.0.1:{listener.port}/app/{KEY}"))

    assert status == 1
    assert "the server refused the stream or closed the connection" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_within_a_second_even_when_the_server_never_answers(number):
    with Listener() as listener:
        process = start(f"rtmp://127.0.0.1:{listener.port}/app/{KEY}")
        assert listener.received.wait(10)
        process.send_signal(number)
        started_s = time.monotonic()
        finished(process)

    assert time.monotonic() - started_s < 5  # 1 s on an idle machine; the timeout is 8 s


def test_rtmps_begins_with_tls():
    with Listener(then=lambda connection: connection.close()) as listener:
        status, _ = finished(start(f"rtmps://127.0.0.1:{listener.port}/app/{KEY}"))

    assert status == 1
    assert listener.first[:2] == bytes([22, ssl.TLSVersion.TLSv1_2 >> 8])  # a TLS handshake record


def test_an_unusable_url_is_status_2():
    status, err = finished(start("http://127.0.0.1/"))

    assert status == 2
    assert err == "publisher: the URL must be rtmp:// or rtmps://<host>/<app>/<stream key>\n"
