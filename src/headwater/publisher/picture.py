"""The test picture: title, running UTC clock, sweep, flash, colour bars and time strip.

Format: 8-bit YUV 4:2:0, three planes without padding, limited range, BT.709.

Everything that stands still is drawn once; a frame then costs some hundred slice
assignments. All measures are in units of an 80th of the width, so that any size looks
the same. What moves:

    clock    UTC, hours to milliseconds
    sweep    a ball that crosses the track once a second
    flash    lamp and track light up for the first 100 ms of each second, with the beep
    frame    the frame counter
    strip    the same time and counter for machines: see strip.py
"""

from collections.abc import Sequence

from msgspec import Struct

from headwater.core.errors import OperatorError
from headwater.publisher.glyphs import Mask, disc_mask, text_mask
from headwater.publisher.strip import BLOCKS_PER_WIDTH, block_edges, strip_bits
from headwater.publisher.tone import BEEP_MS

MIN_SIDE = 160  # below, a block of the strip is under two pixels and does not survive
MAX_SIDE = 3840  # a 4K picture; more is a typing error

Rgb = tuple[int, int, int]
Yuv = tuple[int, int, int]

_BLACK, _WHITE = 16, 235  # luma of limited range
_BACKGROUND: Rgb = (12, 20, 36)
_TRACK: Rgb = (38, 54, 80)
_ACCENT: Rgb = (45, 212, 191)
_DIM = 110  # luma of labels
_LAMP_OFF = 60
_MILLIS = 165
# Colour bars at 75 %, in the order of falling luma (ITU-R BT.1729).
_BARS: tuple[Rgb, ...] = (
    (191, 191, 191), (191, 191, 0), (0, 191, 191), (0, 191, 0),
    (191, 0, 191), (191, 0, 0), (0, 0, 191),
)  # fmt: skip
_STAIRS = 11  # grey steps right of the strip

_MARGIN = 5.0  # units
_BARS_HEIGHT = 6.0
_CLOCK_CAP = 7.0
_BALL_RADIUS = 1.3


class Box(Struct, frozen=True):
    """A place in the picture, in pixels."""

    left: int
    top: int
    width: int
    height: int


def yuv(color: Rgb) -> Yuv:
    """BT.709, limited range (ITU-R BT.709-6 §3)."""
    red, green, blue = (part / 255 for part in color)
    luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return (
        round(16 + 219 * luma),
        round(128 + 224 * (blue - luma) / 1.8556),
        round(128 + 224 * (red - luma) / 1.5748),
    )


class Picture:
    """One picture, drawn over and over. `planes` hold the newest frame."""

    def __init__(self, *, width: int, height: int, fps: int) -> None:
        for name, side in (("width", width), ("height", height)):
            if side % 2 or not MIN_SIDE <= side <= MAX_SIDE:
                raise OperatorError(f"{name} must be even and {MIN_SIDE} to {MAX_SIDE} pixels")
        self.width, self.height = width, height
        half = width * height // 4
        self.planes = (bytearray(width * height), bytearray(half), bytearray(half))
        self._unit = width / BLOCKS_PER_WIDTH
        self._columns, self._lines = block_edges(width, height)
        self._background = yuv(_BACKGROUND)
        self._draw_ground(fps)
        self._prepare_clock()
        self._prepare_sweep()

    def draw(self, unix_ms: int, frame: int) -> None:
        """Draw the frame captured at `unix_ms` (Unix milliseconds) as number `frame`."""
        self._draw_clock(unix_ms)
        self._draw_counter(frame)
        self._draw_sweep(unix_ms % 1000)
        self._draw_strip(strip_bits(unix_ms, frame))

    # What stands still.

    def _draw_ground(self, fps: int) -> None:
        self._fill(Box(0, 0, self.width, self.height), _BACKGROUND)
        title = text_mask("HEADWATER", self._px(3), weight=1.0)
        self._put(title, (self._px(_MARGIN), self._px(3)), _WHITE)
        facts = text_mask(f"{self.width} X {self.height}  {fps} FPS", self._px(1.3))
        right = self.width - self._px(_MARGIN) - facts.width
        self._put(facts, (right, self._px(3) + _drop(title, facts)), _DIM)
        self._draw_bars()

    def _draw_bars(self) -> None:
        bottom = self._lines[0]
        top = bottom - self._px(_BARS_HEIGHT)
        for index, color in enumerate(_BARS):
            left = self.width * index // len(_BARS)
            right = self.width * (index + 1) // len(_BARS)
            self._fill(Box(left, top, right - left, bottom - top), color)
        strip = self._columns[-1]
        self._fill(Box(0, bottom, self.width, self.height - bottom), (0, 0, 0))
        for step in range(_STAIRS):
            left = strip + (self.width - strip) * step // _STAIRS
            right = strip + (self.width - strip) * (step + 1) // _STAIRS
            grey = 255 * step // (_STAIRS - 1)
            self._fill(Box(left, bottom, right - left, self.height - bottom), (grey, grey, grey))

    # The clock and the counter: digits of fixed width, joined line by line.

    def _prepare_clock(self) -> None:
        luma = self._background[0]
        cap = self._px(_CLOCK_CAP)
        self._digits = _Digits("0123456789:.", cap, (luma, _WHITE))
        self._millis = _Digits("0123456789", cap, (luma, _MILLIS))
        wide = self._digits.width("00:00:00.") + self._millis.width("000")
        middle = self._lines[0] - self._px(_BARS_HEIGHT)
        top = max(self._px(9), round(middle * 0.36))
        self._clock_at = ((self.width - wide) // 2, top)
        label = text_mask("UTC", self._px(1.3))
        self._put(label, (self._clock_at[0], top - self._px(2.6)), _DIM)
        self._counter = _Digits("0123456789", self._px(1.6), (luma, _WHITE))

    def _draw_clock(self, unix_ms: int) -> None:
        seconds, millis = divmod(unix_ms, 1000)
        minutes, second = divmod(seconds, 60)
        hours, minute = divmod(minutes, 60)
        rows = [
            head + tail
            for head, tail in zip(
                self._digits.rows(f"{hours % 24:02}:{minute:02}:{second:02}."),
                self._millis.rows(f"{millis:03}"),
                strict=True,
            )
        ]
        self._put_rows(rows, self._clock_at)

    def _draw_counter(self, frame: int) -> None:
        self._put_rows(self._counter.rows(f"{frame % 1_000_000:06}"), self._counter_at)

    # The sweep and the lamp.

    def _prepare_sweep(self) -> None:
        radius = self._px(_BALL_RADIUS)
        halves = (disc_mask(radius), disc_mask(radius / 2), disc_mask(radius / 2))
        grounds = zip(halves, self._background, yuv(_ACCENT), strict=True)
        self._balls = [mask.shaded(ground, accent) for mask, ground, accent in grounds]
        left = _even(self._px(_MARGIN))
        top = _even(self._clock_at[1] + self._digits.height + self._px(3))
        self._lane = Box(left, top, self.width - 2 * left, 2 * radius)
        below = top + self._lane.height + self._px(2.5)
        label = text_mask("FRAME", self._px(1.6))
        self._put(label, (left, below), _DIM)
        self._counter_at = (left + label.width + self._px(1.2), below)
        self._prepare_lamp(below)

    def _prepare_lamp(self, top: int) -> None:
        lamp = disc_mask(self._px(1.2))
        label = text_mask("1 KHZ", self._px(1.6))
        right = self._lane.left + self._lane.width
        self._put(label, (right - label.width, top), _DIM)
        drop = (len(label.rows) - len(lamp.rows)) // 2
        self._lamp_at = (right - label.width - lamp.width - self._px(1.2), top + drop)
        self._lamp = {
            lit: lamp.shaded(self._background[0], _WHITE if lit else _LAMP_OFF)
            for lit in (False, True)
        }

    def _draw_sweep(self, millis: int) -> None:
        lit = millis < BEEP_MS
        lane, background = self._lane, self._background
        track, accent = yuv(_TRACK), yuv(_ACCENT)
        if lit:
            track = accent = (_WHITE, *background[1:])
        for plane, ball in enumerate(self._balls):
            shrink = 2 if plane else 1  # chroma has half the lines and columns
            rows = _lane_rows(
                ball,
                lane.width // shrink,
                millis,
                (background[plane], accent[plane], track[plane]),
            )
            self._put_rows(rows, (lane.left // shrink, lane.top // shrink), plane)
        self._put_rows(self._lamp[lit], self._lamp_at)

    # The strip.

    def _draw_strip(self, bits: Sequence[int]) -> None:
        luma, columns, count = self.planes[0], self._columns, len(self._columns) - 1
        levels = (bytes([_BLACK]), bytes([_WHITE]))
        for row in range(len(self._lines) - 1):
            line = b"".join(
                levels[bits[row * count + column]] * (columns[column + 1] - columns[column])
                for column in range(count)
            )
            for y in range(self._lines[row], self._lines[row + 1]):
                luma[y * self.width : y * self.width + len(line)] = line

    # Drawing.

    def _px(self, units: float) -> int:
        return max(1, round(units * self._unit))

    def _put(self, mask: Mask, at: tuple[int, int], luma: int) -> None:
        self._put_rows(mask.shaded(self._background[0], luma), at)

    def _put_rows(self, rows: Sequence[bytes], at: tuple[int, int], plane: int = 0) -> None:
        target = self.planes[plane]
        stride = self.width // 2 if plane else self.width
        start = at[1] * stride + at[0]
        for row in rows:
            target[start : start + len(row)] = row
            start += stride

    def _fill(self, box: Box, color: Rgb) -> None:
        for plane, value in enumerate(yuv(color)):
            shrink = 2 if plane else 1
            left, right = box.left // shrink, (box.left + box.width) // shrink
            top, bottom = box.top // shrink, (box.top + box.height) // shrink
            self._put_rows([bytes([value]) * (right - left)] * (bottom - top), (left, top), plane)


def _even(pixels: int) -> int:
    return pixels - pixels % 2


def _lane_rows(
    ball: Sequence[bytes], width: int, millis: int, shades: tuple[int, int, int]
) -> list[bytes]:
    """One plane of the sweep's lane: the track behind and ahead of the ball, and the ball.

    `shades` are the plane's values off the track, behind the ball and ahead of it.
    """
    empty, behind, ahead = (bytes([shade]) for shade in shades)
    span = width - len(ball[0])
    done = span * millis // 1000
    thick = max(1, len(ball) // 8)
    line_top = (len(ball) - thick) // 2
    rows = []
    for index, ball_row in enumerate(ball):
        on_track = line_top <= index < line_top + thick
        before = (behind if on_track else empty) * done
        after = (ahead if on_track else empty) * (span - done)
        rows.append(before + ball_row + after)
    return rows


def _drop(large: Mask, small: Mask) -> int:
    """How far below the larger text's top the smaller begins, to stand on the same line."""
    return len(large.rows) - len(small.rows)


class _Digits:
    """Characters drawn once at one size, to be joined into lines of luma."""

    def __init__(self, chars: str, cap_height_px: int, shades: tuple[int, int]) -> None:
        masks = {char: text_mask(char, cap_height_px) for char in chars}
        self.height = len(masks["0"].rows)
        gap = bytes([shades[0]]) * max(1, cap_height_px // 7)
        digit_width = max(masks[char].width for char in "0123456789")
        self._glyphs: dict[str, list[bytes]] = {}
        for char, mask in masks.items():
            width = digit_width if char.isdigit() else mask.width
            spare = width - mask.width
            left = bytes([shades[0]]) * (spare // 2)
            right = bytes([shades[0]]) * (spare - spare // 2)
            self._glyphs[char] = [left + row + right + gap for row in mask.shaded(*shades)]

    def width(self, text: str) -> int:
        """Pixels that `rows(text)` will be wide."""
        return sum(len(self._glyphs[char][0]) for char in text)

    def rows(self, text: str) -> list[bytes]:
        """The text as lines of luma."""
        return [b"".join(parts) for parts in zip(*map(self._glyphs.get, text), strict=True)]
