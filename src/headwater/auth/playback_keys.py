"""The public keys that verify playback tokens.

Source: IVS user guide, "Setting Up Private Channels": tokens are signed with ES384, so a
key is on the curve P-384; PEM (RFC 7468 §13) of a SubjectPublicKeyInfo (RFC 5480 §2).
AWS's fingerprint of one is the MD5 of its DER, as Terraform's provider computes it.

No text of an error repeats what was sent: it may be a private key, sent by mistake.
"""

import base64
import binascii
import re
from hashlib import md5

from msgspec import Struct

from headwater.core.errors import LimitError, PeerError

MAX_PEM_LENGTH = 4096
"""Characters. A P-384 key has about 215, with explicit curve parameters about 700."""

_PUBLIC = "PUBLIC KEY"
_LABEL = re.compile(r"-----BEGIN ([A-Z0-9 ]{1,40})-----")
_WHITE = " \t\r\n"
_BLOCK = re.compile(
    rf"[{_WHITE}]*-----BEGIN {_PUBLIC}-----"
    rf"([A-Za-z0-9+/={_WHITE}]+)"
    rf"-----END {_PUBLIC}-----[{_WHITE}]*"
)
_WANTED = "the PEM of a public key on the curve P-384 (secp384r1)"


class PublicKey(Struct, frozen=True):
    """A public key, always in the same bytes however it was written."""

    der: bytes  # SubjectPublicKeyInfo: named curve, uncompressed point

    @property
    def fingerprint(self) -> str:
        """16 pairs of lower-case hexadecimal digits, joined by ":"."""
        # AWS's form; it names the key and protects nothing.
        return md5(self.der, usedforsecurity=False).digest().hex(":")


def parse_public_key(pem: str) -> PublicKey:
    """The key of a PEM text with one block, white space around it allowed.

    Raises:
        LimitError: the text is longer than any such key.
        PeerError: it is no such key; the text says what it is instead.
    """
    if len(pem) > MAX_PEM_LENGTH:
        raise LimitError(f"must be {_WANTED}, of at most {MAX_PEM_LENGTH} characters")
    labels = _LABEL.findall(pem)
    if any("PRIVATE" in label for label in labels):
        raise PeerError(f"must be {_WANTED}, not a private key, which nobody else should see")
    block = _BLOCK.fullmatch(pem)
    if block is None:
        found = f", not {labels[0]}" if labels and labels[0] != _PUBLIC else ""
        raise PeerError(f"must be {_WANTED}, one block and nothing else{found}")
    try:
        der = base64.b64decode("".join(block[1].split()), validate=True)
    except binascii.Error:
        raise PeerError(f"must be {_WANTED}; its base64 is damaged") from None
    return PublicKey(_normal(der))


def _normal(der: bytes) -> bytes:
    # Imported at the first key: a start of the server is quicker without.
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

    try:
        key = serialization.load_der_public_key(der)
    except (ValueError, UnsupportedAlgorithm):
        raise PeerError(f"must be {_WANTED}; this one cannot be read") from None
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise PeerError(f"must be {_WANTED}, not a key of another algorithm")
    if not isinstance(key.curve, ec.SECP384R1):
        raise PeerError(f"must be {_WANTED}, not on {key.curve.name}")
    return key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
