"""Keys made by `cryptography`, by OpenSSL's forms and by a damaged hand."""

import base64
import hashlib
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.auth.playback_keys import MAX_PEM_LENGTH, PublicKey, parse_public_key
from headwater.core.errors import LimitError, PeerError

PRIVATE = ec.generate_private_key(ec.SECP384R1())
DER = PRIVATE.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
# The head of a SubjectPublicKeyInfo on P-384 (RFC 5480); a point follows.
ALGORITHM = bytes.fromhex("301006072a8648ce3d020106052b81040022")


def pem_of(key):
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def block(label, der):
    text = base64.b64encode(der).decode()
    lines = "\n".join(text[start : start + 64] for start in range(0, len(text), 64))
    return f"-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n"


PEM = pem_of(PRIVATE.public_key())
POINT = PRIVATE.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
COMPRESSED = b"\x30\x46" + ALGORITHM + b"\x03\x32\x00" + POINT


def certificate():
    name = x509.Name([])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(
        name, name, PRIVATE.public_key(), 1, now, now + timedelta(days=1)
    )
    return builder.sign(PRIVATE, hashes.SHA384()).public_bytes(Encoding.PEM).decode()


def private(form):
    return PRIVATE.private_bytes(Encoding.PEM, form, serialization.NoEncryption()).decode()


SAME_KEY = [
    ("as made",             PEM),
    ("no last newline",     PEM.rstrip("\n")),
    ("more newlines",       f"\n\n{PEM}\n\n"),
    ("CRLF",                PEM.replace("\n", "\r\n")),
    ("spaces and tabs",     PEM.replace("\n", " \n\t")),
    ("one line",            PEM.replace("\n", "")),
    ("compressed point",    block("PUBLIC KEY", COMPRESSED)),
]  # fmt: skip


@pytest.mark.parametrize("pem", [row[1] for row in SAME_KEY], ids=[row[0] for row in SAME_KEY])
def test_a_key_is_the_same_however_it_is_written(pem):
    assert parse_public_key(pem) == PublicKey(DER)


def test_the_fingerprint_is_the_md5_of_the_der():
    pairs = hashlib.md5(DER, usedforsecurity=False).hexdigest()
    expected = ":".join(pairs[start : start + 2] for start in range(0, 32, 2))

    assert parse_public_key(PEM).fingerprint == expected
    assert len(expected) == 47


REFUSED = [
    # id,                   PEM,                                                   says
    ("empty",               "",                                                    "one block"),
    ("garbage",             "hello",                                               "one block"),
    ("bare base64",         base64.b64encode(DER).decode(),                        "one block"),
    ("escaped newlines",    PEM.replace("\n", "\\n"),                              "one block"),
    ("two keys",            PEM + PEM,                                             "one block"),
    ("text before",         "my key:\n" + PEM,                                     "one block"),
    ("EC parameters",       block("EC PARAMETERS", b"\x06\x05+\x81\x04\x00\x22") + PEM, "not EC PARAMETERS"),
    ("certificate",         certificate(),                                         "not CERTIFICATE"),
    ("private, PKCS 8",     private(serialization.PrivateFormat.PKCS8),            "not a private key"),
    ("private, SEC 1",      private(serialization.PrivateFormat.TraditionalOpenSSL), "not a private key"),
    ("public and private",  PEM + private(serialization.PrivateFormat.PKCS8),      "not a private key"),
    ("half a private key",  "-----BEGIN EC PRIVATE KEY-----\nMIG",                 "not a private key"),
    ("damaged base64",      PEM.replace("PUBLIC KEY-----\nM", "PUBLIC KEY-----\n"),  "base64 is damaged"),
    ("no DER",              block("PUBLIC KEY", b"hello"),                         "cannot be read"),
    ("cut short",           block("PUBLIC KEY", DER[:-1]),                         "cannot be read"),
    ("bytes behind",        block("PUBLIC KEY", DER + b"x"),                       "cannot be read"),
    ("not on the curve",    block("PUBLIC KEY", DER[:-1] + bytes([DER[-1] ^ 1])),  "cannot be read"),
    ("P-256",               pem_of(ec.generate_private_key(ec.SECP256R1()).public_key()), "not on secp256r1"),
    ("P-521",               pem_of(ec.generate_private_key(ec.SECP521R1()).public_key()), "not on secp521r1"),
    ("RSA",                 pem_of(rsa.generate_private_key(65537, 2048).public_key()), "another algorithm"),
    ("Ed25519",             pem_of(ed25519.Ed25519PrivateKey.generate().public_key()), "another algorithm"),
    ("no ASCII space",      PEM.replace("\n", "\u2003"),                           "one block"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("pem", "says"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_says_what_is_wrong_and_repeats_nothing_of_it(pem, says):
    with pytest.raises(PeerError, match=says) as caught:
        parse_public_key(pem)

    text = str(caught.value)
    assert text.startswith("must be the PEM of a public key on the curve P-384")
    assert not any(line in text for line in pem.split() if len(line) > 12)


def test_refuses_a_text_that_is_longer_than_any_key():
    with pytest.raises(LimitError, match=f"at most {MAX_PEM_LENGTH} characters"):
        parse_public_key(PEM + "\n" * MAX_PEM_LENGTH)


@settings(max_examples=200)
@given(
    st.one_of(
        st.text(max_size=200),
        st.binary(max_size=130).map(lambda der: block("PUBLIC KEY", der)),
        st.binary(max_size=97).map(
            lambda point: block("PUBLIC KEY", b"\x30\x76" + ALGORITHM + b"\x03\x62\x00" + point)
        ),
    )
)
def test_any_text_is_a_key_or_a_peers_error(pem):
    try:
        key = parse_public_key(pem)
    except PeerError:
        return
    assert len(key.der) == len(DER)
