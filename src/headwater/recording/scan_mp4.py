"""Reads a recorded fragmented MP4 segment for the check of a recording. Pure.

Source: ISO/IEC 14496-12 §8.4.2 (mdhd), §8.4.3 (hdlr), §8.8 (movie fragments).
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from msgspec import Struct

from headwater.core.errors import PeerError
from headwater.core.timebase import rescale
from headwater.recording.scan import CLOCK_HZ, MAX_FAULTS, Picture, Scan, grown, span_of

MAX_SAMPLES = 1_000_000
"""Of one segment; 13 s have about 1500."""

_NOT_SYNC = 0x0001_0000
_BASE_OFFSET, _DESCRIPTION = 0x01, 0x02
_DEFAULT_DURATION, _DEFAULT_SIZE, _DEFAULT_FLAGS = 0x08, 0x10, 0x20
_DATA_OFFSET, _FIRST_FLAGS = 0x001, 0x004
_DURATION, _SIZE, _FLAGS, _COMPOSITION = 0x100, 0x200, 0x400, 0x800


class Mp4Track(Struct, frozen=True, kw_only=True):
    """What an init segment says of a track."""

    handler: bytes  # b"vide" or b"soun"
    timescale: int  # ticks a second
    default_duration: int  # ticks
    default_flags: int


class _Box(NamedTuple):
    kind: bytes
    start: int  # of its header
    body: int
    end: int


class _Sample(NamedTuple):
    pts: int  # ticks of the track
    duration: int
    flags: int
    size: int  # bytes


def read_init(data: bytes) -> Mapping[int, Mp4Track]:
    """The tracks of an init segment, by their ids.

    Raises:
        PeerError: it is none.
    """
    try:
        moov = _child(data, _boxes(data, 0, len(data)), b"moov")
        inside = list(_boxes(data, moov.body, moov.end))
        extends = _extends(data, inside)
        found = {}
        for trak in inside:
            if trak.kind == b"trak":
                id_, handler, timescale = _track(data, trak)
                duration, flags = extends.get(id_, (0, 0))
                found[id_] = Mp4Track(
                    handler=handler,
                    timescale=timescale,
                    default_duration=duration,
                    default_flags=flags,
                )
    except IndexError:
        raise PeerError("its boxes are cut off") from None
    if not found:
        raise PeerError("it has no tracks")
    return found


def scan_mp4(data: bytes, tracks: Mapping[int, Mp4Track]) -> Scan:
    """What a segment of these tracks holds."""
    scan = Scan()
    try:
        _Reader(scan, data, tracks).read()
    except (PeerError, IndexError) as error:
        scan.faults.append(str(error) or "its boxes are cut off")
    scan.video = span_of([picture.pts for picture in scan.pictures])
    if 0 not in scan.starts:
        scan.faults.append("does not begin with a fragment")
    return scan


class _Reader:
    def __init__(self, scan: Scan, data: bytes, tracks: Mapping[int, Mp4Track]) -> None:
        self._scan = scan
        self._data = data
        self._tracks = tracks
        self._next_dts: dict[int, int] = {}
        self._samples = 0

    def read(self) -> None:
        fragment, moof = 0, None  # where a fragment with its event messages begins
        for box in _boxes(self._data, 0, len(self._data)):
            if box.kind == b"moof":
                moof = box
                self._scan.starts.add(fragment)
            elif box.kind == b"mdat":
                if moof is None:
                    raise PeerError(f"media without its fragment's header at byte {box.start}")
                self._fragment(moof, box, fragment)
                fragment, moof = box.end, None
        if moof is not None:
            raise PeerError("its last fragment has no media: cut off")

    def _fragment(self, moof: _Box, mdat: _Box, offset: int) -> None:
        used = 0
        for traf in _boxes(self._data, moof.body, moof.end):
            if traf.kind != b"traf":
                continue
            id_, samples = self._run(traf)
            used += sum(sample.size for sample in samples)
            track = self._tracks[id_]
            for sample in samples:
                pts = rescale(sample.pts, track.timescale, CLOCK_HZ)
                if track.handler == b"vide":
                    is_key = not sample.flags & _NOT_SYNC
                    self._scan.pictures.append(Picture(offset=offset, pts=pts, is_key=is_key))
                else:
                    step = rescale(sample.duration, track.timescale, CLOCK_HZ)
                    self._scan.sound = grown(self._scan.sound, pts, step)
        if used != mdat.end - mdat.body:
            self._fault(f"{mdat.end - mdat.body} bytes of media at byte {mdat.start}, not {used}")

    def _run(self, traf: _Box) -> tuple[int, list[_Sample]]:
        data, inside = self._data, list(_boxes(self._data, traf.body, traf.end))
        tfhd = _child(data, iter(inside), b"tfhd")
        id_ = _u32(data, tfhd.body + 4)
        if id_ not in self._tracks:
            raise PeerError(f"a fragment of track {id_}, which the init segment does not have")
        track = self._tracks[id_]
        duration, flags = _defaults(data, tfhd, track)
        tfdt = _child(data, iter(inside), b"tfdt")
        wide = data[tfdt.body] == 1
        dts = int.from_bytes(data[tfdt.body + 4 : tfdt.body + (12 if wide else 8)], "big")
        expected = self._next_dts.get(id_)
        if expected is not None and dts < expected:
            self._fault(
                f"track {id_} goes back from {expected} to {dts} ticks at byte {traf.start}"
            )
        samples: list[_Sample] = []
        for trun in inside:
            if trun.kind == b"trun":
                dts = self._rows(trun, dts, duration, flags, samples)
        self._next_dts[id_] = dts
        return id_, samples

    def _rows(self, trun: _Box, dts: int, duration: int, flags: int, samples: list[_Sample]) -> int:
        """Read a trun's rows; the decode time of what follows."""
        data, has = self._data, int.from_bytes(self._data[trun.body + 1 : trun.body + 4], "big")
        count, at = _u32(data, trun.body + 4), trun.body + 8 + 4 * bool(has & _DATA_OFFSET)
        self._samples += count
        if self._samples > MAX_SAMPLES:
            raise PeerError(f"more than {MAX_SAMPLES} samples")
        first_flags = flags
        if has & _FIRST_FLAGS:
            first_flags, at = _u32(data, at), at + 4
        for number in range(count):
            row = {}
            for field in (_DURATION, _SIZE, _FLAGS, _COMPOSITION):
                if has & field:
                    row[field], at = _u32(data, at), at + 4
            if at > trun.end:
                raise PeerError(f"samples beyond the end of their box at byte {trun.start}")
            offset = row.get(_COMPOSITION, 0)
            if data[trun.body] == 1 and offset >= 1 << 31:
                offset -= 1 << 32
            length = row.get(_DURATION, duration)
            own = row.get(_FLAGS, first_flags if number == 0 else flags)
            samples.append(_Sample(dts + offset, length, own, row.get(_SIZE, 0)))
            dts += length
        return dts

    def _fault(self, text: str) -> None:
        if len(self._scan.faults) < MAX_FAULTS:
            self._scan.faults.append(text)


def _defaults(data: bytes, tfhd: _Box, track: Mp4Track) -> tuple[int, int]:
    """Duration and flags of samples that do not say them."""
    has = int.from_bytes(data[tfhd.body + 1 : tfhd.body + 4], "big")
    at = tfhd.body + 8 + 8 * bool(has & _BASE_OFFSET) + 4 * bool(has & _DESCRIPTION)
    duration, flags = track.default_duration, track.default_flags
    if has & _DEFAULT_DURATION:
        duration, at = _u32(data, at), at + 4
    at += 4 * bool(has & _DEFAULT_SIZE)
    if has & _DEFAULT_FLAGS:
        flags = _u32(data, at)
    return duration, flags


def _boxes(data: bytes, start: int, end: int) -> Iterator[_Box]:
    while start < end:
        if start + 8 > end:
            raise PeerError(f"a box is cut off at byte {start}")
        size, body = _u32(data, start), start + 8
        if size == 1:
            size, body = int.from_bytes(data[body : body + 8], "big"), start + 16
        if size < body - start or start + size > end:
            raise PeerError(f"a box of {size} bytes at byte {start} does not fit: cut off")
        yield _Box(data[start + 4 : start + 8], start, body, start + size)
        start += size


def _child(data: bytes, inside: Iterator[_Box], *path: bytes) -> _Box:
    """The first box of each name, one inside the other."""
    for index, name in enumerate(path):
        found = next((box for box in inside if box.kind == name), None)
        if found is None:
            raise PeerError(f"there is no {name.decode()} box")
        if index == len(path) - 1:
            return found
        inside = _boxes(data, found.body, found.end)
    raise PeerError("no box was asked for")


def _track(data: bytes, trak: _Box) -> tuple[int, bytes, int]:
    """Id, handler and timescale."""
    tkhd = _child(data, _boxes(data, trak.body, trak.end), b"tkhd")
    id_ = _u32(data, tkhd.body + (20 if data[tkhd.body] == 1 else 12))
    mdhd = _child(data, _boxes(data, trak.body, trak.end), b"mdia", b"mdhd")
    timescale = _u32(data, mdhd.body + (20 if data[mdhd.body] == 1 else 12))
    hdlr = _child(data, _boxes(data, trak.body, trak.end), b"mdia", b"hdlr")
    if not timescale:
        raise PeerError(f"track {id_} has the timescale 0")
    return id_, data[hdlr.body + 8 : hdlr.body + 12], timescale


def _extends(data: bytes, inside: list[_Box]) -> dict[int, tuple[int, int]]:
    """Default duration and flags, by track id."""
    mvex = _child(data, iter(inside), b"mvex")
    return {
        _u32(data, box.body + 4): (_u32(data, box.body + 12), _u32(data, box.body + 20))
        for box in _boxes(data, mvex.body, mvex.end)
        if box.kind == b"trex"
    }


def _u32(data: bytes, at: int) -> int:
    if at + 4 > len(data):
        raise PeerError(f"cut off at byte {at}")
    return int.from_bytes(data[at : at + 4], "big")
