"""Any bytes give a peer's address or a PeerError, within the header's bound."""

import ipaddress

from headwater.core.errors import PeerError
from headwater.ingest.proxy import V2_MAX_BYTES, ProxyHeader


def run(data: bytes) -> None:
    """One input: what a connection starts with."""
    header, position = ProxyHeader(), 0
    while header.bytes_wanted:
        piece = data[position : position + header.bytes_wanted]
        if not piece:
            return
        try:
            header.receive_data(piece)
        except PeerError:
            return
        position += len(piece)
        if position > V2_MAX_BYTES:
            raise AssertionError("read beyond the bound")
    if header.address is not None:
        ipaddress.ip_address(header.address.host)
