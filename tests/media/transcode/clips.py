"""Short clips as the node would hand them to a transcoder, and the transcoder run on them."""

import subprocess
import sys
import threading
from collections import defaultdict
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av

from headwater.core.packet import Packet
from headwater.core.track import AudioTrack, TrackSet, VideoTrack
from headwater.media.codec import aac, h264
from headwater.media.transcode.wire import (
    Begin,
    Encoded,
    End,
    Media,
    Progress,
    Tracks,
    answer_reader,
    write_message,
)

COMMAND = (sys.executable, "-m", "headwater.media.transcode")


@dataclass
class Clip:
    """Tracks and packets in order."""

    tracks: TrackSet
    packets: list[Packet]

    @property
    def video(self):
        return [packet for packet in self.packets if packet.kind == "video"]

    @property
    def audio(self):
        return [packet for packet in self.packets if packet.kind == "audio"]


def make_clip(
    path: Path, picture: str, *, seconds: float, options: tuple = (), sound: str = ""
) -> Clip:
    """Encode lavfi sources with ffmpeg into an FLV file and read it."""
    sound = sound or "sine=frequency=440:sample_rate=48000"
    subprocess.run(
        [
            "ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", sound,
            "-t", str(seconds), "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency",
            "-pix_fmt", "yuv420p", "-g", "60", "-sc_threshold", "0", "-b:v", "4M",
            "-c:a", "aac", "-b:a", "128k", "-ac", "2", *options, str(path),
        ],
        check=True,
    )  # fmt: skip
    return read_clip(path)


def read_clip(path: Path) -> Clip:
    """A file's packets with times in ticks, from 0; sound back to back."""
    with av.open(str(path)) as container:
        streams = {stream.type: stream for stream in container.streams}
        tracks = TrackSet(video=_video(streams["video"]), audio=_audio(streams.get("audio")))
        packets, samples = [], None
        for each in container.demux():
            if each.size == 0 or each.pts is None:
                continue
            if each.stream.type == "audio":
                rate = tracks.audio.timescale
                if samples is None:
                    samples = round(each.pts * each.time_base * rate)
                packets.append(_packet("audio", samples, samples, each))
                samples += aac.SAMPLES_PER_FRAME
            else:
                ticks = 90_000 * Fraction(each.time_base)
                packets.append(
                    _packet("video", round(each.dts * ticks), round(each.pts * ticks), each)
                )
    return Clip(tracks, packets)


def _packet(kind, dts, pts, each):
    data = bytes(each)
    return Packet(
        kind=kind, dts=dts, pts=pts, keyframe=kind == "audio" or each.is_keyframe, data=data
    )


def _video(stream):
    config = h264.parse_config(stream.codec_context.extradata)
    return VideoTrack(
        config=h264.build_config(config),
        codec_string=h264.codec_string(config.info),
        width=config.info.width,
        height=config.info.height,
        frame_rate=config.info.frame_rate,
    )


def _audio(stream):
    if stream is None:
        return None
    config = aac.parse_config(stream.codec_context.extradata)
    return AudioTrack(
        config=stream.codec_context.extradata,
        codec_string=config.codec_string,
        sample_rate_hz=config.sample_rate_hz,
        channels=config.channels,
    )


@dataclass
class Result:
    """What a transcoder answered, by rendition."""

    status: int
    log: str
    answers: list
    tracks: dict = field(default_factory=lambda: defaultdict(list))
    video: dict = field(default_factory=lambda: defaultdict(list))
    audio: dict = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self):
        for answer in self.answers:
            if isinstance(answer, Tracks):
                for index in answer.renditions:
                    self.tracks[index].append(answer.tracks)
            elif isinstance(answer, Encoded):
                kind = self.video if answer.packet.kind == "video" else self.audio
                for index in answer.renditions:
                    kind[index].append(answer.packet)

    @property
    def progress(self):
        return [answer for answer in self.answers if isinstance(answer, Progress)]


def requests_of(clip, renditions, settings):
    """All that the node would say."""
    return [
        Begin(source=clip.tracks, renditions=renditions, settings=settings),
        *(Media(packet=packet) for packet in clip.packets),
        End(),
    ]


def transcode(requests) -> Result:
    """Run a transcoder on requests, as fast as it goes."""
    return run(b"".join(map(write_message, requests)))


def run(data: bytes) -> Result:
    """Run a transcoder on bytes."""
    with subprocess.Popen(
        COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        feeder = threading.Thread(target=_feed, args=(process.stdin, data))
        feeder.start()
        reader, answers = answer_reader(), []
        while chunk := process.stdout.read1(1 << 16):
            answers += reader.push(chunk)
        log = process.stderr.read().decode()
        feeder.join()
    return Result(process.returncode, log, answers)


def _feed(pipe, data):
    try:
        pipe.write(data)
        pipe.close()
    except BrokenPipeError:
        pass


def decode(track: VideoTrack, packets: list[Packet]) -> list:
    """The pictures of a rendition, by PyAV."""
    context = av.CodecContext.create("h264", "r")
    context.extradata = track.config
    frames = []
    for packet in packets:
        each = av.Packet(packet.data)
        each.pts, each.dts, each.time_base = packet.pts, packet.dts, Fraction(1, 90_000)
        frames += context.decode(each)
    return frames + context.decode(None)


def samples(track: AudioTrack, packets: list[Packet]) -> tuple[int, list[float]]:
    """The left channel's samples and the ticks of the first."""
    context = av.CodecContext.create("aac", "r")
    context.extradata = track.config
    values: list[float] = []
    for packet in packets:
        each = av.Packet(packet.data)
        each.pts, each.time_base = packet.pts, Fraction(1, track.timescale)
        for frame in context.decode(each):
            values += memoryview(bytes(frame.planes[0])).cast("f")[: frame.samples].tolist()
    return packets[0].pts, values
