"""The sound's way, in a thread of its own: passed on, and encoded once for each bitrate.

Encoded sound lies on the input's ticks. An encoder's first packet holds nothing but its
priming and is left out; where the input has a gap, the encoders begin anew behind it.
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import Protocol

from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.codec.context import CodecContext, Flags

from headwater.core.packet import Packet
from headwater.core.track import AudioTrack
from headwater.media.codec import aac
from headwater.media.ladder import Rendition
from headwater.media.transcode.decoder import AudioDecoder
from headwater.media.transcode.waiting import PacketQueue

_MONO, _STEREO = 1, 2


class AudioSink(Protocol):
    """Where sound goes."""

    def audio(self, indices: tuple[int, ...], packet: Packet) -> None:
        """The next sound of these renditions."""


def encoded_track(source: AudioTrack, audio_bps: int) -> AudioTrack:
    """The track that encoding `source` gives: AAC-LC at its rate, mono or stereo."""
    config = _open(source, audio_bps).extradata or b""
    parsed = aac.parse_config(config)
    return AudioTrack(
        config=config,
        codec_string=parsed.codec_string,
        sample_rate_hz=parsed.sample_rate_hz,
        channels=parsed.channels,
    )


def _open(source: AudioTrack, audio_bps: int) -> AudioCodecContext:
    context = CodecContext.create("aac", "w")
    assert isinstance(context, AudioCodecContext)  # noqa: S101 - for mypy
    context.sample_rate = source.sample_rate_hz
    context.layout = "mono" if source.channels == _MONO else "stereo"
    context.format = "fltp"
    context.bit_rate = audio_bps
    context.time_base = Fraction(1, source.sample_rate_hz)
    context.flags |= Flags.global_header
    context.open()
    return context


class _Encoder:
    """One bitrate, for all renditions that have it."""

    def __init__(self, source: AudioTrack, audio_bps: int, indices: tuple[int, ...]) -> None:
        self.indices = indices
        self._source = source
        self._audio_bps = audio_bps
        self._context: AudioCodecContext | None = None
        self._first = 0  # ticks of the first sample since it began
        self._last = -1

    def encode(self, frame: AudioFrame) -> list[Packet]:
        if self._context is None:
            self._context = _open(self._source, self._audio_bps)
            self._first = frame.pts or 0
        return self._packets(self._context, frame)

    def finish(self) -> list[Packet]:
        """What is left; the next frame begins anew."""
        context, self._context = self._context, None
        return self._packets(context, None) if context else []

    def _packets(self, context: AudioCodecContext, frame: AudioFrame | None) -> list[Packet]:
        packets = []
        for each in context.encode(frame):
            pts = each.pts if each.pts is not None else -1
            if pts < self._first or pts <= self._last:
                continue
            self._last = pts
            packets.append(Packet(kind="audio", dts=pts, pts=pts, keyframe=True, data=bytes(each)))
        return packets


class AudioLine:
    """The sound of all renditions; `run` is its thread."""

    def __init__(
        self, track: AudioTrack, renditions: Sequence[Rendition], sink: AudioSink, *, live: bool
    ) -> None:
        self.waiting = PacketQueue(track.timescale, live=live)
        self.decoder = AudioDecoder(track)
        self._sink = sink
        self._expected: int | None = None  # ticks of the next packet, if nothing is missing
        bitrates: dict[int | None, list[int]] = {}
        for index, rendition in enumerate(renditions):
            bitrates.setdefault(rendition.audio_bps, []).append(index)
        self._passed_on = tuple(bitrates.pop(None, []))
        self._encoders = [
            _Encoder(track, audio_bps, tuple(indices))
            for audio_bps, indices in bitrates.items()
            if audio_bps is not None
        ]

    def run(self) -> None:
        """Work until the queue is closed."""
        while (packet := self.waiting.get()) is not None:
            self._take(packet)
        self._finish()

    def _take(self, packet: Packet) -> None:
        if self._passed_on:
            self._sink.audio(self._passed_on, packet)
        if not self._encoders:
            return
        if packet.pts != self._expected:
            self._finish()
        self._expected = packet.pts + aac.SAMPLES_PER_FRAME
        for frame in self.decoder.decode(packet):
            for encoder in self._encoders:
                self._send(encoder.indices, encoder.encode(frame))

    def _finish(self) -> None:
        for encoder in self._encoders:
            self._send(encoder.indices, encoder.finish())

    def _send(self, indices: tuple[int, ...], packets: list[Packet]) -> None:
        for packet in packets:
            self._sink.audio(indices, packet)
