"""Certificates for tests: a root, an intermediate, and leaves of either key type, as PEM."""

import datetime as dt
import ipaddress

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

NAMES = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]


def new_key(kind):
    if kind == "RSA":
        return rsa.generate_private_key(public_exponent=65_537, key_size=2048)
    return ec.generate_private_key(ec.SECP256R1())


def sign(key, name, issuer_key, issuer_name, *, ca):
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(issuer_name))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
    )
    if not ca:
        builder = builder.add_extension(x509.SubjectAlternativeName(NAMES), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def _name(text):
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def pem(*certificates):
    return b"".join(each.public_bytes(serialization.Encoding.PEM) for each in certificates)


def key_pem(key):
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


class Authority:
    """A root that clients trust, and an intermediate that signs."""

    def __init__(self):
        self._root_key, self._key = new_key("ECDSA"), new_key("ECDSA")
        self.root = sign(self._root_key, "root", self._root_key, "root", ca=True)
        self._intermediate = sign(self._key, "intermediate", self._root_key, "root", ca=True)

    def issue(self, folder, name, kind="ECDSA"):
        """Files of a full chain and its key."""
        key = new_key(kind)
        leaf = sign(key, name, self._key, "intermediate", ca=False)
        certificate_file, key_file = folder / f"{name}.pem", folder / f"{name}-key.pem"
        certificate_file.write_bytes(pem(leaf, self._intermediate))
        key_file.write_bytes(key_pem(key))
        return certificate_file, key_file
