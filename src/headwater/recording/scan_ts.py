"""Reads a recorded MPEG-TS segment for the check of a recording. Pure.

Source: ISO/IEC 13818-1 §2.4 (packets, continuity counters, PAT, PMT, PES); ITU-T H.264 §7.3.1
(NAL units); ISO/IEC 14496-3 §1.A.3 (ADTS).
"""

import re
from collections.abc import Iterator

from msgspec import Struct

from headwater.recording.scan import CLOCK_HZ, MAX_FAULTS, Picture, Scan, grown, span_of

PACKET_BYTES = 188
_SYNC = 0x47
_NULL_PID = 0x1FFF
_SDT_PID = 0x11  # some muxers write it before the PAT (ETSI EN 300 468 §5.1.3)
_H264, _AAC = 0x1B, 0x0F
_WRAP = 1 << 33
_AAC_SAMPLES = 1024
_RATES_HZ = (
    *(96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000),
    *(22_050, 16_000, 12_000, 11_025, 8_000, 7_350),
)
_NAL = re.compile(rb"\x00\x00\x01([\x00-\xff])")
_IDR, _LAST_VCL = 5, 5


class _Pes(Struct, kw_only=True):
    """A PES packet as it comes."""

    pid: int
    offset: int
    data: bytearray


def scan_ts(data: bytes) -> Scan:
    """What the segment holds; it must begin with a PAT."""
    scan = Scan()
    if len(data) % PACKET_BYTES:
        scan.faults.append(
            f"{len(data)} bytes are not a whole number of {PACKET_BYTES}-byte packets: cut off"
        )
    reader = _Reader(scan)
    for offset in range(0, len(data) - len(data) % PACKET_BYTES, PACKET_BYTES):
        if data[offset] != _SYNC:
            scan.faults.append(f"no packet at byte {offset}")
            break
        reader.read(data, offset)
    reader.finish()
    if 0 not in scan.starts:
        scan.faults.append("does not begin with a PAT")
    return scan


class _Reader:
    def __init__(self, scan: Scan) -> None:
        self._scan = scan
        self._pmt_pid: int | None = None
        self._types: dict[int, int] = {}  # stream type, by PID
        self._open: dict[int, _Pes] = {}
        self._last_pts: dict[int, int] = {}

    def read(self, data: bytes, offset: int) -> None:
        pid = (data[offset + 1] & 0x1F) << 8 | data[offset + 2]
        control = data[offset + 3]
        if pid == _NULL_PID or not control & 0x10:
            return
        self._count(pid, control & 15, offset)
        start = offset + 4
        if control & 0x20:
            start += 1 + data[start]
        end = offset + PACKET_BYTES
        if start > end:
            self._fault(f"adaptation field too long at byte {offset}")
            return
        if data[offset + 1] & 0x40:
            self._begin(pid, offset, data[start:end])
        elif pid in self._open:
            self._open[pid].data += data[start:end]

    def finish(self) -> None:
        for pes in self._open.values():
            self._end(pes)
        self._scan.video = span_of([picture.pts for picture in self._scan.pictures])

    def _begin(self, pid: int, offset: int, payload: bytes) -> None:
        if pid in {0, _SDT_PID}:
            self._scan.starts.add(offset)
        if pid == 0:
            self._pmt_pid = _pmt_pid(payload)
        elif pid == self._pmt_pid:
            self._types.update(_stream_types(payload))
        elif pid in self._types:
            if before := self._open.pop(pid, None):
                self._end(before)
            self._open[pid] = _Pes(pid=pid, offset=offset, data=bytearray(payload))

    def _count(self, pid: int, counter: int, offset: int) -> None:
        last = self._scan.last_counters.get(pid)
        if last is None:
            self._scan.first_counters[pid] = counter
        elif counter != (last + 1) & 15:
            self._fault(
                f"continuity counter of PID {pid} goes from {last} to {counter} at byte {offset}"
            )
        self._scan.last_counters[pid] = counter

    def _end(self, pes: _Pes) -> None:
        pts, body = _pts(pes.data)
        if pts is None:
            return
        pts = self._unwrapped(pes.pid, pts)
        if self._types[pes.pid] == _H264:
            self._picture(pes.offset, pts, body)
        elif self._types[pes.pid] == _AAC:
            self._sound(pts, body)

    def _picture(self, offset: int, pts: int, body: bytes) -> None:
        kinds = _vcl_types(body)
        kind = next(kinds, None)
        if kind is None:
            self._fault(f"no picture in the packet at byte {offset}")
            return
        self._scan.pictures.append(Picture(offset=offset, pts=pts, is_key=kind == _IDR))

    def _sound(self, pts: int, body: bytes) -> None:
        frames, rate_hz = _adts_frames(body)
        if frames:
            step = frames * _AAC_SAMPLES * CLOCK_HZ // rate_hz
            self._scan.sound = grown(self._scan.sound, pts, step)

    def _unwrapped(self, pid: int, pts: int) -> int:
        """The time next to the last one, whatever 33 bits made of it."""
        last = self._last_pts.get(pid, pts)
        pts += round((last - pts) / _WRAP) * _WRAP
        self._last_pts[pid] = pts
        return pts

    def _fault(self, text: str) -> None:
        if len(self._scan.faults) < MAX_FAULTS:
            self._scan.faults.append(text)


def _section(payload: bytes, table_id: int) -> bytes:
    """The body of a PSI section without its checksum; empty: it is none of these."""
    start = 1 + payload[0] if payload else 0
    section = payload[start:]
    if len(section) < 12 or section[0] != table_id:  # noqa: PLR2004 - the least that holds a row
        return b""
    length = (section[1] & 15) << 8 | section[2]
    return section[8 : max(8, length - 1)]


def _pmt_pid(payload: bytes) -> int | None:
    body = _section(payload, 0)
    for at in range(0, len(body) - 3, 4):
        if int.from_bytes(body[at : at + 2], "big"):  # 0 is the network's
            return int.from_bytes(body[at + 2 : at + 4], "big") & 0x1FFF
    return None


def _stream_types(payload: bytes) -> dict[int, int]:
    body, found = _section(payload, 2), {}
    at = 4 + (int.from_bytes(body[2:4], "big") & 0xFFF) if body else 0
    while body and at + 5 <= len(body):
        found[int.from_bytes(body[at + 1 : at + 3], "big") & 0x1FFF] = body[at]
        at += 5 + (int.from_bytes(body[at + 3 : at + 5], "big") & 0xFFF)
    return found


def _pts(pes: bytes | bytearray) -> tuple[int | None, bytes]:
    """The presentation time, and what is carried."""
    if len(pes) < 14 or pes[:3] != b"\x00\x00\x01" or not pes[7] & 0x80:  # noqa: PLR2004
        return None, b""
    field = pes[9:14]
    pts = (field[0] >> 1 & 7) << 30 | (int.from_bytes(field[1:3], "big") >> 1) << 15
    return pts | int.from_bytes(field[3:5], "big") >> 1, bytes(pes[9 + pes[8] :])


def _vcl_types(body: bytes) -> Iterator[int]:
    """Types of the NAL units that carry a picture's slices."""
    for match in _NAL.finditer(body):
        kind = match[1][0] & 31
        if 1 <= kind <= _LAST_VCL:
            yield kind


def _adts_frames(body: bytes) -> tuple[int, int]:
    """How many frames there are, and their sample rate."""
    frames, at, rate_hz = 0, 0, 0
    while at + 7 <= len(body) and body[at] == 0xFF and body[at + 1] & 0xF0 == 0xF0:  # noqa: PLR2004
        index = body[at + 2] >> 2 & 15
        size = (body[at + 3] & 3) << 11 | body[at + 4] << 3 | body[at + 5] >> 5
        if size < 7 or index >= len(_RATES_HZ):  # noqa: PLR2004 - a header's bytes
            break
        frames, at, rate_hz = frames + 1, at + size, _RATES_HZ[index]
    return frames, rate_hz
