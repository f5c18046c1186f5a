"""The plain RTMP handshake, server side, without I/O.

Source: Adobe RTMP 1.0 §5.2. Clients that put a digest into C1 accept a plain answer.

    client: C0 C1 ............ C2, chunks
    server: ........ S0 S1 S2

States: read C0 -> read C1 -> read C2 -> done. Any error is final.
"""

from headwater.core.errors import PeerError

VERSION = 3
NONCE_BYTES = 1528
C1_BYTES = 8 + NONCE_BYTES

_FIRST_BYTE_TEXTS = {
    0x06: "encrypted RTMPE is not supported: use an rtmps:// URL",
    0x08: "encrypted RTMPE is not supported: use an rtmps:// URL",
    0x0D: "a PROXY header is not expected here: rtmp.proxy_protocol is off",
    0x16: "this port speaks plain RTMP, not TLS: use the RTMPS port for rtmps:// URLs",
}


class ServerHandshake:
    """Turns the bytes of C0, C1 and C2 into what follows them.

    `nonce` is 1528 random bytes for S1.
    """

    def __init__(self, *, nonce: bytes) -> None:
        if len(nonce) != NONCE_BYTES:
            raise ValueError(f"nonce must have {NONCE_BYTES} bytes")
        self._s1 = bytes(8) + nonce
        self._buffer = bytearray()
        self._out = bytearray()
        self._version_seen = False
        self._answered = False

    def receive_data(self, data: bytes) -> bytes | None:
        """Take bytes from the peer; None until C2 is complete, then what came after it.

        Raises:
            PeerError: the first byte is not version 3; says what it looks like instead.
        """
        self._buffer += data
        if not self._version_seen and self._buffer:
            _check_version(self._buffer[0])
            self._version_seen = True
        if not self._answered:
            if len(self._buffer) < 1 + C1_BYTES:
                return None
            # S2 repeats C1 to the byte: some mobile encoders compare it.
            self._out += bytes([VERSION]) + self._s1 + self._buffer[1 : 1 + C1_BYTES]
            del self._buffer[: 1 + C1_BYTES]
            self._answered = True
        if len(self._buffer) < C1_BYTES:
            return None
        # C2 should repeat S1 (§5.2.4). A wrong one harms nobody: not checked.
        return bytes(self._buffer[C1_BYTES:])

    def data_to_send(self) -> bytes:
        """Drain what must now be written to the peer (may be empty)."""
        out, self._out = bytes(self._out), bytearray()
        return out


def _check_version(version: int) -> None:
    """Raise PeerError for anything but version 3, at its first byte."""
    if version == VERSION:
        return
    text = _FIRST_BYTE_TEXTS.get(version)
    if text is None and chr(version) in "CDGHOPT":  # CONNECT DELETE GET HEAD OPTIONS POST TRACE
        text = "this port speaks RTMP, not HTTP"
        if version == ord("P"):  # "POST", or "PROXY"
            text += " (nor the PROXY protocol: rtmp.proxy_protocol is off)"
    raise PeerError(text or f"RTMP version {version}, expected {VERSION}")
