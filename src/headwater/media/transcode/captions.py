"""Closed captions, which must not get lost with the frames that are left out. Pure.

Source: ANSI/SCTE 128-1 §8.1 (user_data_registered_itu_t_t35 in H.264), CTA-708-E §4.3
(cc_data): a frame carries up to 31 constructs of three bytes, CEA-608's and CEA-708's, and
what comes first belongs first. A caption is spelt over many frames, so that one that is
missing garbles it.
"""

from collections.abc import Iterator, Sequence

from headwater.core.errors import PeerError
from headwater.media.codec import h264

MAX_CONSTRUCTS = 31  # of a frame: cc_count has five bits
MAX_WAITING_CONSTRUCTS = 10 * MAX_CONSTRUCTS  # half a second, at any rate

_CONSTRUCT_BYTES = 3
_VALID = 0x04  # cc_valid in a construct's first byte; without it, it only fills a place
_USER_DATA_REGISTERED = 4  # payloadType
_ATSC_CC_DATA = bytes.fromhex("b5 0031") + b"GA94" + b"\x03"  # country, provider, what it is
_PROCESS_CC_DATA = 0x40
_SLICES = range(1, 6)  # nal_unit_type


class Captions:
    """The constructs that wait for the next frame."""

    def __init__(self) -> None:
        """None wait."""
        self._waiting = b""

    def add(self, constructs: bytes) -> None:
        """Those of the next frame of the input; the oldest give way when too many wait."""
        whole = len(constructs) // _CONSTRUCT_BYTES * _CONSTRUCT_BYTES
        waiting = self._waiting + constructs[:whole]
        if len(waiting) > MAX_CONSTRUCTS * _CONSTRUCT_BYTES:
            waiting = _without_padding(waiting)
        self._waiting = waiting[-MAX_WAITING_CONSTRUCTS * _CONSTRUCT_BYTES :]

    def take(self) -> bytes:
        """What a frame that is kept carries."""
        most = MAX_CONSTRUCTS * _CONSTRUCT_BYTES
        taken, self._waiting = self._waiting[:most], self._waiting[most:]
        return taken

    def take_all(self) -> bytes:
        """All that wait, to be handed on."""
        taken, self._waiting = self._waiting, b""
        return taken


def captions_of(data: bytes) -> bytes:
    """The constructs in an access unit (NAL units with 4-byte lengths), none if it is broken.

    Read here and not off the decoded frames: what PyAV tells of a frame's side data keeps
    the frame in memory until the garbage collector comes by.
    """
    try:
        nals = h264.split_avcc(data, h264.LENGTH_SIZE)
    except PeerError:
        return b""
    units = [nal for nal in nals if nal[0] & 0x1F == h264.NAL_SEI]
    return b"".join(_constructs(payload) for nal in units for payload in _user_data(nal))


def _user_data(nal: memoryview) -> Iterator[bytes]:
    """Payloads of user_data_registered_itu_t_t35."""
    data = bytes(nal).replace(b"\x00\x00\x03", b"\x00\x00")
    position = 1
    while position + 2 < len(data):
        kind, position = h264.sei_number(data, position)
        size, position = h264.sei_number(data, position)
        if kind == _USER_DATA_REGISTERED:
            yield data[position : position + size]
        position += size


def _constructs(payload: bytes) -> bytes:
    head = len(_ATSC_CC_DATA)
    flags = payload[head] if len(payload) > head else 0
    if not payload.startswith(_ATSC_CC_DATA) or not flags & _PROCESS_CC_DATA:
        return b""
    size = (flags & MAX_CONSTRUCTS) * _CONSTRUCT_BYTES
    found = payload[head + 2 : head + 2 + size]
    return found if len(found) == size else b""


def with_captions(nals: Sequence[bytes], constructs: bytes) -> list[bytes]:
    """A frame's units with an SEI unit of these (MAX_CONSTRUCTS at most) before the first slice.

    Not in front of all: an encoder's buffering period has to come first (H.264 §7.4.1.2.3).
    """
    slices = (at for at, nal in enumerate(nals) if nal[0] & 0x1F in _SLICES)
    first = next(slices, len(nals))
    return [*nals[:first], _sei(constructs), *nals[first:]]


def _sei(constructs: bytes) -> bytes:
    count = len(constructs) // _CONSTRUCT_BYTES
    head = _ATSC_CC_DATA + bytes([_PROCESS_CC_DATA | count, 0xFF])  # 0xFF: reserved
    payload = head + constructs + b"\xff"  # marker_bits
    message = bytes([_USER_DATA_REGISTERED, len(payload)]) + payload + b"\x80"  # stop bit
    return bytes([h264.NAL_SEI]) + _with_emulation_prevention(message)


def _without_padding(constructs: bytes) -> bytes:
    return b"".join(
        constructs[at : at + _CONSTRUCT_BYTES]
        for at in range(0, len(constructs), _CONSTRUCT_BYTES)
        if constructs[at] & _VALID
    )


def _with_emulation_prevention(data: bytes) -> bytes:
    """H.264 §7.4.1: after two zero bytes, what could start another unit is kept apart."""
    kept = bytearray()
    zeros = 0
    for byte in data:
        if zeros >= 2 and byte <= 3:  # noqa: PLR2004 - the clause's numbers
            kept.append(3)
            zeros = 0
        kept.append(byte)
        zeros = 0 if byte else zeros + 1
    return bytes(kept)
