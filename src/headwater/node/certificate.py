"""The TLS certificate: the operator's, or a self-signed one made at first start."""

import ipaddress
import os
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from headwater.core.errors import OperatorError

if TYPE_CHECKING:
    from cryptography import x509

VALID_DAYS = 825
"""As long as Apple's platforms accept for a certificate that a user trusts by hand."""
RENEW_DAYS = 30


class CertificateFiles(Struct, frozen=True):
    """PEM files: the full chain and its private key."""

    certificate: Path
    key: Path


def certificate_files(
    *, certificate_file: str, key_file: str, data_dir: Path, hosts: list[str]
) -> CertificateFiles:
    """The files to serve TLS with; makes a self-signed pair in `data_dir` where none is set.

    Args:
        certificate_file: the operator's chain, or "".
        key_file: its key, or "".
        data_dir: where the self-signed pair lives.
        hosts: names and addresses that the self-signed certificate is for.

    Raises:
        OperatorError: the operator's files cannot be used.
    """
    if certificate_file:
        files = CertificateFiles(Path(certificate_file), Path(key_file))
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
    try:
        context.load_cert_chain(files.certificate, files.key)
    except (OSError, ssl.SSLError) as error:
        reason = error.reason if isinstance(error, ssl.SSLError) else error.strerror
        raise OperatorError(
            f"tls.certificate_file = {str(files.certificate)!r}, tls.key_file = "
            f"{str(files.key)!r}: not a usable certificate and key: {reason}"
        ) from None
    return context


def _usable(files: CertificateFiles) -> bool:
    if not (files.certificate.exists() and files.key.exists()):
        return False
    from cryptography import x509  # noqa: PLC0415 - slow to import, not needed on every path

    expires = x509.load_pem_x509_certificate(files.certificate.read_bytes()).not_valid_after_utc
    remaining = expires - datetime.now(UTC)
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
    _write_private(files.key, pem)
    files.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def _general_name(host: str) -> "x509.GeneralName":
    from cryptography import x509  # noqa: PLC0415

    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _write_private(path: Path, data: bytes) -> None:
    """Never readable by others, not even for a moment."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
