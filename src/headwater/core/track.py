"""Tracks: what a decoder must know before the first packet."""

from msgspec import Struct

VIDEO_TIMESCALE = 90_000
"""Ticks per second of every video track (the MPEG-TS clock, exact for 24/25/30/50/60 fps)."""


class VideoTrack(Struct, frozen=True, kw_only=True):
    """An H.264 track. Its packets hold NAL units with 4-byte lengths (AVCC)."""

    config: bytes  # AVCDecoderConfigurationRecord, lengthSizeMinusOne == 3
    codec_string: str  # RFC 6381, e.g. "avc1.64001F"
    width: int  # display size in pixels, after cropping
    height: int
    frame_rate: float | None  # from the bitstream's timing info; None when it has none
    timescale: int = VIDEO_TIMESCALE


class AudioTrack(Struct, frozen=True, kw_only=True):
    """An AAC track. Its packets hold raw AAC frames (no ADTS)."""

    config: bytes  # AudioSpecificConfig
    codec_string: str  # RFC 6381, e.g. "mp4a.40.2"
    sample_rate_hz: int
    channels: int

    @property
    def timescale(self) -> int:
        """Ticks per second: the sample rate, so that one frame is 1024 ticks."""
        return self.sample_rate_hz


class TrackSet(Struct, frozen=True, kw_only=True):
    """The tracks of a stream from here on. A new one means new init data.

    `discontinuity` says that times or codecs do not continue what came before. With
    `times_go_on` only parameters do not: the tracks are of the same kind, and their times go on.
    """

    video: VideoTrack | None
    audio: AudioTrack | None
    discontinuity: bool = False
    times_go_on: bool = False
