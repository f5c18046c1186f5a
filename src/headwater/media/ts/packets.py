"""188-byte packets: continuity counters, adaptation fields, stuffing.

Source: ISO/IEC 13818-1 §2.4.3.2 (packet), §2.4.3.4 (adaptation field), §2.4.3.6 (PES).
"""

from struct import Struct, pack

from headwater.media.ts.psi import PACKET_BYTES

PTS_MASK = (1 << 33) - 1
STREAM_ID_AUDIO, STREAM_ID_VIDEO = 0xC0, 0xE0
STREAM_ID_PRIVATE = 0xBD  # private_stream_1: timed metadata
MAX_PES_BYTES = 0xFFFF  # what its length field can say; video says 0 beyond it

_PAYLOAD_BYTES = PACKET_BYTES - 4
_RUN_PACKETS = 64
# Reads that many payloads at once: five times as fast as slicing each.
_RUNS = [Struct(f"{_PAYLOAD_BYTES}s" * count) for count in range(_RUN_PACKETS + 1)]
_START, _ADAPTATION = 0x40, 0x20
_RANDOM_ACCESS, _PCR = 0x40, 0x10
_PTS_ONLY, _PTS_AND_DTS = 0x80, 0xC0


class PidWriter:
    """Cuts payloads of one PID into packets; its continuity counter lives on."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._counter = 0
        plain = [bytes([0x47, pid >> 8, pid & 0xFF, 0x10 | counter]) for counter in range(16)]
        self._plain = plain * (1 + _RUN_PACKETS // 16)  # from any counter on, as many as a run has

    def write(self, payload: bytes, adaptation: bytes = b"") -> list[bytes]:
        """Pieces of whole packets that carry `payload` (not empty), first one marked as start.

        `adaptation` is the first packet's adaptation field without its length byte.
        """
        room = _PAYLOAD_BYTES - (1 + len(adaptation) if adaptation else 0)
        if len(payload) < room:
            return [*self._head(_START, self._stuffed(adaptation, room - len(payload))), payload]
        pieces = [*self._head(_START, self._sized(adaptation)), payload[:room]]
        tail = len(payload) - (len(payload) - room) % _PAYLOAD_BYTES
        while room < tail:
            count = min(_RUN_PACKETS, (tail - room) // _PAYLOAD_BYTES)
            pieces += self._run(payload, room, count)
            room += count * _PAYLOAD_BYTES
        if tail < len(payload):
            stuffing = self._stuffed(b"", _PAYLOAD_BYTES - (len(payload) - tail))
            pieces += (*self._head(0, stuffing), payload[tail:])
        return pieces

    def _run(self, payload: bytes, start: int, count: int) -> list[bytes]:
        """Full packets without adaptation field: 1 to _RUN_PACKETS of them."""
        pieces = [b""] * (2 * count)
        pieces[0::2] = self._plain[self._counter : self._counter + count]
        pieces[1::2] = _RUNS[count].unpack_from(payload, start)
        self._counter = self._counter + count & 15
        return pieces

    def _head(self, start: int, adaptation: bytes) -> tuple[bytes, bytes]:
        control = 0x10 | (_ADAPTATION if adaptation else 0) | self._counter
        self._counter = self._counter + 1 & 15
        return bytes([0x47, start | self._pid >> 8, self._pid & 0xFF, control]), adaptation

    @staticmethod
    def _sized(adaptation: bytes) -> bytes:
        return bytes([len(adaptation)]) + adaptation if adaptation else b""

    @staticmethod
    def _stuffed(adaptation: bytes, stuffing_bytes: int) -> bytes:
        """An adaptation field that takes `stuffing_bytes` more than it has."""
        if adaptation:
            return bytes([len(adaptation) + stuffing_bytes]) + adaptation.ljust(
                len(adaptation) + stuffing_bytes, b"\xff"
            )
        if stuffing_bytes == 1:
            return b"\x00"
        return bytes([stuffing_bytes - 1, 0]) + b"\xff" * (stuffing_bytes - 2)


def adaptation_field(*, pcr_ticks: int | None, random_access: bool) -> bytes:
    """An adaptation field without its length byte; `pcr_ticks` in 90 kHz, any size."""
    flags = (_RANDOM_ACCESS if random_access else 0) | (_PCR if pcr_ticks is not None else 0)
    if pcr_ticks is None:
        return bytes([flags]) if flags else b""
    # 33 bits of 90 kHz, 6 reserved, 9 bits of 27 MHz (always 0).
    return bytes([flags]) + ((pcr_ticks & PTS_MASK) << 15 | 0x3F << 9).to_bytes(6, "big")


def pes_header(stream_id: int, *, pts: int, dts: int, payload_bytes: int) -> bytes:
    """The header before an elementary stream's bytes; times in 90 kHz, any size.

    A video packet too long for the length field says 0: unbounded.
    """
    if pts == dts:
        fields = pack(">BBB", 0x84, _PTS_ONLY, 5) + _timestamp(0x2, pts)
    else:
        stamps = _timestamp(0x3, pts) + _timestamp(0x1, dts)
        fields = pack(">BBB", 0x84, _PTS_AND_DTS, 10) + stamps
    length = len(fields) + payload_bytes
    if length > MAX_PES_BYTES:
        length = 0
    return b"\x00\x00\x01" + pack(">BH", stream_id, length) + fields


def _timestamp(prefix: int, ticks: int) -> bytes:
    """33 bits in 5 bytes with marker bits (§2.4.3.7)."""
    ticks &= PTS_MASK
    return pack(
        ">BHH",
        prefix << 4 | ticks >> 30 << 1 | 1,
        (ticks >> 15 & 0x7FFF) << 1 | 1,
        (ticks & 0x7FFF) << 1 | 1,
    )
