"""What an encoder sends, as GetStreamSession shows it.

Sizes, codecs, profiles and levels are the bitstream's; targets and the encoder's name are
what the encoder says of itself (onMetaData: kilobits and frames per second).
Source: IVS API reference, VideoConfiguration, AudioConfiguration; ITU-T H.264 Annex A.
"""

import math
from collections.abc import Mapping

from headwater.core.track import AudioTrack, TrackSet, VideoTrack
from headwater.media.codec import h264
from headwater.shapes.stream_sessions import (
    AudioConfiguration,
    IngestConfigurations,
    VideoConfiguration,
)

MAX_NAME_LENGTH = 256
"""Of an encoder's name, which anybody may choose; real ones have 20 to 60 characters."""
MAX_FIGURE = 2**53
"""JSON readers that take every number for a float are exact up to here."""

_TRACK = "Track0"
_PROFILES = {
    66: "Baseline",
    77: "Main",
    88: "Extended",
    100: "High",
    110: "High 10",
    122: "High 4:2:2",
    244: "High 4:4:4 Predictive",
}
_LEVEL_1B = 9
_CONSTRAINT_SET_3 = 0x10  # with level 11 below the high profiles: level 1b as well

Metadata = Mapping[str, str | float | bool]


def ingest_configurations(tracks: TrackSet, metadata: Metadata) -> IngestConfigurations:
    """The tracks that there are, with what the encoder says of itself."""
    video, audio = tracks.video, tracks.audio
    return IngestConfigurations(
        video_configurations=[_video(video, metadata)] if video else [],
        audio_configurations=[_audio(audio, metadata)] if audio else [],
    )


def _video(track: VideoTrack, metadata: Metadata) -> VideoConfiguration:
    sps = h264.parse_config(track.config).info
    return VideoConfiguration(
        codec=track.codec_string,
        encoder=_name(metadata.get("encoder")),
        target_bitrate=_figure(metadata.get("videodatarate"), 1000),
        target_framerate=_figure(metadata.get("framerate") or track.frame_rate, 1),
        video_height=track.height,
        video_width=track.width,
        level=_level(sps.profile, sps.constraints, sps.level),
        profile=_PROFILES.get(sps.profile, ""),
        track=_TRACK,
    )


def _audio(track: AudioTrack, metadata: Metadata) -> AudioConfiguration:
    return AudioConfiguration(
        codec=track.codec_string,
        target_bitrate=_figure(metadata.get("audiodatarate"), 1000),
        sample_rate=track.sample_rate_hz,
        channels=track.channels,
        track=_TRACK,
    )


def _level(profile: int, constraints: int, level: int) -> str:
    is_1b = level == 11 and profile in {66, 77, 88} and constraints & _CONSTRAINT_SET_3  # noqa: PLR2004
    return "1b" if is_1b or level == _LEVEL_1B else f"{level // 10}.{level % 10}"


def _name(sent: object) -> str:
    if not isinstance(sent, str):
        return ""
    return "".join(each for each in sent[:MAX_NAME_LENGTH] if each.isprintable())


def _figure(sent: object, scale: int) -> int:
    """A whole number from what anybody may have sent; 0 where it says nothing."""
    if isinstance(sent, bool) or not isinstance(sent, int | float) or not math.isfinite(sent):
        return 0
    return round(min(max(0, sent * scale), MAX_FIGURE))
