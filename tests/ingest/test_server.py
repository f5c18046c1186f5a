"""Real sockets, on port 0: plain and TLS, strangers, limits, and ffmpeg as the encoder."""

import asyncio
import contextlib
import datetime as dt
import ipaddress
import socket
import ssl
import struct

import pytest
import structlog
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from headwater.core.encoded import CodecConfig, EncodedFrame, EncoderMetadata
from headwater.core.errors import PeerError
from headwater.ingest import connection
from headwater.ingest.server import PublishAttempt, Refusal, RtmpServer
from ingest.rtmp import wire
from ingest.rtmp.wire import KEY, aac, audio

REFUSAL = Refusal(code="NetStream.Publish.Denied", description="The stream key is not valid.")
SOUND = CodecConfig(kind="audio", codec="aac", data=wire.AAC_CONFIG)
PUBLISH = wire.opening() + audio(aac(wire.AAC_CONFIG, 0))


class Take:
    """A Publisher that keeps what it gets."""

    def __init__(self, attempt, complaint=None):
        self.attempt = attempt
        self.items = []
        self.reasons = []
        self.over = asyncio.Event()
        self.first = asyncio.Event()
        self._complaint = complaint

    def receive(self, item, now_ms):
        assert now_ms > 1_600_000_000_000
        if self._complaint is not None:
            raise self._complaint
        self.items.append(item)
        self.first.set()

    def refused(self, error):
        self.reasons.append(error)

    def ended(self, reason, *, on_purpose):
        self.reasons.append(reason)
        self.on_purpose = on_purpose
        self.over.set()


class Gate:
    """Lets KEY in."""

    def __init__(self, complaint=None):
        self.takes = asyncio.Queue()
        self.attempts = asyncio.Queue()
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self._complaint = complaint

    async def open(self, attempt: PublishAttempt):
        self.attempts.put_nowait(attempt)
        await self.may_answer.wait()
        if attempt.stream_key.reveal() != KEY:
            return REFUSAL
        take = Take(attempt, self._complaint)
        self.takes.put_nowait(take)
        return take


class BrokenGate:
    async def open(self, _):
        raise ZeroDivisionError


@contextlib.asynccontextmanager
async def serving(gate, *, ssl_context=None, sock=None, **limits):
    """A running server's port and the log it writes; fails on anything asyncio complains of."""
    complaints = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    server = RtmpServer(**limits)
    sock = sock or socket.create_server(("127.0.0.1", 0))
    port = sock.getsockname()[1]
    with structlog.testing.capture_logs() as log:
        await server.start(sock, gate, ssl_context)
        try:
            yield port, log
        finally:
            await asyncio.wait_for(server.close(), 3)
    assert complaints == []
    assert KEY not in str(log)


async def dial(port, data=b"", ssl_context=None):
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=ssl_context)
    writer.write(data)
    await writer.drain()
    return reader, writer


async def rest(reader, seconds=3):
    """What the server still says until it closes."""
    try:
        return await asyncio.wait_for(reader.read(), seconds)
    except (ConnectionError, ssl.SSLError):
        return b""


async def hang_up(writer):
    writer.close()
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        await writer.wait_closed()


async def soon(awaitable):
    return await asyncio.wait_for(awaitable, 5)


def ends(log):
    return [line for line in log if line["event"] == "rtmp session ended"]


async def ended(log, count=1):
    """The log lines of ended sessions, once there are that many."""
    async with asyncio.timeout(5):
        while len(ends(log)) < count:  # noqa: ASYNC110 - a log wakes nobody
            await asyncio.sleep(0.01)
    return ends(log)


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    """A server's and a client's context for one self-signed certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path_factory.mktemp("tls") / "both.pem"
    pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(pem)
    return server, ssl.create_default_context(cafile=pem)


async def test_an_encoder_publishes_and_ends():
    gate = Gate()
    async with serving(gate) as (port, log):
        _, writer = await dial(port, PUBLISH + audio(aac(b"x"), 7) + wire.ending())
        take = await soon(gate.takes.get())
        await soon(take.over.wait())
        await hang_up(writer)
        [line] = await ended(log)

    assert take.reasons == ["the encoder sent FCUnpublish"]
    assert take.on_purpose is True
    assert [type(item) for item in take.items] == [CodecConfig, EncodedFrame]
    assert take.attempt.app == "app"
    assert take.attempt.parameters == {}
    assert take.attempt.encrypted is False
    assert take.attempt.peer.startswith("127.0.0.1:")
    assert (line["reason"], line["encrypted"]) == ("closed by the encoder", False)
    assert line["bytes_in"] > 3073
    assert line["duration_ms"] >= 0


async def test_an_encoder_that_vanishes_ends_its_publish_once():
    gate = Gate()
    async with serving(gate) as (port, log):
        _, writer = await dial(port, PUBLISH + audio(bytes(90))[:40])
        take = await soon(gate.takes.get())
        await soon(take.first.wait())
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
        await soon(take.over.wait())
        [line] = await ended(log)

    assert take.reasons == [line["reason"]]
    assert take.on_purpose is False
    assert line["reason"] in {"connection lost: ConnectionResetError", "closed by the encoder"}


async def test_rtmps_is_the_same_over_tls(tls):
    server_context, client_context = tls
    gate = Gate()
    async with serving(gate, ssl_context=lambda: server_context) as (port, log):
        _, writer = await dial(port, PUBLISH, client_context)
        take = await soon(gate.takes.get())
        await soon(take.first.wait())
        await hang_up(writer)
        [line] = await ended(log)

    assert take.items == [SOUND]
    assert take.attempt.encrypted is True
    assert line["encrypted"] is True


@pytest.mark.parametrize("encrypted", [False, True], ids=["RTMP", "RTMPS"])
def test_what_an_encoder_sends_last_is_taken_though_it_hangs_up_at_once(tls, encrypted):
    """On the event loop that the server has."""
    uvloop.run(_last_words(*tls if encrypted else (None, None)))


async def _last_words(server_context, client_context):
    gate = Gate()
    context_of = (lambda: server_context) if server_context else None
    async with serving(gate, ssl_context=context_of) as (port, log):
        _, writer = await dial(port, PUBLISH, client_context)
        take = await soon(gate.takes.get())
        await soon(take.first.wait())  # from now on it waits for turns
        for number in range(1, 6):
            writer.write(audio(aac(b"x"), 7 * number))
            await asyncio.sleep(0)
        writer.write(wire.ending())
        await hang_up(writer)
        await soon(take.over.wait())
        await ended(log)

    assert len(take.items) == 1 + 5
    assert take.reasons == ["the encoder sent FCUnpublish"]


async def test_a_refusal_reaches_an_encoder_that_goes_on_sending():
    async with serving(Gate()) as (port, log):
        reader, writer = await dial(port, wire.opening("wrong") + audio(bytes(50_000)))
        said = await rest(reader)
        await hang_up(writer)
        [line] = await ended(log)

    assert b"NetStream.Publish.Denied" in said
    assert b"The stream key is not valid." in said
    assert b"Publish.Start" not in said
    assert line["reason"] == "publish refused: The stream key is not valid."


async def test_a_refusal_reaches_an_encoder_over_tls(tls):
    async with serving(Gate(), ssl_context=lambda: tls[0]) as (port, _):
        reader, writer = await dial(port, wire.opening("wrong"), tls[1])
        assert b"The stream key is not valid." in await rest(reader)
        await hang_up(writer)


async def test_what_the_publisher_cannot_use_closes_the_connection_with_its_words():
    gate = Gate(complaint=PeerError("the picture has no size"))
    async with serving(gate) as (port, log):
        reader, writer = await dial(port, PUBLISH)
        said = await rest(reader)
        await hang_up(writer)
        take = await soon(gate.takes.get())
        [line] = await ended(log)

    assert b"the picture has no size" in said
    assert take.reasons == ["the picture has no size"]
    assert line["reason"] == "the picture has no size"


async def test_the_publisher_is_told_of_media_that_its_protocol_does_not_take():
    gate = Gate()
    async with serving(gate) as (port, log):
        reader, writer = await dial(port, PUBLISH + wire.video(b"\x96\x00avc1\x01"))
        said = await rest(reader)
        await hang_up(writer)
        take = await soon(gate.takes.get())
        await ended(log)

    assert b"multitrack video" in said
    told, ended_by = take.reasons
    assert told.is_multitrack
    assert str(told) == ended_by


async def test_a_bug_in_the_publisher_or_the_gate_costs_one_session_only():
    for gate in (Gate(complaint=ZeroDivisionError()), BrokenGate()):
        async with serving(gate) as (port, log):
            reader, writer = await dial(port, PUBLISH)
            assert b"internal error" in await rest(reader)
            await hang_up(writer)
            await ended(log)
            assert [line["log_level"] for line in log] == ["error", "info"]


async def test_a_publisher_that_fails_to_end_does_not_keep_the_connection():
    gate = Gate()
    async with serving(gate) as (port, log):
        _, writer = await dial(port, PUBLISH)
        take = await soon(gate.takes.get())
        take.reasons = None
        await hang_up(writer)
        await ended(log)

    assert [line["log_level"] for line in log] == ["error", "info"]


async def test_stop_ends_the_connection_from_outside_as_often_as_one_likes():
    gate = Gate()
    async with serving(gate) as (port, log):
        reader, writer = await dial(port, PUBLISH)
        take = await soon(gate.takes.get())
        await soon(take.first.wait())
        take.attempt.stop("stopped by the API")
        take.attempt.stop("again")
        said = await rest(reader)
        await hang_up(writer)
        [line] = await ended(log)
        take.attempt.stop("much later")

    assert b"NetStream.Unpublish.Success" in said
    assert b"stopped by the API" in said
    assert take.reasons == ["stopped by the API"]
    assert line["reason"] == "stopped by the API"


async def test_a_publisher_that_comes_too_late_is_ended_at_once():
    gate = Gate()
    gate.may_answer.clear()
    async with serving(gate) as (port, log):
        reader, writer = await dial(port, PUBLISH)
        attempt = await soon(gate.attempts.get())
        attempt.stop("stopped while asking")
        await rest(reader)
        await hang_up(writer)
        await ended(log)
        gate.may_answer.set()
        take = await soon(gate.takes.get())
        await soon(take.over.wait())

    assert take.reasons == ["stopped while asking"]
    assert take.items == []


async def test_a_gate_that_does_not_answer_is_not_waited_for_for_ever(monkeypatch):
    monkeypatch.setattr(connection, "GATE_TIMEOUT_S", 0.05)
    gate = Gate()
    gate.may_answer.clear()
    async with serving(gate) as (port, _):
        reader, writer = await dial(port, PUBLISH)
        assert b"no answer to the publish" in await rest(reader)
        await hang_up(writer)


async def test_an_encoder_may_publish_again_on_the_same_connection():
    gate = Gate()
    async with serving(gate) as (port, _):
        _, writer = await dial(port, PUBLISH + wire.ending())
        first = await soon(gate.takes.get())
        await soon(first.over.wait())
        writer.write(wire.preface() + audio(aac(wire.AAC_CONFIG, 0)))
        second = await soon(gate.takes.get())
        await soon(second.first.wait())
        await hang_up(writer)
        await soon(second.over.wait())

    assert (first.items, second.items) == ([SOUND], [SOUND])
    assert second.reasons == ["closed by the encoder"]


STRANGERS = [
    # id,                 bytes,                                    reason
    ("port scan",         b"",                                      "closed by the encoder"),
    ("HTTP",              b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",     "this port speaks RTMP, not HTTP"),
    ("TLS",               bytes.fromhex("16030100c8010000c403"),    "this port speaks plain RTMP, not TLS"),
    ("half a handshake",  wire.C0C1[:700],                          "closed by the encoder"),
    ("half a message",    wire.HANDSHAKE + wire.connect()[:50],     "closed by the encoder"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("data", "reason"), [row[1:] for row in STRANGERS], ids=[row[0] for row in STRANGERS]
)
async def test_strangers_cost_one_log_line(data, reason):
    async with serving(Gate()) as (port, log):
        reader, writer = await dial(port, data)
        if reason == "closed by the encoder":
            writer.write_eof()
        await rest(reader, 1)
        await hang_up(writer)
        [line] = await ended(log)

    assert line["reason"].startswith(reason)
    assert [each["log_level"] for each in log] == ["info"]


@pytest.mark.parametrize(
    "data", [b"", wire.C0C1, b"GET / HTTP/1.1\r\n\r\n"], ids=["scan", "plain RTMP", "HTTP"]
)
async def test_strangers_on_the_tls_port_cost_one_log_line(tls, data):
    async with serving(Gate(), ssl_context=lambda: tls[0]) as (port, log):
        reader, writer = await dial(port, data)
        if not data:
            writer.write_eof()
        await rest(reader, 2)
        await hang_up(writer)
        [line] = await ended(log)

    assert line["reason"].startswith("TLS handshake failed: ")
    assert [each["log_level"] for each in log] == ["info"]


async def test_a_client_that_does_not_trust_the_certificate_costs_one_log_line(tls):
    async with serving(Gate(), ssl_context=lambda: tls[0]) as (port, log):
        with pytest.raises(ssl.SSLCertVerificationError):
            await dial(port, b"", ssl.create_default_context())
        await ended(log)

    assert [each["log_level"] for each in log] == ["info"]


async def test_a_slow_handshake_runs_into_the_deadline(monkeypatch):
    monkeypatch.setattr("headwater.ingest.rtmp.session.PUBLISH_TIMEOUT_S", 0.1)
    async with serving(Gate()) as (port, log):
        reader, writer = await dial(port, wire.C0C1[:10])
        assert await rest(reader) == b""
        await hang_up(writer)
        [line] = await ended(log)

    assert "handshake not finished" in line["reason"]


async def test_an_encoder_gone_silent_is_told_so(monkeypatch):
    monkeypatch.setattr("headwater.ingest.rtmp.session.MEDIA_TIMEOUT_S", 0.2)
    gate = Gate()
    async with serving(gate) as (port, log):
        reader, writer = await dial(port, PUBLISH)
        said = await rest(reader)
        await hang_up(writer)
        await ended(log)

    assert b"no media for" in said
    assert (await soon(gate.takes.get())).reasons[0].startswith("no media for")


async def test_connections_are_bounded_in_total_and_slots_come_back():
    gate = Gate()
    async with serving(gate, max_connections=2) as (port, log):
        first = await dial(port, PUBLISH)
        second = await dial(port, PUBLISH)
        takes = [await soon(gate.takes.get()) for _ in range(2)]
        over = await dial(port)
        assert await rest(over[0]) == b""
        await hang_up(first[1])
        await soon(
            asyncio.wait(
                [asyncio.ensure_future(take.over.wait()) for take in takes],
                return_when=asyncio.FIRST_COMPLETED,
            )
        )
        await ended(log)
        third = await dial(port, PUBLISH)
        await soon(gate.takes.get())
        for _, writer in (second, over, third):
            await hang_up(writer)
        await ended(log, 3)

    assert [line["event"] for line in log].count("rtmp connections refused") == 1


async def test_connections_that_wait_are_bounded_for_each_address():
    gate = Gate()
    async with serving(gate, max_waiting_per_address=1) as (port, log):
        live = await dial(port, PUBLISH)
        await soon(gate.takes.get())
        waiting = await dial(port)
        over = await dial(port)
        assert await rest(over[0]) == b""
        for _, writer in (live, waiting, over):
            await hang_up(writer)
        await ended(log, 2)


async def test_an_encoder_that_does_not_read_is_not_read_from():
    gate = Gate()
    ping = wire.message(4, bytes.fromhex("0006 0000002a"), csid=2)
    pings = ping + wire.header(3, 2) + ping[12:]
    loop = asyncio.get_running_loop()
    listener, sock = socket.create_server(("127.0.0.1", 0)), socket.socket()
    for each in (listener, sock):
        each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        each.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    sock.settimeout(0)
    async with serving(gate, sock=listener) as (port, _):
        await loop.sock_connect(sock, ("127.0.0.1", port))
        await loop.sock_sendall(sock, PUBLISH)
        take = await soon(gate.takes.get())
        await soon(take.first.wait())
        sending = asyncio.create_task(loop.sock_sendall(sock, pings * 9000))
        assert await asyncio.wait([sending], timeout=0.5) == (set(), {sending})

        while not sending.done():
            await loop.sock_recv(sock, 65_536)
        await loop.sock_sendall(sock, audio(aac(b"x"), 9))
        async with asyncio.timeout(5):
            while len(take.items) < 2:
                await loop.sock_recv(sock, 65_536)
        sock.close()
        await soon(take.over.wait())

    assert take.items[1].data == b"x"


async def test_a_failing_accept_is_tried_again():
    sock = socket.create_server(("127.0.0.1", 0))
    async with serving(Gate(), sock=sock) as (_, log):
        sock.shutdown(socket.SHUT_RDWR)
        async with asyncio.timeout(5):
            while len(log) < 2:  # noqa: ASYNC110 - a log wakes nobody
                await asyncio.sleep(0.01)

    assert {line["event"] for line in log} == {"cannot accept an rtmp connection"}


async def test_closing_the_server_tells_every_encoder():
    gate = Gate()
    async with serving(gate) as (port, log):
        publishing = await dial(port, PUBLISH)
        idle = await dial(port)
        take = await soon(gate.takes.get())
        await soon(take.first.wait())

    assert take.reasons == ["server is shutting down"]
    assert take.on_purpose is False
    assert b"server is shutting down" in await rest(publishing[0])
    assert [line["reason"] for line in ends(log)] == ["server is shutting down"] * 2
    for _, writer in (publishing, idle):
        await hang_up(writer)
    with pytest.raises(ConnectionRefusedError):
        await dial(port)


async def test_closing_the_server_does_not_wait_for_the_gate():
    gate = Gate()
    gate.may_answer.clear()
    async with serving(gate) as (port, _):
        _, writer = await dial(port, PUBLISH)
        await soon(gate.attempts.get())
    await hang_up(writer)


async def test_closing_the_server_ends_tls_handshakes(tls):
    async with serving(Gate(), ssl_context=lambda: tls[0]) as (port, log):
        reader, writer = await dial(port)
        await asyncio.sleep(0.05)
    assert await rest(reader) == b""
    await hang_up(writer)
    assert [line["reason"] for line in ends(log)] == ["server is shutting down"]


async def ffmpeg(url, seconds=1):
    """Publish a test picture and tone; the exit code and what ffmpeg printed."""
    process = await asyncio.create_subprocess_exec(
        *["ffmpeg", "-hide_banner", "-loglevel", "error"],
        *["-f", "lavfi", "-i", "testsrc=size=320x180:rate=30"],
        *["-f", "lavfi", "-i", "sine=sample_rate=48000"],
        *["-t", str(seconds), "-c:v", "libx264", "-preset", "ultrafast", "-g", "30"],
        *["-bf", "2", "-pix_fmt", "yuv420p", "-c:a", "aac", "-f", "flv", url],
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await asyncio.wait_for(process.communicate(), 30)
    return process.returncode, errors.decode()


@pytest.mark.parametrize("scheme", ["rtmp", "rtmps"])
async def test_ffmpeg_publishes(scheme, tls):
    gate = Gate()
    async with serving(gate, ssl_context=(lambda: tls[0]) if scheme == "rtmps" else None) as (
        port,
        _,
    ):
        code, errors = await ffmpeg(f"{scheme}://127.0.0.1:{port}/app/{KEY}?priority=2")
        take = await soon(gate.takes.get())
        await soon(take.over.wait())

    assert (code, errors) == (0, "")
    assert take.attempt.parameters == {"priority": "2"}
    assert take.reasons == ["the encoder sent FCUnpublish"]
    assert isinstance(take.items[0], EncoderMetadata)
    assert take.items[0].values["width"] == 320.0
    frames = [item for item in take.items if isinstance(item, EncodedFrame)]
    assert [item.kind for item in frames].count("video") == 30
    assert [item.kind for item in frames].count("audio") >= 46
    assert any(item.composition_offset_ms > 0 for item in frames)
    assert {item.kind for item in take.items if isinstance(item, CodecConfig)} == {"video", "audio"}


async def test_ffmpeg_shows_why_it_was_refused():
    async with serving(Gate()) as (port, _):
        code, errors = await ffmpeg(f"rtmp://127.0.0.1:{port}/app/wrong")

    assert code != 0
    assert "Server error: The stream key is not valid." in errors
