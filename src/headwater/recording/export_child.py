"""`python -m headwater.recording.export_child`: joins recorded segments into one MP4 file.

Nothing is encoded: packets are copied, with times that go on from 0. Orders come as lines of
JSON on standard input, the first with the file to write; each is answered by a line on
standard output.

    {"output": "show.mp4"}                                    {"end_s": 0.0}
    {"segment": "5.ts", "discontinuity": false}               {"end_s": 61.2}
    ... then standard input closes                            {"end_s": 61.2, "left_out": 0}

A segment of fragmented MP4 has its init segment in front. Where something is wrong, the last
line is {"failed": "why"}, with exit status 1. It dies with its parent.
"""

import ctypes
import json
import signal
import sys
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any

import av
import av.logging
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream

from headwater.core.errors import HeadwaterError, PeerError
from headwater.media.codec import h264

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_WRAP_S = Fraction(1 << 33, 90_000)  # of times in MPEG-TS
_Timed = Any  # a Packet of pictures or sound whose decode time is known
_AVCC = 1  # first byte of an AVCDecoderConfigurationRecord; Annex B begins with 0


class Joiner:
    """Copies the packets of one segment after the other."""

    def __init__(self, path: str) -> None:
        """Begin the file."""
        self._output: OutputContainer = av.open(
            path, "w", format="mp4", options={"movflags": "+faststart"}
        )
        self._streams: dict[str, Stream] = {}  # of the output, by type
        self._extradata: dict[str, bytes] = {}  # in the segment before
        self._shift_s = Fraction(0)
        self._due_s: Fraction | None = None  # where the next one continues, by its own clock
        self._last_dts: dict[str, int] = {}
        self._parameter_sets = b""  # to be written in front of key frames
        self.end_s = Fraction(0)
        self.left_out = 0  # packets whose times go back

    def add(self, path: str, *, discontinuity: bool) -> None:
        """Add the next segment."""
        with av.open(path, "r") as segment:
            streams = [*segment.streams.video[:1], *segment.streams.audio[:1]]
            if not streams:
                raise PeerError("a segment has neither pictures nor sound")
            self._take_streams(streams)
            packets = [
                packet
                for packet in segment.demux(streams)
                if packet.dts is not None and packet.stream.type in self._streams
            ]
            if packets:
                self._place(packets, discontinuity=discontinuity)
                self._copy(packets)

    def close(self) -> None:
        """Write what a player needs to find its way."""
        if not self._streams:
            raise PeerError("there is no media")
        self._output.close()

    def _take_streams(self, streams: Iterable[Any]) -> None:
        is_first = not self._streams
        for stream in streams:
            data = bytes(stream.codec_context.extradata or b"")
            if is_first:
                self._streams[stream.type] = self._output.add_stream_from_template(stream)
            elif stream.type in self._streams:
                self._compare(stream, data)
            self._extradata[stream.type] = data

    def _compare(self, stream: Any, data: bytes) -> None:  # noqa: ANN401 - video or audio
        """Notice parameters that are not those of the file's beginning."""
        output: Any = self._streams[stream.type]
        ours, theirs = output.codec_context, stream.codec_context
        if stream.type == "audio":
            if (ours.sample_rate, ours.layout.nb_channels) != (
                theirs.sample_rate,
                theirs.layout.nb_channels,
            ):
                raise PeerError("the sound changes its sample rate or channels on the way")
        elif data != self._extradata["video"] and data[:1] == bytes([_AVCC]):
            # In MPEG-TS they are in the stream anyway.
            config = h264.parse_config(data)
            sets = [*config.sps, *config.pps]
            self._parameter_sets = b"".join(len(each).to_bytes(4, "big") + each for each in sets)

    def _place(self, packets: list[_Timed], *, discontinuity: bool) -> None:
        """Decide how far this segment's times are moved."""
        first_s = min(_time_s(packet, packet.dts) for packet in packets)
        if self._due_s is None or discontinuity:
            self._shift_s = self.end_s - first_s
        else:
            self._shift_s -= round((first_s - self._due_s) / _WRAP_S) * _WRAP_S
        self._due_s = max(
            _time_s(packet, packet.dts + (packet.duration or 0)) for packet in packets
        )

    def _copy(self, packets: list[_Timed]) -> None:
        for packet in packets:
            kind = packet.stream.type
            shift = round(self._shift_s / packet.time_base)
            packet.dts += shift
            packet.pts = packet.dts if packet.pts is None else packet.pts + shift
            if packet.dts <= self._last_dts.get(kind, -1):
                self.left_out += 1
                continue
            self._last_dts[kind] = packet.dts
            end_s = _time_s(packet, packet.dts + (packet.duration or 0))
            self.end_s = max(self.end_s, end_s)
            written = packet
            if kind == "video" and packet.is_keyframe and self._parameter_sets:
                written = _with_prefix(packet, self._parameter_sets)
            written.stream = self._streams[kind]
            self._output.mux(written)


def _time_s(packet: _Timed, ticks: int) -> Fraction:
    seconds: Fraction = ticks * packet.time_base
    return seconds


def _with_prefix(packet: _Timed, prefix: bytes) -> _Timed:
    data = prefix + bytes(packet)
    copy: _Timed = Packet(len(data))
    copy.update(data)
    copy.pts, copy.dts, copy.duration = packet.pts, packet.dts, packet.duration
    copy.time_base, copy.is_keyframe = packet.time_base, True
    return copy


def main() -> int:
    """Run it; the exit status."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    av.logging.set_level(None)
    try:
        _join(json.loads(line) for line in sys.stdin)
    except HeadwaterError as error:
        _say(failed=str(error))
        return 1
    except (av.FFmpegError, OSError) as error:
        _say(failed=error.strerror or type(error).__name__)
        return 1
    return 0


def _join(orders: Iterator[dict[str, Any]]) -> None:
    joiner = Joiner(next(orders)["output"])
    _say(end_s=0.0)
    for order in orders:
        joiner.add(order["segment"], discontinuity=order["discontinuity"])
        _say(end_s=float(joiner.end_s))
    joiner.close()
    _say(end_s=float(joiner.end_s), left_out=joiner.left_out)


def _say(**fields: str | float) -> None:
    print(json.dumps(fields), flush=True)  # noqa: T201 - its answers


if __name__ == "__main__":
    sys.exit(main())
