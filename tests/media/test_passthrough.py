"""Real encoders' output through timeline and segmenter, read by FFmpeg."""

import io
import subprocess
from fractions import Fraction
from itertools import pairwise

import av
import pytest

from headwater.core.segment import Part, SegmentStarted
from headwater.media.segmenter import Segmenter
from headwater.media.timeline import Timeline
from media.encoders import encode

ENCODERS = [
    # id,                  settings
    ("30 fps, GOP 1",      {}),
    ("B-frames",           {"b_frames": 2}),
    ("15 fps, GOP 2",      {"rate": Fraction(15), "gop_s": 2}),
    ("24 fps, B, GOP 10",  {"rate": Fraction(24), "gop_s": 10, "seconds": 11, "b_frames": 3}),
    ("25 fps, GOP 4",      {"rate": Fraction(25), "gop_s": 4, "seconds": 6}),
    ("29.97 fps, B",       {"rate": Fraction(30000, 1001), "gop_s": 2, "b_frames": 2}),
    ("60 fps, GOP 0.5",    {"rate": Fraction(60), "gop_s": 0.5, "seconds": 3}),
    ("no sound",           {"audio": False, "b_frames": 1}),
    ("sound only",         {"video": False}),
]  # fmt: skip
PICTURES = [row for row in ENCODERS if row[1].get("video", True)]


def each(rows):
    return pytest.mark.parametrize(
        "settings", [row[1] for row in rows], ids=[row[0] for row in rows]
    )


CONTAINERS = pytest.mark.parametrize("container", ["TS", "FRAGMENTED_MP4"])


def package(items, container, *, low_latency=True):
    timeline, segmenter = Timeline(), Segmenter(container, low_latency=low_latency)
    events = []
    for item in items:
        for out in timeline.push(item):
            events += segmenter.push(out, 0)
    return events + segmenter.flush()


def joined(events):
    return b"".join(
        (event.init or b"") if isinstance(event, SegmentStarted) else event.payload
        for event in events
        if isinstance(event, SegmentStarted | Part)
    )


def pixels(frame):
    """All bytes of a picture without the padding of its lines."""
    rows = (
        bytes(plane)[line * plane.line_size :][: plane.width]
        for plane in frame.planes
        for line in range(plane.height)
    )
    return b"".join(rows)


def pictures(data):
    """Bytes and times (s) of decoded pictures, by FFmpeg's libraries."""
    with av.open(io.BytesIO(data)) as source:
        stream = source.streams.video[0]
        frames = list(source.decode(stream))
        return [pixels(frame) for frame in frames], [f.time for f in frames]


def source_pictures(encoded):
    units = [item for item in encoded.items if getattr(item, "kind", "") == "video"]
    decoder = av.CodecContext.create("h264", "r")
    decoder.extradata = encoded.video_config
    frames = [
        frame for item in units[1:] for frame in decoder.decode(av.Packet(item.data))
    ] + decoder.decode(None)
    return [pixels(frame) for frame in frames]


@each(ENCODERS)
@CONTAINERS
@pytest.mark.parametrize("low_latency", [True, False], ids=["parts", "plain"])
def test_ffmpeg_reads_it_without_a_warning(settings, container, low_latency, tmp_path):
    file = tmp_path / "stream"
    file.write_bytes(joined(package(encode(**settings).items, container, low_latency=low_latency)))

    command = ["ffmpeg", "-v", "warning", "-xerror", "-err_detect", "explode", "-i", file]
    # FFmpeg's own output would round times in milliseconds to a frame grid, and complain.
    command += ["-fps_mode", "passthrough", "-enc_time_base", "-1", "-f", "null", "-"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)

    assert done.stderr == ""
    assert done.returncode == 0


@each(PICTURES)
@CONTAINERS
def test_every_picture_comes_out_as_the_encoder_made_it(settings, container):
    encoded = encode(**settings)

    shown, times = pictures(joined(package(encoded.items, container)))

    assert shown == source_pictures(encoded)
    rate = float(settings.get("rate", 30))
    steps = [after - before for before, after in pairwise(times)]
    assert all(abs(step - 1 / rate) < 0.0021 for step in steps)


def test_sound_lies_on_its_grid_next_to_the_pictures():
    data = joined(package(encode(b_frames=2).items, "FRAGMENTED_MP4"))
    with av.open(io.BytesIO(data)) as source:
        packets = [(p.stream.type, p.pts, p.time_base) for p in source.demux() if p.pts is not None]

    audio = [pts for kind, pts, _ in packets if kind == "audio"]
    assert {after - before for before, after in pairwise(audio)} == {1024}


def test_parts_of_a_transport_stream_can_be_read_alone():
    events = package(encode().items, "TS")
    alone = [event for event in events if isinstance(event, Part) and event.independent]

    assert alone
    for part in alone:
        assert len(pictures(part.payload)[0]) == 10


def test_ffprobe_sees_size_codec_and_rate(tmp_path):
    file = tmp_path / "stream.mp4"
    file.write_bytes(joined(package(encode().items, "FRAGMENTED_MP4")))
    entries = "stream=codec_name,profile,width,height,sample_rate,channels"

    command = ["ffprobe", "-v", "error", "-of", "csv=p=0", "-show_entries", entries]
    out = subprocess.run([*command, file], check=True, capture_output=True, text=True).stdout

    assert out.splitlines() == ["h264,Constrained Baseline,64,48", "aac,LC,48000,2"]


@pytest.mark.parametrize("settings", [{}, {"b_frames": 2}], ids=["plain", "B-frames"])
def test_ffmpeg_finds_a_tag_at_the_first_picture_of_each_segment(settings):
    data = joined(package(encode(**settings).items, "TS"))
    with av.open(io.BytesIO(data)) as source:
        names = [
            stream.codec_context.name if stream.type != "data" else stream.type
            for stream in source.streams
        ]
        assert names == ["aac", "h264", "data"]
        packets = [
            (p.stream.type, p.pts, p.is_keyframe, bytes(p)) for p in source.demux() if p.size
        ]

    tags = [(pts, content) for kind, pts, _, content in packets if kind == "data"]
    keys = [pts for kind, pts, key, _ in packets if kind == "video" and key]
    assert [pts for pts, _ in tags] == [keys[0], keys[2]]
    assert all(
        content.startswith(b"ID3\x04") and b"segmentmetadata" in content for _, content in tags
    )
