"""`python -m headwater.recording.thumbnails_child`: makes thumbnails, for a whole server.

Requests come on standard input, answers go to standard output (see `thumbnails_wire`). Only
the first key frame of each piece of media is decoded. It ends with status 0 when standard
input closes, and dies with its parent.
"""

import ctypes
import io
import os
import signal
import sys
from fractions import Fraction

import av
import av.logging
from av.codec.context import CodecContext
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from headwater.core.errors import PeerError
from headwater.recording.thumbnails_wire import (
    Answer,
    Made,
    NotMade,
    Wanted,
    wanted_reader,
    write,
)

READ_BYTES = 1 << 18
JPEG_QUANTIZER = 3
"""Of 2 (best) to 31. A picture of 1280x720 has about 100 kB with it."""
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_STDIN, _STDOUT, _STDERR = 0, 1, 2
_OPEN_OPTIONS = {"analyzeduration": "0", "fpsprobesize": "0"}  # ours begin with all it needs
_PIXELS = "yuvj420p"


def main() -> None:
    """Answer until standard input closes."""
    if sys.platform == "linux":
        # A parent that is killed closes our input too; this holds even if we hang.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the node's to answer
    av.logging.set_level(None)
    # Moved away, so that a library's stray line cannot break the stream of answers.
    answers = os.dup(_STDOUT)
    os.dup2(_STDERR, _STDOUT)
    reader = wanted_reader()
    while data := os.read(_STDIN, READ_BYTES):
        for wanted in reader.push(data):
            _send(answers, _answer(wanted))


def _answer(wanted: Wanted) -> Answer:
    try:
        jpeg = thumbnail(wanted.media, wanted.width, wanted.height)
    except (av.FFmpegError, PeerError, ValueError) as error:
        return NotMade(number=wanted.number, reason=f"{type(error).__name__}: {error}")
    return Made(number=wanted.number, jpeg=jpeg)


def thumbnail(media: bytes, width: int, height: int) -> bytes:
    """The first key frame as a JPEG of that many pixels.

    Raises:
        PeerError: there is no key frame, or it gives no picture.
        av.FFmpegError: the media cannot be read.
    """
    frame = _key_frame(media).reformat(width, height, _PIXELS)
    frame.pts = 0
    context = CodecContext.create("mjpeg", "w")
    assert isinstance(context, VideoCodecContext)  # noqa: S101 - for mypy
    context.width, context.height, context.pix_fmt = width, height, _PIXELS
    context.time_base = Fraction(1, 25)  # it must have one
    context.thread_count = 1
    context.qmin = context.qmax = JPEG_QUANTIZER
    return b"".join(bytes(packet) for packet in [*context.encode(frame), *context.encode(None)])


def _key_frame(media: bytes) -> VideoFrame:
    with av.open(io.BytesIO(media), "r", options=_OPEN_OPTIONS) as container:
        if not container.streams.video:
            raise PeerError("no video")
        stream = container.streams.video[0]
        decoder = stream.codec_context
        decoder.thread_count = 1
        for packet in container.demux(stream):
            if packet.is_keyframe and packet.size:
                # Flushed at once: pictures that reference later ones are not waited for.
                frames = [*decoder.decode(packet), *decoder.decode(None)]
                if not frames:
                    break
                return frames[0]
    raise PeerError("no key frame that can be decoded")


def _send(descriptor: int, answer: Answer) -> None:
    data = memoryview(write(answer))
    while data:
        data = data[os.write(descriptor, data) :]


if __name__ == "__main__":
    main()
