"""What this machine can do: which encoders really open, and how much fits into real time.

Answers are plain values, so that they can be printed as JSON.
"""

import os
import time

import av
import av.logging
from av.codec.codec import UnknownCodecError
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame

from headwater.media.ladder import FrameRate, Rendition
from headwater.media.transcode.encoders import (
    LIBRARY_NAMES,
    PIXEL_FORMAT,
    TIME_BASE,
    EncoderError,
    Look,
    open_encoder,
)
from headwater.media.transcode.wire import EncoderName, EncoderSettings

MEASURE_S = 1.0
HEADROOM = 0.6  # of the machine; the rest is for the node, sound, and harder pictures

_TRIAL_PRESETS: dict[EncoderName, str] = {
    "x264": "veryfast",
    "nvenc": "p4",
    "vaapi": "",
    "qsv": "veryfast",
}
_TRIAL = Rendition(
    name="720p30", width=1280, height=720, frame_rate=FrameRate(30), video_bps=2_400_000
)


def probe(settings: EncoderSettings) -> dict[str, object]:
    """All encoders, and the capacity with these settings in `ladder.cost_units`."""
    encoders = {name: _look_at(name) for name in LIBRARY_NAMES}
    opens = encoders[settings.encoder]["opens"]
    return {
        "encoders": encoders,
        "capacity_units": round(_capacity_units(settings), 2) if opens else 0.0,
        "cores": os.cpu_count() or 1,
    }


def _look_at(name: EncoderName) -> dict[str, object]:
    """Whether PyAV has it, whether it encodes a frame here, and why not."""
    try:
        av.Codec(LIBRARY_NAMES[name], "w")
    except UnknownCodecError:
        return {"offered": False, "opens": False, "reason": "this build of PyAV has none"}
    settings = EncoderSettings(encoder=name, preset=_TRIAL_PRESETS[name])
    av.logging.set_level(av.logging.ERROR)
    try:
        with av.logging.Capture() as lines:
            context = open_encoder(_TRIAL, settings, Look(), settings.preset)
            context.encode(_picture(0))
            context.encode(None)
    except (EncoderError, av.FFmpegError) as error:
        # The library's own line says more than its error code.
        reason = lines[0][2].strip() if lines else str(error)
        return {"offered": True, "opens": False, "reason": reason}
    finally:
        av.logging.set_level(None)
    return {"offered": True, "opens": True, "reason": ""}


def _capacity_units(settings: EncoderSettings) -> float:
    """How many 720p30 encodes fit: from processor time, so other load matters little."""
    context = open_encoder(_TRIAL, settings, Look(), settings.preset)
    frames = [_picture(number) for number in range(8)]
    _encode(context, frames, 0)  # the first frames are unlike the rest
    started_s, before_s, count = time.monotonic(), time.process_time(), len(frames)
    while time.monotonic() - started_s < MEASURE_S:
        _encode(context, frames, count)
        count += len(frames)
    frame_s = (time.process_time() - before_s) / (count - len(frames))
    return HEADROOM * (os.cpu_count() or 1) / (30 * frame_s)


def _encode(context: VideoCodecContext, frames: list[VideoFrame], first: int) -> None:
    for number, frame in enumerate(frames, first):
        frame.pts, frame.time_base = number * 3000, TIME_BASE
        frame.pict_type = PictureType.NONE
        context.encode(frame)


def _picture(number: int) -> VideoFrame:
    """A moving texture: flat pictures would cost nothing."""
    frame = VideoFrame(_TRIAL.width, _TRIAL.height, PIXEL_FORMAT)
    for plane in frame.planes:
        row = bytes((x * x // 64 + 3 * number) & 0xFF for x in range(plane.line_size + 256))
        lines = [row[(y * 7 + number) & 0xFF :][: plane.line_size] for y in range(plane.height)]
        plane.update(b"".join(lines))
    frame.pts, frame.time_base = number * 3000, TIME_BASE
    return frame
