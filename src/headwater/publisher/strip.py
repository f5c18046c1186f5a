"""A strip of black and white blocks that carries a frame's time through any encoder.

Ours alone: whoever has a decoded picture can tell when it was made, and so measure
latency from glass to glass. The browser's reader is `console/static/strip.js`.

Place: the bottom-left corner, two rows of 40 blocks. A block is square, its side an
80th of the picture's width (16 pixels at 1280), not rounded: in a scaled picture the
blocks scale too. So the strip fills the left half of the last `width / 40` lines.

Content: 80 bits, most significant first, the upper row first; white is 1.

    bytes 0 to 5   wall clock, Unix milliseconds
    bytes 6 to 8   frame counter, modulo 2**24
    byte  9        CRC-8 (polynomial 0x07, initial value 0xFF) of bytes 0 to 8
"""

from collections.abc import Sequence

COLUMNS = 40
ROWS = 2
BLOCKS_PER_WIDTH = 80
FRAME_MODULUS = 1 << 24
_CRC_POLYNOMIAL = 0x07
_DARK_BELOW = 96  # luma; halfway values mean "no strip here", whatever the checksum says
_LIGHT_ABOVE = 160


def strip_bits(unix_ms: int, frame: int) -> list[int]:
    """The 80 bits of a strip, in reading order. `unix_ms` has at most 48 bits."""
    payload = unix_ms.to_bytes(6, "big") + (frame % FRAME_MODULUS).to_bytes(3, "big")
    value = int.from_bytes(payload + bytes([_crc8(payload)]), "big")
    return [value >> shift & 1 for shift in range(COLUMNS * ROWS - 1, -1, -1)]


def block_edges(width: int, height: int) -> tuple[list[int], list[int]]:
    """Pixel columns (41) and lines (3) where blocks begin and the last one ends."""
    side = width / BLOCKS_PER_WIDTH
    columns = [round(column * side) for column in range(COLUMNS + 1)]
    lines = [height - round((ROWS - row) * side) for row in range(ROWS + 1)]
    return columns, lines


def read_strip(luma: Sequence[int], stride: int, width: int, height: int) -> tuple[int, int] | None:
    """The time and frame counter of a decoded picture, or None when no strip is there.

    Args:
        luma: the luma plane (bytes, bytearray or memoryview), at least `stride * height`.
        stride: bytes from one line to the next.
        width: of the picture in pixels, 80 or more.
        height: of the picture in pixels.

    Returns:
        (Unix milliseconds, frame counter modulo 2**24).
    """
    side = width / BLOCKS_PER_WIDTH
    value = 0
    for row in range(ROWS):
        centre_y = height - (ROWS - row - 0.5) * side
        for column in range(COLUMNS):
            level = _level(luma, stride, ((column + 0.5) * side, centre_y), side)
            if _DARK_BELOW <= level <= _LIGHT_ABOVE:
                return None
            value = value << 1 | (level > _LIGHT_ABOVE)
    data = value.to_bytes(10, "big")
    if _crc8(data[:9]) != data[9]:
        return None
    return int.from_bytes(data[:6], "big"), int.from_bytes(data[6:9], "big")


def _level(luma: Sequence[int], stride: int, centre: tuple[float, float], side: float) -> float:
    """The mean of nine points in the middle of a block, away from its blurred edges."""
    reach = side / 5
    xs = [int(centre[0] + step * reach) for step in (-1, 0, 1)]
    lines = [int(centre[1] + step * reach) * stride for step in (-1, 0, 1)]
    return sum(luma[line + x] for line in lines for x in xs) / 9


def _crc8(data: bytes) -> int:
    crc = 0xFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ _CRC_POLYNOMIAL) & 0xFF if crc & 0x80 else crc << 1
    return crc
