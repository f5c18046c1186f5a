"""What encoders, networks and load balancers do to the sockets, with real ones on port 0.

The ids are those of docs/reference/encoders.md.
"""

import asyncio
import socket
import ssl
import struct

import pytest
from cryptography import x509

from headwater.ingest import server
from headwater.node.certificate import CertificateFiles, server_context
from ingest.pki import Authority, pem
from ingest.rtmp import wire
from ingest.rtmp.wire import aac, audio
from ingest.test_server import PUBLISH, Gate, dial, ended, hang_up, rest, serving, soon

ADDRESSES = bytes([203, 0, 113, 9, 192, 0, 2, 1]) + bytes.fromhex("c3cb 0790")
V1 = b"PROXY TCP4 203.0.113.9 192.0.2.1 50123 1936\r\n"
V2 = b"\r\n\r\n\0\r\nQUIT\n" + bytes.fromhex("21 11 000c") + ADDRESSES


class Tls:
    """One authority with an ECDSA and an RSA chain."""

    def __init__(self, folder):
        self.authority = Authority()
        self.folder = folder
        self.ecdsa = self.authority.issue(folder, "ecdsa")
        self.rsa = self.authority.issue(folder, "rsa", "RSA")

    def server(self, certificate, second=(None, None)):
        return server_context(CertificateFiles(*certificate, *second))

    def client(self):
        """Trusts the root alone: without the intermediate from the server it fails."""
        return ssl.create_default_context(cadata=pem(self.authority.root).decode())


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    return Tls(tmp_path_factory.mktemp("tls"))


async def publish(port, gate, **how):
    """A live encoder."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, **how)
    writer.write(PUBLISH)
    take = await soon(gate.takes.get())
    await soon(take.first.wait())
    return reader, writer, take


def subject(writer):
    der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    return x509.load_der_x509_certificate(der).subject.rfc4514_string()


async def test_bytes_one_by_one_over_a_socket_are_the_same_session():
    """R-5."""
    gate = Gate()
    async with serving(gate) as (port, _):
        _, writer = await dial(port)
        for byte in PUBLISH[:200]:
            writer.write(bytes([byte]))
            await writer.drain()
        writer.write(PUBLISH[200:])
        take = await soon(gate.takes.get())
        await soon(take.first.wait())
        await hang_up(writer)


CLIENTS = [
    # id,                      server name,      ALPN
    ("R-7 no SNI",             None,             None),
    ("R-7 SNI is an IP",       "127.0.0.1",      None),
    ("R-7 unknown SNI",        "other.example",  None),
    ("R-7 ALPN rtmp",          "localhost",      ["rtmp"]),
    ("R-7 ALPN http/1.1",      "localhost",      ["h2", "http/1.1"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("server_name", "protocols"), [row[1:] for row in CLIENTS], ids=[row[0] for row in CLIENTS]
)
async def test_whatever_a_tls_client_says_of_itself_it_is_served(tls, server_name, protocols):
    context = tls.client()
    context.check_hostname = False
    if protocols:
        context.set_alpn_protocols(protocols)
    gate = Gate()
    server_tls = tls.server(tls.ecdsa)
    async with serving(gate, ssl_context=lambda: server_tls) as (port, _):
        how = {"server_hostname": server_name} if server_name else {"server_hostname": ""}
        _, writer, take = await publish(port, gate, ssl=context, **how)
        assert writer.get_extra_info("ssl_object").selected_alpn_protocol() is None
        assert take.attempt.encrypted
        await hang_up(writer)


VERSIONS = [
    # id,                                   version,                      ciphers,                          certificate
    ("R-8 TLS 1.2, full chain",             ssl.TLSVersion.TLSv1_2,       "ECDHE+AESGCM",                   "CN=ecdsa"),
    ("R-8 TLS 1.3, full chain",             ssl.TLSVersion.TLSv1_3,       "ECDHE+AESGCM",                   "CN=ecdsa"),
    ("R-8 a client that knows only RSA",    ssl.TLSVersion.TLSv1_2,       "ECDHE-RSA-AES128-GCM-SHA256",    "CN=rsa"),
    ("R-8 a client that knows only ECDSA",  ssl.TLSVersion.TLSv1_2,       "ECDHE-ECDSA-AES128-GCM-SHA256",  "CN=ecdsa"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("version", "ciphers", "certificate"),
    [row[1:] for row in VERSIONS],
    ids=[row[0] for row in VERSIONS],
)
async def test_each_tls_client_gets_a_chain_that_it_can_verify(tls, version, ciphers, certificate):
    context = tls.client()
    context.minimum_version = context.maximum_version = version
    context.set_ciphers(ciphers)
    gate = Gate()
    server_tls = tls.server(tls.ecdsa, tls.rsa)
    async with serving(gate, ssl_context=lambda: server_tls) as (port, _):
        _, writer, _ = await publish(port, gate, ssl=context, server_hostname="localhost")
        assert subject(writer) == certificate
        await hang_up(writer)


GOODBYES = [
    # id,                                encrypted, reset
    ("R-10 FIN in a message",            False,     False),
    ("R-10 RST in a message",            False,     True),
    ("R-10 TLS, close_notify",           True,      False),
    ("R-10 TLS, RST in a message",       True,      True),
]  # fmt: skip


@pytest.mark.parametrize(
    ("encrypted", "reset"), [row[1:] for row in GOODBYES], ids=[row[0] for row in GOODBYES]
)
async def test_an_encoder_that_goes_in_the_middle_costs_one_calm_line(tls, encrypted, reset):
    gate = Gate()
    server_tls = tls.server(tls.ecdsa)
    how = {"ssl": tls.client(), "server_hostname": "localhost"} if encrypted else {}
    async with serving(gate, ssl_context=(lambda: server_tls) if encrypted else None) as (
        port,
        log,
    ):
        _, writer, take = await publish(port, gate, **how)
        writer.write(audio(aac(bytes(90)))[:40])
        await writer.drain()
        if reset:
            sock = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        else:
            await hang_up(writer)
        await soon(take.over.wait())
        await ended(log)

    assert [line["log_level"] for line in log] == ["info"]


HEADERS = [("R-11 version 1", V1), ("R-11 version 2", V2)]


@pytest.mark.parametrize("encrypted", [False, True], ids=["RTMP", "RTMPS"])
@pytest.mark.parametrize("header", [row[1] for row in HEADERS], ids=[row[0] for row in HEADERS])
async def test_behind_a_load_balancer_the_encoders_address_is_known(tls, header, encrypted):
    gate = Gate()
    loop = asyncio.get_running_loop()
    server_tls = tls.server(tls.ecdsa)
    context = (lambda: server_tls) if encrypted else None
    how = {"ssl": tls.client(), "server_hostname": "localhost"} if encrypted else {}
    async with serving(gate, ssl_context=context, proxy_protocol=True) as (port, log):
        sock = socket.socket()
        sock.settimeout(0)
        await loop.sock_connect(sock, ("127.0.0.1", port))
        await loop.sock_sendall(sock, header)
        _, writer = await asyncio.open_connection(sock=sock, **how)
        writer.write(PUBLISH)
        take = await soon(gate.takes.get())
        await soon(take.first.wait())
        await hang_up(writer)
        [line] = await ended(log)

    assert take.attempt.peer == "203.0.113.9:50123"
    assert line["peer"] == "203.0.113.9:50123"


async def test_header_and_session_may_come_in_one_write():
    """R-11."""
    gate = Gate()
    async with serving(gate, proxy_protocol=True) as (port, _):
        _, writer = await dial(port, V1 + PUBLISH)
        take = await soon(gate.takes.get())
        await soon(take.first.wait())
        await hang_up(writer)


UNTOLD = [
    # id,                               bytes,                            reason
    ("R-11 no header",                  PUBLISH,                          "PROXY header: no PROXY header"),
    ("R-11 line cut off",               V1[:20],                          "PROXY header: the connection ended"),
    ("R-11 no end of the line",         b"PROXY TCP4 " + b"1" * 200,      "PROXY header: PROXY line without its end"),
    ("R-11 scan",                       b"",                              "PROXY header: the connection ended"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("data", "reason"), [row[1:] for row in UNTOLD], ids=[row[0] for row in UNTOLD]
)
async def test_without_a_header_nobody_is_served(data, reason):
    async with serving(Gate(), proxy_protocol=True) as (port, log):
        reader, writer = await dial(port, data)
        if reason.endswith("ended"):
            writer.write_eof()
        assert await rest(reader) == b""
        await hang_up(writer)
        [line] = await ended(log)

    assert line["reason"].startswith(reason)
    assert [each["log_level"] for each in log] == ["info"]


async def test_a_header_that_does_not_come_is_not_waited_for_for_ever(monkeypatch):
    """R-11."""
    monkeypatch.setattr(server, "PUBLISH_TIMEOUT_S", 0.1)
    async with serving(Gate(), proxy_protocol=True) as (port, log):
        reader, writer = await dial(port, V1[:9])
        assert await rest(reader) == b""
        await hang_up(writer)
        [line] = await ended(log)

    assert line["reason"] == "PROXY header: TimeoutError"


async def test_connections_without_a_header_count_as_connections():
    """R-11."""
    async with serving(Gate(), proxy_protocol=True, max_connections=2) as (port, log):
        held = [await dial(port, V1[:9]) for _ in range(2)]
        reader, writer = await dial(port, V1)
        assert await rest(reader) == b""
        for _, each in (*held, (reader, writer)):
            await hang_up(each)
        await ended(log, 2)


async def test_those_who_wait_are_counted_by_their_own_address():
    """R-11."""
    other = V1.replace(b".9 ", b".8 ")
    async with serving(Gate(), proxy_protocol=True, max_waiting_per_address=1) as (port, log):
        first = await dial(port, V1)
        await asyncio.sleep(0.05)
        again = await dial(port, V1)
        assert await rest(again[0]) == b""
        second = await dial(port, other + PUBLISH)
        assert await soon(second[0].read(1)) == b"\x03"
        for _, writer in (first, again, second):
            await hang_up(writer)
        await ended(log, 2)


async def test_a_header_is_not_believed_when_it_is_not_asked_for():
    """R-11."""
    async with serving(Gate()) as (port, log):
        reader, writer = await dial(port, V1 + PUBLISH)
        await rest(reader)
        await hang_up(writer)
        [line] = await ended(log)

    assert line["peer"].startswith("127.0.0.1:")
    assert "rtmp.proxy_protocol is off" in line["reason"]


async def test_a_new_certificate_is_for_new_connections_and_disturbs_none(tls):
    """R-12."""
    gate = Gate()
    contexts = [tls.server(tls.ecdsa), tls.server(tls.rsa)]
    how = {"ssl": tls.client(), "server_hostname": "localhost"}
    async with serving(gate, ssl_context=lambda: contexts[0]) as (port, _):
        _, first, take = await publish(port, gate, **how)
        contexts.pop(0)
        _, second, _ = await publish(port, gate, **how)
        first.write(audio(aac(b"x"), 9) * 2)
        async with asyncio.timeout(5):
            while len(take.items) < 3:  # noqa: ASYNC110 - the publisher wakes nobody
                await asyncio.sleep(0.01)
        assert (subject(first), subject(second)) == ("CN=ecdsa", "CN=rsa")
        for writer in (first, second):
            await hang_up(writer)


async def test_the_network_changes_and_the_encoder_is_there_again():
    """R-47: to the ingest, the second connection is a publish of its own."""
    gate = Gate()
    async with serving(gate) as (port, _):
        _, dead, _ = await publish(port, gate)
        _, alive, _ = await publish(port, gate)
        for writer in (dead, alive):
            await hang_up(writer)


def test_the_wire_of_these_tests_is_rtmp():
    assert PUBLISH.startswith(wire.HANDSHAKE)
