"""The PROXY protocol's header: whom a load balancer in front speaks for.

Source: haproxy.org, "The PROXY protocol", versions 1 (§2.1) and 2 (§2.2), receiver side.

States: read the fixed start -> read the rest -> done. Any error is final. The header comes
before TLS and before RTMP, and what follows it belongs to them: so the reader says how many
bytes may be taken off the socket without reaching beyond the header.
"""

import ipaddress

from msgspec import Struct

from headwater.core.errors import LimitError, PeerError

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
V1_START = b"PROXY "
V1_MAX_BYTES = 107
"""§2.1: the longest line, with its CR LF."""
V2_MAX_BYTES = 2048
"""§2.2 allows 65,551; senders stay below 536 (§2), with a TLS peer's names below 2,000."""

_V1_MIN_BYTES = len(b"PROXY UNKNOWN\r\n")
_V2_HEADER_BYTES = 16
_V2_VERSION, _LOCAL, _PROXY = 2, 0, 1
_V1_PARTS = 6
_MAX_PORT = 0xFFFF
# Address family and transport (§2.2): TCP over IPv4 and IPv6, with the size of one address.
_V2_ADDRESS_BYTES = {0x11: 4, 0x21: 16}


class ProxiedAddress(Struct, frozen=True, kw_only=True):
    """Where the connection to the load balancer came from."""

    host: str
    port: int


class ProxyHeader:
    """Reads one header of either version.

        while header.bytes_wanted: header.receive_data(at most that many bytes)

    `address` is then the peer's, or None where the load balancer speaks for itself (health
    checks) or for something that is not TCP.
    """

    def __init__(self) -> None:
        self.address: ProxiedAddress | None = None
        self.bytes_wanted = _V1_MIN_BYTES
        self._data = bytearray()

    def receive_data(self, data: bytes) -> None:
        """Take 1 to `bytes_wanted` bytes.

        Raises:
            PeerError: this is no header, or a broken one.
            LimitError: longer than V1_MAX_BYTES or V2_MAX_BYTES.
        """
        self._data += data
        if self._starts_like(SIGNATURE):
            self._read_v2()
        elif self._starts_like(V1_START):
            self._read_v1()
        else:
            raise PeerError("no PROXY header, which rtmp.proxy_protocol = on expects")

    def _starts_like(self, start: bytes) -> bool:
        return start.startswith(bytes(self._data[: len(start)]))

    def _read_v1(self) -> None:
        data = self._data
        if not data.endswith(b"\r\n"):
            if len(data) >= V1_MAX_BYTES or b"\n" in data:
                raise LimitError(f"PROXY line without its end in {V1_MAX_BYTES} bytes")
            # One byte at a time towards the end: its length is written nowhere.
            self.bytes_wanted = max(1, _V1_MIN_BYTES - len(data))
            return
        self.bytes_wanted = 0
        parts = data[:-2].decode("latin-1").split(" ")
        if parts[1] == "UNKNOWN":
            return
        if len(parts) != _V1_PARTS or parts[1] not in {"TCP4", "TCP6"}:
            raise PeerError("PROXY line cannot be read")
        version = 4 if parts[1] == "TCP4" else 6
        _v1_address(parts[3], parts[5], version)  # ours: only checked
        self.address = _v1_address(parts[2], parts[4], version)

    def _read_v2(self) -> None:
        data = self._data
        if len(data) < _V2_HEADER_BYTES:
            self.bytes_wanted = _V2_HEADER_BYTES - len(data)
            return
        version, command = data[12] >> 4, data[12] & 0x0F
        if version != _V2_VERSION or command not in {_LOCAL, _PROXY}:
            raise PeerError(f"PROXY header of version {version}, command {command}")
        size = int.from_bytes(data[14:16], "big")
        if _V2_HEADER_BYTES + size > V2_MAX_BYTES:
            raise LimitError(f"PROXY header of {_V2_HEADER_BYTES + size} bytes")
        self.bytes_wanted = _V2_HEADER_BYTES + size - len(data)
        if self.bytes_wanted == 0 and command == _PROXY:
            self._read_v2_addresses(data[13], bytes(data[_V2_HEADER_BYTES:]))

    def _read_v2_addresses(self, family: int, body: bytes) -> None:
        size = _V2_ADDRESS_BYTES.get(family)
        if size is None:
            return  # §2.2: other families are accepted, their addresses left alone
        if len(body) < 2 * size + 4:
            raise PeerError("PROXY header ends inside its addresses")
        self.address = ProxiedAddress(
            host=str(ipaddress.ip_address(body[:size])),
            port=int.from_bytes(body[2 * size : 2 * size + 2], "big"),
        )


def _v1_address(host: str, port: str, version: int) -> ProxiedAddress:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        raise PeerError("PROXY line has no IP address where one belongs") from None
    if address.version != version or not (port.isascii() and port.isdecimal()):
        raise PeerError("PROXY line has a wrong address or port")
    if int(port) > _MAX_PORT:
        raise PeerError("PROXY line has a port beyond 65535")
    return ProxiedAddress(host=str(address), port=int(port))
