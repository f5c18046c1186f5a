"""Real H.264 and AAC, encoded on the spot, as an RTMP encoder would hand it on."""

import io
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache

import av

from headwater.core.encoded import CodecConfig, EncodedFrame

WIDTH, HEIGHT = 64, 48
SAMPLE_RATE_HZ = 48_000


@dataclass
class Encoded:
    """What an encoder sends, in order, and its frames as an independent reader sees them."""

    items: list = field(default_factory=list)
    video_config: bytes = b""
    audio_config: bytes = b""


def _pictures(rate, seconds, size):
    for number in range(round(rate * seconds)):
        frame = av.VideoFrame(*size, "yuv420p")
        for plane in frame.planes:
            plane.update(bytes([(number * 7 + 40) % 256]) * plane.buffer_size)
        frame.pts, frame.time_base = number, 1 / Fraction(rate)
        yield frame


def _sounds(seconds, rate):
    for number in range(int(seconds * rate / 1024)):
        frame = av.AudioFrame(format="fltp", layout="stereo", samples=1024)
        frame.sample_rate = rate
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        frame.pts, frame.time_base = number * 1024, Fraction(1, rate)
        yield frame


@cache
def encode(
    *,
    rate=Fraction(30),
    gop_s=1.0,
    seconds=4.0,
    b_frames=0,
    audio=True,
    video=True,
    size=(WIDTH, HEIGHT),
    audio_rate=SAMPLE_RATE_HZ,
):
    """An FLV made by FFmpeg's own muxer, read back as CodecConfig and EncodedFrame."""
    file = io.BytesIO()
    with av.open(file, "w", format="flv") as out:
        streams = []
        if video:
            stream = out.add_stream("libx264", rate=rate)
            stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
            gop = max(1, round(rate * gop_s))
            stream.options = {
                "preset": "ultrafast",
                "x264-params": f"keyint={gop}:min-keyint={gop}:scenecut=0:bframes={b_frames}"
                ":b-adapt=0:b-pyramid=none:threads=1:force-cfr=1",
            }
            streams.append((stream, _pictures(rate, seconds, size)))
        if audio:
            stream = out.add_stream("aac", rate=audio_rate)
            streams.append((stream, _sounds(seconds, audio_rate)))
        packets = []
        for stream, frames in streams:
            for frame in frames:
                packets += stream.encode(frame)
            packets += stream.encode(None)
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            out.mux(packet)
    return read_flv(file.getvalue())


def read_flv(data):
    """The tags of an FLV file (Adobe FLV 10.1, annex E)."""
    encoded, position = Encoded(), 13
    while position + 15 <= len(data):
        kind, size = data[position], int.from_bytes(data[position + 1 : position + 4], "big")
        time_ms = int.from_bytes(data[position + 4 : position + 7], "big")
        time_ms |= data[position + 7] << 24
        body = data[position + 11 : position + 11 + size]
        position += 15 + size
        if kind == 9 and body[1] == 0:
            encoded.video_config = body[5:]
            encoded.items.append(CodecConfig(kind="video", codec="h264", data=body[5:]))
        elif kind == 9 and body[1] == 1:
            encoded.items.append(
                EncodedFrame(
                    kind="video",
                    timestamp_ms=time_ms,
                    composition_offset_ms=int.from_bytes(body[2:5], "big", signed=True),
                    keyframe=body[0] >> 4 == 1,
                    data=body[5:],
                )
            )
        elif kind == 8 and body[1] == 0:
            encoded.audio_config = body[2:]
            encoded.items.append(CodecConfig(kind="audio", codec="aac", data=body[2:]))
        elif kind == 8:
            encoded.items.append(
                EncodedFrame(
                    kind="audio",
                    timestamp_ms=time_ms,
                    composition_offset_ms=0,
                    keyframe=True,
                    data=body[2:],
                )
            )
    return encoded
