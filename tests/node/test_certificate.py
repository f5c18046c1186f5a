import asyncio
import contextlib
import http.client
import shutil
import ssl
import stat

import pytest
import structlog
from cryptography import x509

from headwater.core.errors import OperatorError
from headwater.core.http import Response
from headwater.node import certificate
from headwater.node.certificate import (
    Certificate,
    CertificateFiles,
    certificate_files,
    server_context,
)
from headwater.node.http_server import HttpServer
from headwater.node.listen import listen, port_of
from ingest.pki import Authority, pem


def made(tmp_path, hosts=("localhost", "127.0.0.1")):
    return certificate_files(certificate_file="", key_file="", data_dir=tmp_path, hosts=list(hosts))


def test_the_first_start_makes_a_pair_that_later_starts_keep(tmp_path):
    files = made(tmp_path)
    first = files.certificate.read_bytes()

    assert made(tmp_path) == files
    assert files.certificate.read_bytes() == first
    assert server_context(files) is not None


def test_the_key_is_readable_by_its_owner_only(tmp_path):
    assert stat.S_IMODE(made(tmp_path).key.stat().st_mode) == 0o600


def test_the_certificate_names_its_hosts(tmp_path):
    pem = made(tmp_path).certificate.read_bytes()

    names = x509.load_pem_x509_certificate(pem).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    assert names.value.get_values_for_type(x509.DNSName) == ["localhost"]
    assert [str(ip) for ip in names.value.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]


@pytest.mark.parametrize("damaged", ["certificate", "key"])
def test_a_damaged_pair_of_our_own_is_made_again(tmp_path, damaged):
    getattr(made(tmp_path), damaged).write_text("broken")

    assert server_context(made(tmp_path)) is not None


def test_an_unusable_pair_is_refused_by_name(tmp_path):
    bad = tmp_path / "bad.pem"
    bad.write_text("no certificate")

    with pytest.raises(OperatorError, match=r"tls\.certificate_file = .*bad\.pem"):
        certificate_files(
            certificate_file=str(bad), key_file=str(bad), data_dir=tmp_path, hosts=["localhost"]
        )


def test_a_missing_file_is_refused_by_name(tmp_path):
    with pytest.raises(OperatorError, match="No such file"):
        certificate_files(
            certificate_file=str(tmp_path / "a"),
            key_file=str(tmp_path / "b"),
            data_dir=tmp_path,
            hosts=["localhost"],
        )


@pytest.fixture(scope="module")
def authority():
    return Authority()


def in_place(folder, pair):
    """The pair copied to where the server looks for it."""
    files = CertificateFiles(folder / "chain.pem", folder / "key.pem")
    for source, target in zip(pair, (files.certificate, files.key), strict=True):
        shutil.copy(source, target)
    return files


def test_a_changed_pair_is_used_and_an_unchanged_one_is_left_alone(tmp_path, authority):
    certificate = Certificate(in_place(tmp_path, authority.issue(tmp_path, "old")))
    old = certificate.context()
    assert not certificate.reload_if_changed()

    in_place(tmp_path, authority.issue(tmp_path, "new", "RSA"))

    assert certificate.reload_if_changed()
    assert certificate.context() is not old
    assert not certificate.reload_if_changed()


BROKEN = [
    # id,                              what happens to the files
    ("R-12 half written",              lambda files, _: files.certificate.write_text("-----BEGIN CERT")),
    ("R-12 the key is not there yet",  lambda files, pair: shutil.copy(pair[0], files.certificate)),
    ("R-12 removed",                   lambda files, _: files.key.unlink()),
]  # fmt: skip


@pytest.mark.parametrize("breaks", [row[1] for row in BROKEN], ids=[row[0] for row in BROKEN])
def test_a_broken_pair_leaves_the_old_one_with_one_warning_until_it_is_whole(
    tmp_path, authority, breaks
):
    files = in_place(tmp_path, authority.issue(tmp_path, "old"))
    certificate = Certificate(files)
    old, new = certificate.context(), authority.issue(tmp_path, "new")

    with structlog.testing.capture_logs() as log:
        breaks(files, new)
        assert [certificate.reload_if_changed() for _ in range(3)] == [False] * 3
        assert certificate.context() is old
        in_place(tmp_path, new)
        assert certificate.reload_if_changed()

    assert [line["log_level"] for line in log] == ["warning", "info"]
    assert certificate.context() is not old


def test_a_second_pair_that_cannot_be_used_is_refused_by_name(tmp_path, authority):
    first, (chain, _) = authority.issue(tmp_path, "first"), authority.issue(tmp_path, "second")

    with pytest.raises(OperatorError, match=r"tls\.second_certificate_file = .*second\.pem"):
        certificate_files(
            certificate_file=str(first[0]),
            key_file=str(first[1]),
            data_dir=tmp_path,
            hosts=[],
            second_certificate_file=str(chain),
            second_key_file=str(first[1]),
        )


@pytest.mark.parametrize("wait_s", [1.0], ids=["R-12 HTTPS"])
async def test_https_takes_a_new_certificate_and_finishes_its_answers(tmp_path, authority, wait_s):
    files = in_place(tmp_path, authority.issue(tmp_path, "old"))
    sock = listen("127.0.0.1", 0, "http.tls_port")
    port = port_of(sock)
    asked = asyncio.Event()

    async def respond(request):
        asked.set()
        await asyncio.sleep(wait_s if request.path == "/slow" else 0)
        return Response(status=200, headers=[("content-length", "2")], body=b"ok")

    context = ssl.create_default_context(cadata=pem(authority.root).decode())

    def get(path):
        connection = http.client.HTTPSConnection("localhost", port, context=context, timeout=10)
        with contextlib.closing(connection):
            connection.connect()
            subject = dict(each[0] for each in connection.sock.getpeercert()["subject"])
            connection.request("GET", path)
            return subject["commonName"], connection.getresponse().read()

    async def get_with(subject):
        """Ask until the server of that certificate answers, for 5 s at most.

        What the old server takes in its last moment is closed unanswered.
        """
        async with asyncio.timeout(5):
            while True:
                with contextlib.suppress(ssl.SSLError, ConnectionError):
                    answer = await asyncio.to_thread(get, "/")
                    if answer[0] == subject:
                        return answer

    server = HttpServer(sock, respond, max_body_bytes=1000, certificate=files)
    server.start()
    try:
        slow = asyncio.create_task(asyncio.to_thread(get, "/slow"))
        await asyncio.wait_for(asked.wait(), 5)
        in_place(tmp_path, authority.issue(tmp_path, "new"))

        await server.renew_certificate()

        assert await get_with("new") == ("new", b"ok")
        assert await slow == ("old", b"ok")
        assert await get_with("new") == ("new", b"ok")
    finally:
        await server.stop()


def test_a_pair_of_our_own_that_expires_soon_is_made_again(tmp_path, monkeypatch):
    first = made(tmp_path).certificate.read_bytes()
    monkeypatch.setattr(certificate, "RENEW_DAYS", certificate.VALID_DAYS + 1)

    assert made(tmp_path).certificate.read_bytes() != first
