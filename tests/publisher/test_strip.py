from fractions import Fraction

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.publisher.picture import Picture
from headwater.publisher.strip import block_edges, read_strip, strip_bits

NOW_MS = 1_763_900_000_123


def drawn(unix_ms, frame, width=640, height=360):
    luma = bytearray(b"\x80" * width * height)
    columns, lines = block_edges(width, height)
    for index, bit in enumerate(strip_bits(unix_ms, frame)):
        row, column = divmod(index, 40)
        for y in range(lines[row], lines[row + 1]):
            for x in range(columns[column], columns[column + 1]):
                luma[y * width + x] = 235 if bit else 16
    return luma


@settings(max_examples=25)
@given(
    unix_ms=st.integers(0, 2**48 - 1),
    frame=st.integers(0, 2**24 - 1),
    width=st.integers(160, 400).map(lambda side: 2 * side),
)
def test_what_was_drawn_is_read_back_at_any_width(unix_ms, frame, width):
    assert read_strip(drawn(unix_ms, frame, width, 180), width, width, 180) == (unix_ms, frame)


def test_the_counter_wraps_at_24_bits():
    assert read_strip(drawn(NOW_MS, 2**24 + 5), 640, 640, 360) == (NOW_MS, 5)


def test_lines_may_be_longer_than_the_picture():
    luma = drawn(NOW_MS, 7)
    padded = b"".join(luma[y : y + 640] + bytes(64) for y in range(0, len(luma), 640))

    assert read_strip(padded, 704, 640, 360) == (NOW_MS, 7)


NO_STRIP = [
    # id,          luma
    ("black",      bytes([16])),
    ("white",      bytes([235])),
    ("grey",       bytes([128])),
]  # fmt: skip


@pytest.mark.parametrize("luma", [row[1] for row in NO_STRIP], ids=[row[0] for row in NO_STRIP])
def test_a_picture_without_a_strip_gives_none(luma):
    assert read_strip(luma * 640 * 360, 640, 640, 360) is None


def test_one_flipped_block_gives_none():
    luma = drawn(NOW_MS, 7)
    top, side = 360 - 16, 8
    for y in range(top, top + side):
        for x in range(side):
            luma[y * 640 + x] = 251 - luma[y * 640 + x]

    assert read_strip(luma, 640, 640, 360) is None


def through_x264(pictures, width, height, kbps):
    """Encode at a bitrate, decode, and give (luma, stride) of each picture."""
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, 30), Fraction(30)
    encoder.bit_rate = kbps * 1000
    rate = f"{kbps}k"
    encoder.options = {
        "preset": "ultrafast",
        "tune": "zerolatency",
        "maxrate": rate,
        "bufsize": rate,
    }
    decoder = av.CodecContext.create("h264", "r")
    packets = [packet for picture in pictures for packet in encoder.encode(picture)]
    packets += encoder.encode(None)
    frames = [frame for packet in [*packets, None] for frame in decoder.decode(packet)]
    return [(bytes(frame.planes[0]), frame.planes[0].line_size) for frame in frames]


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (640, 360)])
def test_every_frame_is_read_after_h264_at_1_mbps(width, height):
    picture = Picture(width=width, height=height, fps=30)
    sent = [(NOW_MS + index * 1000 // 30, index) for index in range(40)]

    def drawn_frames():
        for unix_ms, number in sent:
            picture.draw(unix_ms, number)
            frame = av.VideoFrame(width, height, "yuv420p")
            for plane, data in zip(frame.planes, picture.planes, strict=True):
                plane.update(bytes(data))
            frame.pts, frame.time_base = number, Fraction(1, 30)
            yield frame

    decoded = through_x264(drawn_frames(), width, height, 1000)

    assert [read_strip(luma, stride, width, height) for luma, stride in decoded] == sent
