"""A small stroke font with round ends, drawn without any library.

Each glyph is a few lines and arcs in a cell 4 wide and 6 high (y goes down); a pixel's
coverage follows from its distance to the nearest stroke, which gives smooth edges at
any size. Only the characters that the test picture shows are here.
"""

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

from msgspec import Struct

Point = tuple[float, float]
Stroke = Sequence[Point]

CELL_HEIGHT = 6.0
_GAP = 1.7  # between two glyphs, in cell units
_ARC_STEP_DEG = 15


def _arc(centre: Point, radii: Point, start_deg: int, end_deg: int) -> list[Point]:
    """Points along an ellipse; 0 degrees points right, 90 down."""
    count = math.ceil(abs(end_deg - start_deg) / _ARC_STEP_DEG)
    angles = [
        math.radians(start_deg + (end_deg - start_deg) * step / count) for step in range(count + 1)
    ]
    return [
        (centre[0] + radii[0] * math.cos(angle), centre[1] + radii[1] * math.sin(angle))
        for angle in angles
    ]


def _dot(x: float, y: float) -> list[Point]:
    return [(x, y), (x, y)]


_BOWL_TOP = _arc((2.4, 1.5), (1.6, 1.5), -90, 90)  # the right half of P and R
_ZERO = [*_arc((2, 2), (2, 2), 180, 360), *_arc((2, 4), (2, 2), 0, 180), (0, 2)]

GLYPHS: dict[str, tuple[Stroke, ...]] = {
    " ": (),
    "0": (_ZERO,),
    "1": ([(0.7, 1.3), (2.3, 0), (2.3, 6)],),
    "2": ([*_arc((2, 1.9), (1.9, 1.9), 195, 390), (0.1, 6), (4, 6)],),
    "3": (
        _arc((1.9, 1.5), (1.7, 1.5), 205, 450),
        _arc((1.9, 4.45), (2.0, 1.5), -90, 150),
    ),
    "4": ([(3, 6), (3, 0), (0, 4.4), (4, 4.4)],),
    "5": ([(3.6, 0), (0.6, 0), (0.3, 2.8), *_arc((1.9, 4), (2.05, 2), 225, 510)],),
    "6": ([(3, 0), (0.45, 3)], _arc((2, 4.05), (1.95, 1.95), 0, 360)),
    "7": ([(0, 0), (4, 0), (1.3, 6)],),
    "8": (_arc((2, 1.5), (1.65, 1.5), 0, 360), _arc((2, 4.5), (1.95, 1.5), 0, 360)),
    "9": ([(1, 6), (3.55, 3)], _arc((2, 1.95), (1.95, 1.95), 0, 360)),
    ":": (_dot(0.5, 1.7), _dot(0.5, 4.5)),
    ".": (_dot(0.5, 6),),
    "A": ([(0, 6), (2, 0), (4, 6)], [(0.7, 4), (3.3, 4)]),
    "C": (_arc((2.2, 3), (2.2, 3), 315, 45),),
    "D": ([(0, 0), (1.3, 0), *_arc((1.3, 3), (2.7, 3), -90, 90), (0, 6), (0, 0)],),
    "E": ([(3.6, 0), (0, 0), (0, 6), (3.6, 6)], [(0, 2.9), (3.1, 2.9)]),
    "F": ([(3.6, 0), (0, 0), (0, 6)], [(0, 2.9), (3.1, 2.9)]),
    "H": ([(0, 0), (0, 6)], [(4, 0), (4, 6)], [(0, 2.9), (4, 2.9)]),
    "I": ([(0.5, 0), (0.5, 6)],),
    "K": ([(0, 0), (0, 6)], [(3.8, 0), (0, 3.6)], [(1.4, 2.3), (4, 6)]),
    "M": ([(0, 6), (0, 0), (2.2, 3.6), (4.4, 0), (4.4, 6)],),
    "P": ([(0, 6), (0, 0), *_BOWL_TOP, (0, 3)],),
    "R": ([(0, 6), (0, 0), *_BOWL_TOP, (0, 3)], [(2, 3), (4, 6)]),
    "S": ([*_arc((2, 1.5), (1.8, 1.5), 330, 90), *_arc((2, 4.5), (1.9, 1.5), -90, 150)],),
    "T": ([(0, 0), (4, 0)], [(2, 0), (2, 6)]),
    "U": ([(0, 0), *_arc((2, 4), (2, 2), 180, 0), (4, 0)],),
    "W": ([(0, 0), (1.3, 6), (2.6, 1.2), (3.9, 6), (5.2, 0)],),
    "X": ([(0, 0), (4, 6)], [(4, 0), (0, 6)]),
    "Z": ([(0, 0), (4, 0), (0, 6), (4, 6)],),
}
_NARROW = {":": 1.0, ".": 1.0, "I": 1.0, " ": 2.2, "W": 5.2, "M": 4.4}


class Mask(Struct, frozen=True):
    """Coverage of a drawn shape: one bytes of `width` per line, 0 is outside, 255 inside."""

    width: int
    rows: list[bytes]

    def shaded(self, background: int, foreground: int) -> list[bytes]:
        """The lines as luma: `foreground` on `background`."""
        table = bytes(
            round(background + (foreground - background) * cover / 255) for cover in range(256)
        )
        return [row.translate(table) for row in self.rows]


def text_mask(text: str, cap_height_px: float, weight: float = 0.8) -> Mask:
    """A line of text whose capitals are `cap_height_px` high, strokes `weight` cells thick.

    Half a stroke stands out on each side of the cells, so the mask is higher than the
    capitals by one stroke.
    """
    scale = cap_height_px / CELL_HEIGHT
    pad = weight * scale / 2
    strokes: list[list[Point]] = []
    pen = 0.0
    for char in text:
        strokes.extend(
            [((pen + x) * scale + pad, y * scale + pad) for x, y in stroke]
            for stroke in GLYPHS[char]
        )
        pen += advance(char)
    width = math.ceil((pen - (_GAP if text else 0)) * scale + 2 * pad)
    return _draw(strokes, (max(1, width), math.ceil(cap_height_px + 2 * pad)), pad)


def advance(char: str) -> float:
    """From this glyph's left edge to the next one's, in cell units."""
    return _NARROW.get(char, 4.0) + _GAP


def disc_mask(radius_px: float) -> Mask:
    """A filled circle."""
    side = math.ceil(2 * radius_px)
    return _draw([_dot(side / 2, side / 2)], (side, side), radius_px)


def _draw(strokes: Iterable[Stroke], size: tuple[int, int], radius: float) -> Mask:
    canvas = [bytearray(size[0]) for _ in range(size[1])]
    for stroke in strokes:
        for start, end in pairwise(stroke):
            _draw_segment(canvas, start, end, radius)
    return Mask(size[0], [bytes(row) for row in canvas])


def _draw_segment(canvas: list[bytearray], start: Point, end: Point, radius: float) -> None:
    """Cover what lies within `radius` of the segment; the last pixel fades out."""
    reach = radius + 1
    dx, dy = end[0] - start[0], end[1] - start[1]
    length_squared = dx * dx + dy * dy or 1.0
    left = max(0, int(min(start[0], end[0]) - reach))
    right = min(len(canvas[0]), int(max(start[0], end[0]) + reach) + 1)
    top = max(0, int(min(start[1], end[1]) - reach))
    bottom = min(len(canvas), int(max(start[1], end[1]) + reach) + 1)
    for y in range(top, bottom):
        row, from_y = canvas[y], y + 0.5 - start[1]
        for x in range(left, right):
            from_x = x + 0.5 - start[0]
            along = max(0.0, min(1.0, (from_x * dx + from_y * dy) / length_squared))
            distance = math.hypot(from_x - along * dx, from_y - along * dy)
            cover = int(255 * (radius + 0.5 - distance))
            if cover > row[x]:
                row[x] = min(255, cover)
