"""Whatever configurations, frames and times come, packets rise and follow announced tracks.

Input: records of an operation (1 byte), a time in ms (4), a composition offset (1, signed),
a length (1) and that many bytes of data.
"""

from collections.abc import Iterator

from headwater.core.encoded import CodecConfig, EncodedFrame
from headwater.core.errors import PeerError
from headwater.core.packet import Packet
from headwater.core.track import TrackSet
from headwater.media.pace import Pace
from headwater.media.timeline import MAX_HELD_FRAMES, Timeline

HEADER_BYTES = 7
AVC = bytes.fromhex(
    "0164002affe1001e6764002aacd940780227e5c05a808080a0000003002000000781e30632c0"
    "01000668ebe3cb22c0fdf8f800"
)
IDR, SLICE = bytes.fromhex("00000003658880"), bytes.fromhex("00000003419a02")


def run(data: bytes) -> None:
    """One input."""
    timeline, pace = Timeline(), Pace()
    tracks: TrackSet | None = None
    last: dict[str, int] = {}
    for number, item in enumerate(_items(data)):
        if isinstance(item, CodecConfig):
            fed: CodecConfig | EncodedFrame = item
        else:
            fed = pace.pass_on(item, number * 500)
        try:
            out = timeline.push(fed)
        except PeerError:
            return
        if len(timeline._held.frames) > MAX_HELD_FRAMES:  # noqa: SLF001 - what is kept is looked at
            raise AssertionError("too many frames held")
        for each in out:
            if isinstance(each, TrackSet):
                _check_tracks(each, tracks)
                if tracks is not None and tracks.audio != each.audio:
                    last.pop("audio", None)
                tracks = each
            else:
                _check_packet(each, tracks, last)


def _check_tracks(new: TrackSet, old: TrackSet | None) -> None:
    if new.discontinuity != (old is not None) or not (new.video or new.audio):
        raise AssertionError(f"{new} after {old}")


def _check_packet(packet: Packet, tracks: TrackSet | None, last: dict[str, int]) -> None:
    if tracks is None or getattr(tracks, packet.kind) is None:
        raise AssertionError("a packet of no track")
    if not 0 <= packet.dts <= packet.pts or packet.dts <= last.get(packet.kind, -1):
        raise AssertionError(f"{packet} after {last}")
    last[packet.kind] = packet.dts


def _items(data: bytes) -> Iterator[CodecConfig | EncodedFrame]:
    position = 0
    while position + HEADER_BYTES <= len(data):
        operation = data[position] % 8
        time_ms = int.from_bytes(data[position + 1 : position + 5], "big")
        offset_ms = int.from_bytes(data[position + 5 : position + 6], "big", signed=True)
        size = data[position + 6]
        body = data[position + HEADER_BYTES : position + HEADER_BYTES + size]
        position += HEADER_BYTES + size
        yield _item(operation, time_ms, offset_ms, body)


def _item(operation: int, time_ms: int, offset_ms: int, body: bytes) -> CodecConfig | EncodedFrame:
    match operation:
        case 0:
            return CodecConfig(kind="video", codec="h264", data=body or AVC)
        case 1:
            return CodecConfig(kind="audio", codec="aac", data=body or b"\x11\x90")
        case 2 | 3:
            data, key = body or b"\x21\x10", True
            return _frame("audio", time_ms, 0, data, key=key)
        case 4:
            return _frame("video", time_ms, offset_ms, IDR, key=True)
        case 5:
            return _frame("video", time_ms, offset_ms, SLICE, key=False)
        case _:
            return _frame("video", time_ms, offset_ms, body, key=operation == 6)  # noqa: PLR2004


def _frame(kind, time_ms, offset_ms, data, *, key):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    return EncodedFrame(
        kind=kind,
        timestamp_ms=time_ms,
        composition_offset_ms=offset_ms,
        keyframe=key,
        data=data,
    )
