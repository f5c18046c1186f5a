"""The TLS certificate: the operator's, or a self-signed one made at first start.

`Certificate` serves it and looks for changed files. A changed pair that is usable holds for
every handshake from then on; connections that are up keep theirs. One that is not (half
written, or no pair) leaves the old one in force, with one warning for each state of the files.
"""

import contextlib
import ipaddress
import os
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from msgspec import Struct

from headwater.core.errors import OperatorError

if TYPE_CHECKING:
    from cryptography import x509

VALID_DAYS = 825
"""As long as Apple's platforms accept for a certificate that a user trusts by hand."""
RENEW_DAYS = 30

_Stamp = tuple[tuple[int, int, int], ...]

log = structlog.get_logger(__name__)


class CertificateFiles(Struct, frozen=True):
    """PEM files: the full chain and its private key.

    The second pair, where there is one, is of the other key type (RSA beside ECDSA): OpenSSL
    picks by what the client can verify.
    """

    certificate: Path
    key: Path
    second_certificate: Path | None = None
    second_key: Path | None = None

    @property
    def paths(self) -> list[Path]:
        """All files."""
        files = (self.certificate, self.key, self.second_certificate, self.second_key)
        return [path for path in files if path is not None]


class Certificate:
    """The pair in force."""

    def __init__(self, files: CertificateFiles) -> None:
        """Load the pair.

        Raises:
            OperatorError: it cannot be used.
        """
        self.files = files
        self._seen = _stamp(files)
        self._context = server_context(files)

    def context(self) -> ssl.SSLContext:
        """For the next handshake."""
        return self._context

    def reload_if_changed(self) -> bool:
        """Look at the files; whether a new pair is in force now."""
        stamp = _stamp(self.files)
        if stamp == self._seen:
            return False
        self._seen = stamp
        try:
            self._context = server_context(self.files)
        except OperatorError as error:
            log.warning("changed certificate not used, the old one stays", error=str(error))
            return False
        log.info("certificate reloaded", file=str(self.files.certificate))
        return True


def _stamp(files: CertificateFiles) -> _Stamp:
    """What tells one state of the files from another; links are followed."""
    stamps = []
    for path in files.paths:
        with contextlib.suppress(OSError):
            status = path.stat()
            stamps.append((status.st_mtime_ns, status.st_ino, status.st_size))
    return tuple(stamps)


def certificate_files(
    *,
    certificate_file: str,
    key_file: str,
    data_dir: Path,
    hosts: list[str],
    second_certificate_file: str = "",
    second_key_file: str = "",
) -> CertificateFiles:
    """The files to serve TLS with; makes a self-signed pair in `data_dir` where none is set.

    Args:
        certificate_file: the operator's chain, or "".
        key_file: its key, or "".
        data_dir: where the self-signed pair lives.
        hosts: names and addresses that the self-signed certificate is for.
        second_certificate_file: the operator's chain of the other key type, or "".
        second_key_file: its key, or "".

    Raises:
        OperatorError: the operator's files cannot be used.
    """
    if certificate_file:
        files = CertificateFiles(
            Path(certificate_file),
            Path(key_file),
            Path(second_certificate_file) if second_certificate_file else None,
            Path(second_key_file) if second_key_file else None,
        )
        server_context(files)  # refuse at start, not at the first viewer
        return files
    files = CertificateFiles(data_dir / "certificate.pem", data_dir / "certificate-key.pem")
    if not _usable(files):
        _make(files, hosts)
    return files


def server_context(files: CertificateFiles) -> ssl.SSLContext:
    """A server-side context with TLS 1.2 and 1.3.

    Raises:
        OperatorError: a file is missing, unreadable or not a matching pair.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _load(context, "", files.certificate, files.key)
    if files.second_certificate is not None and files.second_key is not None:
        _load(context, "second_", files.second_certificate, files.second_key)
    return context


def _load(context: ssl.SSLContext, prefix: str, certificate: Path, key: Path) -> None:
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        reason = getattr(error, "reason", None) or error.strerror or "not PEM"
        raise OperatorError(
            f"tls.{prefix}certificate_file = {str(certificate)!r}, tls.{prefix}key_file = "
            f"{str(key)!r}: not a usable certificate and key: {reason}"
        ) from None


def _usable(files: CertificateFiles) -> bool:
    if not (files.certificate.exists() and files.key.exists()):
        return False
    try:
        context = server_context(files)
    except OperatorError:
        return False  # damaged, say by a full disk: it is ours to make again
    # Read by ssl, since every start passes here and cryptography is slow to import.
    context.load_verify_locations(files.certificate)
    expires_s = min(ssl.cert_time_to_seconds(str(ca["notAfter"])) for ca in context.get_ca_certs())
    remaining = datetime.fromtimestamp(expires_s, UTC) - datetime.now(UTC)
    return remaining > timedelta(days=RENEW_DAYS)


def _make(files: CertificateFiles, hosts: list[str]) -> None:
    from cryptography import x509  # noqa: PLC0415 - only at first start
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415
    from cryptography.x509.oid import NameOID  # noqa: PLC0415

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Headwater self-signed")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=VALID_DAYS))
        .add_extension(
            x509.SubjectAlternativeName([_general_name(host) for host in hosts]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    _write(files.key, pem)
    _write(files.certificate, certificate.public_bytes(serialization.Encoding.PEM))


def _general_name(host: str) -> "x509.GeneralName":
    from cryptography import x509  # noqa: PLC0415

    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all, and never readable by others, not even for a moment."""
    beside = path.with_suffix(".new")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    beside.replace(path)
