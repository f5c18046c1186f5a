"""Video encoders: their names in libavcodec and the options that make them behave alike.

H.264 Main, no B-frames, no lookahead, key frames only where they are asked for, constant
bitrate within the buffer. What each x264 option is for:

- `tune=zerolatency` without its sliced threads: no lookahead and no frame threads, so a
  frame comes out before the next goes in.
- `keyint=infinite`, `scenecut=0`, `forced-idr`: key frames are the input's, nobody else's.
- `stitchable`: headers do not depend on the content, so that an encoder with a faster
  preset can go on behind another without new configuration. It also needs what the asked
  preset puts into the headers (`_HEADERS`); the presets from "fast" on differ in more.
- `a53cc` off: captions are written by `captions`, with those of frames that are left out.
- `force-cfr`: rate control and the timing in the headers go by the nominal frame rate, not
  by time stamps in rounded milliseconds.
"""

from fractions import Fraction
from typing import Final

import av
from av.codec.context import Flags
from av.codec.hwaccel import HWAccel
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from msgspec import Struct

from headwater.core.errors import HeadwaterError
from headwater.core.track import VIDEO_TIMESCALE, VideoTrack
from headwater.media.codec import h264
from headwater.media.ladder import FrameRate, Rendition
from headwater.media.transcode.wire import EncoderName, EncoderSettings, Level

TIME_BASE = Fraction(1, VIDEO_TIMESCALE)
PIXEL_FORMAT = "yuv420p"  # Main profile has no other

LIBRARY_NAMES: Final[dict[EncoderName, str]] = {
    "x264": "libx264",
    "nvenc": "h264_nvenc",
    "vaapi": "h264_vaapi",
    "qsv": "h264_qsv",
}
_FASTER: Final[dict[Level, str]] = {
    "faster preset": "superfast",
    "fastest preset": "ultrafast",
    "half the frames": "ultrafast",
}
_HEADERS: Final[dict[str, str]] = {
    "superfast": "cabac=1:deblock=0,0:weightp=1:ref=1",
    "veryfast": "cabac=1:deblock=0,0:weightp=1:ref=1",
    "faster": "cabac=1:deblock=0,0:weightp=1:ref=2",
}
_PRESETS: Final = (
    "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow",
)  # fmt: skip


class EncoderError(HeadwaterError):
    """An encoder cannot be opened. The text says which and why."""


class Look(Struct, frozen=True, kw_only=True):
    """What pictures say of themselves, as libavutil's numbers; kept from input to output."""

    color_range: int = 0
    color_space: int = 2  # 2: not specified
    color_primaries: int = 2
    color_transfer: int = 2
    sample_aspect_ratio: Fraction | None = None
    rotation_degrees: int = 0  # anticlockwise, to show them upright


def preset_at(settings: EncoderSettings, level: Level) -> str:
    """The preset at a level of the policy: never slower than what was asked for."""
    asked = settings.preset
    faster = _FASTER.get(level)
    if settings.encoder != "x264" or faster is None or asked not in _PRESETS:
        return asked
    return min(asked, faster, key=_PRESETS.index)


def open_encoder(
    rendition: Rendition, settings: EncoderSettings, look: Look, preset: str
) -> VideoCodecContext:
    """An encoder that takes frames of the rendition's size with times in ticks.

    Raises:
        EncoderError: it does not open here.
    """
    name = LIBRARY_NAMES[settings.encoder]
    try:
        hardware = HWAccel("vaapi") if settings.encoder == "vaapi" else None
        context = av.CodecContext.create(name, "w", hwaccel=hardware)
        if not isinstance(context, VideoCodecContext):
            raise EncoderError(f"{name} is no video encoder")
        _configure(context, rendition, settings, look)
        context.options = _options(rendition, settings, preset)
        context.open()
    except av.FFmpegError as error:
        raise EncoderError(f"{name} does not open: {error.strerror}") from error
    except (ValueError, NotImplementedError, RuntimeError) as error:
        raise EncoderError(f"{name} does not open: {error}") from error
    return context


def _configure(
    context: VideoCodecContext, rendition: Rendition, settings: EncoderSettings, look: Look
) -> None:
    rate = rendition.frame_rate or FrameRate(30)
    context.width, context.height = rendition.width, rendition.height
    context.pix_fmt = "nv12" if settings.encoder in {"vaapi", "qsv"} else PIXEL_FORMAT
    context.time_base = TIME_BASE
    context.framerate = Fraction(rate.numerator, rate.denominator)
    context.bit_rate = rendition.video_bps
    context.max_b_frames = 0
    context.thread_count = settings.encoder_threads
    context.flags |= Flags.global_header  # parameter sets go into the TrackSet
    context.color_range = look.color_range
    context.colorspace = look.color_space
    context.color_primaries = look.color_primaries
    context.color_trc = look.color_transfer
    if look.sample_aspect_ratio:
        context.sample_aspect_ratio = look.sample_aspect_ratio


def _options(rendition: Rendition, settings: EncoderSettings, preset: str) -> dict[str, str]:
    video_bps = rendition.video_bps or 0
    buffer_bits = video_bps * settings.buffer_ms // 1000
    common = {"profile": "main", "maxrate": str(video_bps), "bufsize": str(buffer_bits)}
    if settings.encoder == "nvenc":
        return common | {
            "preset": preset, "tune": "ull", "rc": "cbr", "forced-idr": "1", "g": "100000",
            "delay": "0", "zerolatency": "1", "no-scenecut": "1", "bf": "0", "a53cc": "0",
        }  # fmt: skip
    if settings.encoder == "vaapi":
        return common | {
            "rc_mode": "CBR", "g": "100000", "bf": "0", "async_depth": "1",
            "sei": "identifier+timing+recovery_point",
        }  # fmt: skip
    if settings.encoder == "qsv":
        return common | {
            "preset": preset, "forced_idr": "1", "g": "100000", "bf": "0", "async_depth": "1",
            "low_delay_brc": "1", "a53cc": "0",
        }  # fmt: skip
    parameters = [
        "keyint=infinite", "scenecut=0", "bframes=0", "sliced-threads=0", "stitchable=1",
        f"force-cfr={int(rendition.frame_rate is not None)}",
    ]  # fmt: skip
    if preset != settings.preset and settings.preset in _HEADERS:
        parameters.append(_HEADERS[settings.preset])
    return common | {
        "preset": preset,
        "tune": "zerolatency",
        "forced-idr": "1",
        "a53cc": "0",
        "x264-params": ":".join(parameters),
    }


def video_track(context: VideoCodecContext, rendition: Rendition) -> VideoTrack:
    """The track that an open encoder's packets make up."""
    config = h264.parse_config(context.extradata or b"")
    rate = rendition.frame_rate
    return VideoTrack(
        config=h264.build_config(config),
        codec_string=h264.codec_string(config.info),
        width=rendition.width,
        height=rendition.height,
        frame_rate=float(rate) if rate else None,
    )


def look_of(frame: VideoFrame, sample_aspect_ratio: Fraction | None) -> Look:
    """What a decoded frame says of itself."""
    return Look(
        color_range=frame.color_range,
        color_space=frame.colorspace,
        color_primaries=frame.color_primaries,
        color_transfer=frame.color_trc,
        sample_aspect_ratio=sample_aspect_ratio,
        rotation_degrees=frame.rotation % 360,
    )


def orientation_sei(rotation_degrees: int) -> list[bytes]:
    """The SEI unit that says how to turn the pictures; none for those that are upright.

    Source: ITU-T H.264 §D.1.27. Encoders do not write it. Only quarter turns, which is
    what cameras make.
    """
    if rotation_degrees not in {90, 180, 270}:
        return []
    # Not cancelled, no flips (3 bits), the angle in 1/65536 turns (16), for all pictures
    # that follow (ue(v) 1: 010), no extension (0), stop bit (1).
    payload = (rotation_degrees * 65_536 // 360 << 5 | 0b01001).to_bytes(3, "big")
    return [bytes([h264.NAL_SEI, 47, len(payload)]) + payload + b"\x80"]
