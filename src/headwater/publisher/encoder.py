"""Encoding and publishing in real time: H.264 and AAC in FLV over RTMP or RTMPS.

    wait for the frame's time -> draw -> encode -> queue -> (libavformat's thread) -> network

What a careful streaming encoder sends: Main profile without B-frames, closed GOPs of a
fixed length, constant bitrate with filler, AAC-LC at 48 kHz.

libavformat's `fifo` muxer connects and writes in a thread of its own, so that neither a
slow handshake nor a full socket holds up the clock or a signal. PyAV alone would connect
with the interpreter locked. Its queue is bounded: when it is full, packets are dropped up
to the next key frame.
"""

import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from urllib.parse import SplitResult, urlsplit

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.codec.context import Flags
from av.container import OutputContainer
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream
from msgspec import Struct

from headwater.core.errors import HeadwaterError, OperatorError
from headwater.core.secret import Secret
from headwater.publisher.picture import Picture
from headwater.publisher.tone import FRAME_SAMPLES, SAMPLE_RATE_HZ, Tone

NETWORK_TIMEOUT_S = 8  # a server that is silent for longer is gone
QUEUE_PACKETS = 240  # about 3 s of picture and sound: rides over a hiccup, no more
MAX_LAG_S = 0.25  # further behind, frames are skipped, as a camera would
_BT709 = 1  # matrix, primaries and transfer: ITU-T H.273 tables 2 to 4
_LIMITED_RANGE = 1  # AVCOL_RANGE_MPEG


class PublishError(HeadwaterError):
    """The stream could not be published, or broke. The text holds no stream key."""


class Settings(Struct, frozen=True, kw_only=True):
    """What to encode."""

    width: int = 1280  # pixels, even
    height: int = 720
    fps: int = 30
    gop_s: float = 1.0  # seconds from key frame to key frame
    video_kbps: int = 2500
    audio_kbps: int = 128
    seconds: float = 0  # 0: until stopped


def parse_url(url: Secret) -> SplitResult:
    """The parts of a publishing URL: `rtmp[s]://<host>[:<port>]/<app>/<stream key>`.

    Raises:
        OperatorError: it is not of that form. The text does not repeat the URL.
    """
    try:
        parts = urlsplit(url.reveal())
        valid = parts.scheme in ("rtmp", "rtmps") and parts.hostname and parts.port != 0
    except ValueError:  # a port that is no number
        valid = False
    if not valid or "/" not in parts.path.strip("/"):
        raise OperatorError("the URL must be rtmp:// or rtmps://<host>/<app>/<stream key>")
    return parts


def publish(url: Secret, settings: Settings, stopped: Callable[[], bool]) -> None:
    """Publish until `stopped()` is true or `settings.seconds` are over.

    The certificate of an RTMPS server is not checked, as with ffmpeg.

    Raises:
        OperatorError: the URL or a setting cannot be used.
        PublishError: the server refused or left.
    """
    parts = parse_url(url)
    picture = Picture(width=settings.width, height=settings.height, fps=settings.fps)
    av.logging.set_level(None)  # its lines would name the URL, and so the stream key
    try:
        with _open(url) as container:
            video = _add_video(container, settings)
            audio = _add_audio(container, settings)
            _run(container, (video, audio), picture, settings, stopped)
    except av.FFmpegError as error:
        port = parts.port or (443 if parts.scheme == "rtmps" else 1935)
        # The error's own text would name the URL.
        raise PublishError(f"{parts.scheme}://{parts.hostname}:{port}: {_reason(error)}") from None


def _reason(error: av.FFmpegError) -> str:
    if isinstance(error, (av.ConnectionRefusedError, av.TimeoutError)):
        return str(error.strerror).lower()
    return f"the server refused the stream or closed the connection ({error.strerror})"


def _open(url: Secret) -> OutputContainer:
    network = f"rw_timeout={NETWORK_TIMEOUT_S * 1_000_000}:tcp_nodelay=1"
    return av.open(
        url.reveal(),
        "w",
        format="fifo",
        container_options={
            "fifo_format": "flv",
            "format_opts": f"{network}:flvflags=no_duration_filesize:flush_packets=1",
            "queue_size": str(QUEUE_PACKETS),
            "drop_pkts_on_overflow": "1",
            "restart_with_keyframe": "1",
        },
    )


def _add_video(container: OutputContainer, settings: Settings) -> VideoStream:
    stream = container.add_stream(
        "libx264",
        rate=settings.fps,
        options={
            "preset": "veryfast",
            "tune": "zerolatency",
            "profile": "main",
            "maxrate": f"{settings.video_kbps}k",
            "bufsize": f"{settings.video_kbps}k",  # one second, as OBS
            # Key frames come when we ask for them: x264 counts frames, not time, and
            # would stretch the GOP where frames were skipped.
            "forced-idr": "1",
            "x264-params": "nal-hrd=cbr:keyint=infinite:scenecut=0:bframes=0",
        },
    )
    stream.width, stream.height, stream.pix_fmt = settings.width, settings.height, "yuv420p"
    context = stream.codec_context
    context.bit_rate = settings.video_kbps * 1000
    context.time_base = Fraction(1, settings.fps)
    context.color_range = _LIMITED_RANGE
    context.colorspace = context.color_primaries = context.color_trc = _BT709
    context.flags |= Flags.global_header  # FLV wants it; fifo does not pass that on
    return stream


def _add_audio(container: OutputContainer, settings: Settings) -> AudioStream:
    stream = container.add_stream("aac", rate=SAMPLE_RATE_HZ, layout="stereo", format="fltp")
    context = stream.codec_context
    context.bit_rate = settings.audio_kbps * 1000
    context.time_base = Fraction(1, SAMPLE_RATE_HZ)
    context.flags |= Flags.global_header
    return stream


def _run(
    container: OutputContainer,
    streams: tuple[VideoStream, AudioStream],
    picture: Picture,
    settings: Settings,
    stopped: Callable[[], bool],
) -> None:
    """The loop of real time: a frame when its time has come, the sound that led up to it."""
    video, audio = streams
    start_unix_ms = time.time_ns() // 1_000_000
    tone = Tone(start_unix_ms)
    gop_frames = max(1, round(settings.fps * settings.gop_s))
    audio_index, gop = 0, -1
    for frame in _due_frames(settings, stopped):
        heard_samples = frame * SAMPLE_RATE_HZ // settings.fps
        while (audio_index + 1) * FRAME_SAMPLES <= heard_samples:
            container.mux(audio.encode(_audio_frame(tone, audio_index)))
            audio_index += 1
        picture.draw(start_unix_ms + frame * 1000 // settings.fps, frame)
        image = _video_frame(picture, frame, settings.fps)
        if frame // gop_frames > gop:
            image.pict_type = PictureType.I
            gop = frame // gop_frames
        container.mux(video.encode(image))
    container.mux(video.encode(None))
    container.mux(audio.encode(None))


def _due_frames(settings: Settings, stopped: Callable[[], bool]) -> Iterator[int]:
    """Frame numbers, each when it is due; some are left out when we cannot keep up."""
    start_s = time.monotonic()
    frame = 0
    while not stopped():
        if settings.seconds and frame >= settings.seconds * settings.fps:
            return
        late_s = time.monotonic() - start_s - frame / settings.fps
        if late_s < 0:
            time.sleep(-late_s)
            continue  # a signal may have cut the sleep short, or asked to stop
        yield frame
        frame += 1 if late_s <= MAX_LAG_S else round(late_s * settings.fps)


def _video_frame(picture: Picture, number: int, fps: int) -> VideoFrame:
    frame = VideoFrame(picture.width, picture.height, "yuv420p")
    for index, plane in enumerate(frame.planes):
        width = picture.width // 2 if index else picture.width
        data = bytes(picture.planes[index])
        if plane.line_size != width:
            pad = bytes(plane.line_size - width)
            lines = range(0, len(data), width)
            data = b"".join(data[line : line + width] + pad for line in lines)
        plane.update(data)
    frame.pts, frame.time_base = number, Fraction(1, fps)
    return frame


def _audio_frame(tone: Tone, index: int) -> AudioFrame:
    frame = AudioFrame(format="fltp", layout="stereo", samples=FRAME_SAMPLES)
    samples = tone.frame(index)
    for plane in frame.planes:
        plane.update(samples)
    frame.sample_rate = SAMPLE_RATE_HZ
    frame.pts, frame.time_base = index * FRAME_SAMPLES, Fraction(1, SAMPLE_RATE_HZ)
    return frame
