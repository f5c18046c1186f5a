"""Decoding: packets in, frames with the packets' own times out.

waiting for a key frame --(it came)--> decoding --(the decoder refuses a packet)--> waiting
"""

from fractions import Fraction
from typing import NamedTuple

import av
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.codec.context import CodecContext, ThreadType
from av.stream import Stream
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from headwater.core.errors import PeerError
from headwater.core.packet import Packet
from headwater.core.track import AudioTrack, VideoTrack
from headwater.media.transcode.captions import captions_of
from headwater.media.transcode.encoders import TIME_BASE

MAX_BROKEN_IN_A_ROW = 100  # without a frame between: this is no video
MAX_INSIDE = 64  # frames in a decoder whose captions are remembered: H.264 reorders 16


class Decoded(NamedTuple):
    """A frame, and what its packet said."""

    frame: VideoFrame
    key: bool
    captions: bytes  # see `captions`; also those of frames before it that were damaged


class VideoDecoder:
    """H.264 to frames, in the order in which they are shown."""

    def __init__(self, track: VideoTrack, threads: int) -> None:
        context = CodecContext.create("h264", "r")
        assert isinstance(context, VideoCodecContext)  # noqa: S101 - for mypy
        context.extradata = track.config
        context.thread_count = threads
        # Slice threads add no delay; frame threads would hold a frame for each.
        context.thread_type = ThreadType.SLICE
        self._context = context
        self._needs_key = True
        self._keys: set[int] = set()  # times of key frames that are not out yet
        self._captions: dict[int, bytes] = {}  # of frames that are not out yet, by time
        self._last_pts = -1
        self._broken_in_a_row = 0
        self.skipped = 0  # packets before a key frame
        self.broken = 0  # packets refused, frames damaged

    @property
    def sample_aspect_ratio(self) -> Fraction | None:
        """Of the pictures; None: not said."""
        return self._context.sample_aspect_ratio or None

    def decode(self, packet: Packet | None) -> list[Decoded]:
        """Frames that are complete now.

        `packet` None asks for all that is left.

        Raises:
            PeerError: packet after packet is refused.
        """
        if packet is not None and self._needs_key and not packet.keyframe:
            self.skipped += 1
            return []
        try:
            frames = self._context.decode(self._wrap(packet) if packet else None)
        except av.FFmpegError as error:
            self._refused(error)
            return []
        self._needs_key = False
        if frames:
            self._broken_in_a_row = 0
        return [
            Decoded(frame, self._is_key(frame), self._captions_until(frame.pts or 0))
            for frame in frames
            if self._is_next(frame)
        ]

    def _wrap(self, packet: Packet) -> "av.Packet[Stream]":
        if packet.keyframe:
            self._keys.add(packet.pts)
        if captions := captions_of(packet.data):
            if len(self._captions) >= MAX_INSIDE:
                self._captions.clear()
            self._captions[packet.pts] = captions
        return _to_library(packet, TIME_BASE)

    def _refused(self, error: av.FFmpegError) -> None:
        self.broken += 1
        self._broken_in_a_row += 1
        if self._broken_in_a_row >= MAX_BROKEN_IN_A_ROW:
            raise PeerError(f"{MAX_BROKEN_IN_A_ROW} pictures in a row are broken: {error.strerror}")
        self._context.flush_buffers()
        self._keys.clear()
        self._needs_key = True

    def _is_next(self, frame: VideoFrame) -> bool:
        """Whether it lies behind the one before: damaged streams repeat and reorder."""
        if frame.is_corrupt:
            self.broken += 1
        if frame.pts is None or frame.pts <= self._last_pts:
            return False
        self._last_pts = frame.pts
        frame.time_base = TIME_BASE
        return True

    def _is_key(self, frame: VideoFrame) -> bool:
        if frame.pts not in self._keys:
            return False
        self._keys = {pts for pts in self._keys if pts > frame.pts}
        return True

    def _captions_until(self, pts: int) -> bytes:
        times = sorted(each for each in self._captions if each <= pts)
        return b"".join(self._captions.pop(each) for each in times)


class AudioDecoder:
    """AAC to frames of samples."""

    def __init__(self, track: AudioTrack) -> None:
        context = CodecContext.create("aac", "r")
        assert isinstance(context, AudioCodecContext)  # noqa: S101 - for mypy
        context.extradata = track.config
        self._context = context
        self._time_base = Fraction(1, track.timescale)
        self.broken = 0

    def decode(self, packet: Packet) -> list[AudioFrame]:
        """The packet's samples; none when it is broken."""
        try:
            frames = self._context.decode(_to_library(packet, self._time_base))
        except av.FFmpegError:
            self.broken += 1
            self._context.flush_buffers()
            return []
        for frame in frames:
            frame.time_base = self._time_base
        return frames


def _to_library(packet: Packet, time_base: Fraction) -> "av.Packet[Stream]":
    # Allocated there, because its parsers may read a little beyond the end.
    copy: av.Packet[Stream] = av.Packet(len(packet.data))
    copy.update(packet.data)
    copy.pts, copy.dts, copy.time_base = packet.pts, packet.dts, time_base
    return copy
