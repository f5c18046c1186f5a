import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.core.errors import LimitError, PeerError
from headwater.ingest.proxy import SIGNATURE, V2_MAX_BYTES, ProxiedAddress, ProxyHeader


def v2(family, body=b"", *, command=1, version=2, size=None):
    length = (len(body) if size is None else size).to_bytes(2, "big")
    return SIGNATURE + bytes([version << 4 | command, family]) + length + body


def addresses(source, target="192.0.2.1", port=50_123):
    parts = [ipaddress.ip_address(each).packed for each in (source, target)]
    return b"".join(parts) + port.to_bytes(2, "big") + (1935).to_bytes(2, "big")


def take(data, most=10_000):
    """Read from `data` as from a socket: at most what the header wants, at most `most`."""
    header, position = ProxyHeader(), 0
    while header.bytes_wanted:
        piece = data[position : position + min(most, header.bytes_wanted)]
        if not piece:
            return None, position
        header.receive_data(piece)
        position += len(piece)
    return header.address, position


def address(host, port):
    return ProxiedAddress(host=host, port=port)


LOCAL6 = "2001:db8::7"
LONG_V1 = f"PROXY TCP6 {'ffff:' * 7}ffff {'ffff:' * 7}ffff 65535 65535\r\n".encode()

READ = [
    # id,                        header,                                                           address
    ("v1 TCP4",                  b"PROXY TCP4 203.0.113.9 192.0.2.1 50123 1935\r\n",               address("203.0.113.9", 50_123)),
    ("v1 TCP6",                  b"PROXY TCP6 2001:db8::7 2001:db8::1 1 1935\r\n",                 address(LOCAL6, 1)),
    ("v1 longest",               LONG_V1,                                                          address("ffff:" * 7 + "ffff", 65_535)),
    ("v1 UNKNOWN",               b"PROXY UNKNOWN\r\n",                                             None),
    ("v1 UNKNOWN with a tail",   b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n",                         None),
    ("v2 TCP4",                  v2(0x11, addresses("203.0.113.9")),                               address("203.0.113.9", 50_123)),
    ("v2 TCP6",                  v2(0x21, addresses(LOCAL6, "2001:db8::1")),                       address(LOCAL6, 50_123)),
    ("v2 with TLVs",             v2(0x11, addresses("203.0.113.9") + b"\x20\0\x05" + bytes(500)),  address("203.0.113.9", 50_123)),
    ("v2 LOCAL",                 v2(0x00, command=0),                                              None),
    ("v2 LOCAL with addresses",  v2(0x11, addresses("203.0.113.9"), command=0),                    None),
    ("v2 unspecified",           v2(0x00, bytes(12)),                                              None),
    ("v2 UDP",                   v2(0x12, addresses("203.0.113.9")),                               None),
    ("v2 Unix socket",           v2(0x31, bytes(216)),                                             None),
]  # fmt: skip


@pytest.mark.parametrize("most", [1, 3, 10_000])
@pytest.mark.parametrize(
    ("data", "expected"), [row[1:] for row in READ], ids=[f"R-11 {row[0]}" for row in READ]
)
def test_a_header_is_read_to_its_last_byte_and_no_further(data, expected, most):
    assert take(data + b"\x03what follows", most) == (expected, len(data))


REJECTED = [
    # id,                        header,                                                 error,       says
    ("RTMP",                     b"\x03" + bytes(1536),                                  PeerError,   "no PROXY header"),
    ("TLS",                      bytes.fromhex("1603010200010001fc0303") + bytes(20),    PeerError,   "no PROXY header"),
    ("HTTP",                     b"POST / HTTP/1.1\r\n",                                 PeerError,   "no PROXY header"),
    ("v1 without end",           b"PROXY TCP4 " + b"1" * 200,                            LimitError,  "without its end in 107"),
    ("v1 line feed only",        b"PROXY UNKNOWN\n" + bytes(200),                        LimitError,  "without its end"),
    ("v1 other family",          b"PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n",                  PeerError,   "cannot be read"),
    ("v1 parts missing",         b"PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n",                    PeerError,   "cannot be read"),
    ("v1 two spaces",            b"PROXY  TCP4 1.2.3.4 5.6.7.8 1 2\r\n",                 PeerError,   "cannot be read"),
    ("v1 no address",            b"PROXY TCP4 example.com 5.6.7.8 1 2\r\n",              PeerError,   "no IP address"),
    ("v1 wrong family",          b"PROXY TCP4 2001:db8::7 5.6.7.8 1 2\r\n",              PeerError,   "wrong address or port"),
    ("v1 our address wrong",     b"PROXY TCP4 1.2.3.4 x 1 2\r\n",                        PeerError,   "no IP address"),
    ("v1 port signed",           b"PROXY TCP4 1.2.3.4 5.6.7.8 -1 2\r\n",                 PeerError,   "wrong address or port"),
    ("v1 port too large",        b"PROXY TCP4 1.2.3.4 5.6.7.8 65536 2\r\n",              PeerError,   "beyond 65535"),
    ("v2 version 1",             v2(0x11, addresses("1.2.3.4"), version=1),              PeerError,   "version 1"),
    ("v2 command 2",             v2(0x11, addresses("1.2.3.4"), command=2),              PeerError,   "command 2"),
    ("v2 addresses cut",         v2(0x21, addresses("1.2.3.4")),                         PeerError,   "inside its addresses"),
    ("v2 of 64 kB",              v2(0x11, size=0xFFFF),                                  LimitError,  "of 65551 bytes"),
]  # fmt: skip


@pytest.mark.parametrize("most", [1, 10_000])
@pytest.mark.parametrize(
    ("data", "error", "says"),
    [row[1:] for row in REJECTED],
    ids=[f"R-11 {row[0]}" for row in REJECTED],
)
def test_what_is_no_header_is_refused(data, error, says, most):
    with pytest.raises(error, match=says):
        take(data, most)


@given(
    st.binary(max_size=300)
    | st.binary(max_size=120).map(lambda tail: b"PROXY " + tail)
    | st.binary(max_size=300).map(lambda tail: SIGNATURE + tail),
    st.integers(1, 50),
)
def test_any_bytes_give_an_address_or_a_peer_error_within_the_bound(data, most):
    try:
        found, read = take(data, most)
    except PeerError:
        return
    assert read <= V2_MAX_BYTES
    assert found is None or ipaddress.ip_address(found.host)
