import pytest

from headwater.core.errors import OperatorError
from headwater.publisher.picture import Picture, yuv
from headwater.publisher.strip import read_strip

NOON_MS = 1_763_899_200_000  # a whole second
SIZES = [(1280, 720), (640, 360), (426, 240), (720, 1280), (160, 160)]


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_each_size_fills_its_planes_and_carries_the_strip(width, height):
    picture = Picture(width=width, height=height, fps=30)

    picture.draw(NOON_MS, 42)

    assert [len(plane) for plane in picture.planes] == [width * height] + 2 * [width * height // 4]
    assert read_strip(picture.planes[0], width, width, height) == (NOON_MS, 42)


REFUSED = [
    # id,         width, height, says
    ("odd",         641,    360, "width must be even and 160 to 3840 pixels"),
    ("too small",   640,    100, "height must be even"),
    ("too large",  3842,    360, "width must be even"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("width", "height", "says"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_a_size_that_cannot_be_drawn_is_refused(width, height, says):
    with pytest.raises(OperatorError, match=says):
        Picture(width=width, height=height, fps=30)


def test_drawing_leaves_no_traces_of_earlier_frames():
    reused = Picture(width=320, height=180, fps=30)
    for step in range(25):
        reused.draw(NOON_MS + step * 41, step)
    reused.draw(NOON_MS + 30, 99)
    fresh = Picture(width=320, height=180, fps=30)
    fresh.draw(NOON_MS + 30, 99)

    assert reused.planes == fresh.planes


def test_the_flash_lasts_as_long_as_the_beep():
    picture = Picture(width=320, height=180, fps=30)
    totals = {}
    for millis in (0, 99, 100, 500):
        picture.draw(NOON_MS + millis, 0)
        left, top = picture._lamp_at
        totals[millis] = picture.planes[0][(top + 4) * 320 + left + 4]

    assert totals[0] == totals[99] == 235
    assert totals[100] == totals[500] < 100


COLORS = [
    # id,      rgb,             yuv, from ITU-R BT.709-6 by hand
    ("black",  (0, 0, 0),       (16, 128, 128)),
    ("white",  (255, 255, 255), (235, 128, 128)),
    ("red",    (255, 0, 0),     (63, 102, 240)),
    ("blue",   (0, 0, 255),     (32, 240, 118)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("color", "expected"), [row[1:] for row in COLORS], ids=[row[0] for row in COLORS]
)
def test_colours_are_bt709_in_limited_range(color, expected):
    assert yuv(color) == expected
