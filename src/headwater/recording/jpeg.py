"""How large a JPEG is, by its header. Pure. Source: ITU-T T.81 §B.2."""

from headwater.core.errors import PeerError

_START, _END = b"\xff\xd8", b"\xff\xd9"
_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})  # SOF0 to SOF15, no tables


def jpeg_size(data: bytes) -> tuple[int, int]:
    """Width and height in pixels.

    Raises:
        PeerError: it is no JPEG, or is cut off.
    """
    if not data.startswith(_START):
        raise PeerError("is no JPEG")
    if not data.endswith(_END):
        raise PeerError("is cut off: a JPEG without its end")
    at = len(_START)
    while at + 9 <= len(data) and data[at] == 0xFF:  # noqa: PLR2004 - what markers begin with
        if data[at + 1] in _FRAMES:
            height, width = (int.from_bytes(data[at + i : at + i + 2], "big") for i in (5, 7))
            return width, height
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    raise PeerError("is a JPEG without a picture")
