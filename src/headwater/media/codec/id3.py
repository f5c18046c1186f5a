"""ID3v2.4 tags, as timed metadata carries them: written, never read.

Source: id3.org, ID3v2.4.0 main structure (§3.1 header, §4 frames, §6.2 synchsafe sizes)
and native frames (§4.2 text, §4.2.6 TXXX, §4.27 PRIV). Texts are UTF-8 and end in a NUL,
as in Amazon IVS's own tags.
"""

from collections.abc import Sequence

from headwater.core.errors import LimitError

MAX_TAG_BYTES = (1 << 28) - 1  # four synchsafe bytes hold no more

_UTF_8 = b"\x03"


def tag(frames: Sequence[bytes]) -> bytes:
    """A whole tag of frames made by the functions below.

    Raises:
        LimitError: more bytes than a tag can say it has.
    """
    body = b"".join(frames)
    return b"ID3\x04\x00\x00" + _synchsafe(len(body)) + body


def text(frame_id: str, value: str) -> bytes:
    """A text frame, e.g. TRCK or TDEN, of one string without NUL."""
    return _frame(frame_id, _UTF_8 + _string(value))


def user_text(description: str, value: str) -> bytes:
    """A TXXX frame: a text with a name of its own."""
    return _frame("TXXX", _UTF_8 + _string(description) + _string(value))


def private(owner: str, data: bytes) -> bytes:
    """A PRIV frame: any bytes, and who knows what they mean (ASCII, e.g. a host name)."""
    return _frame("PRIV", owner.encode("ascii") + b"\x00" + data)


def _string(value: str) -> bytes:
    # A NUL would end the string early; what comes after it would be read as something else.
    return value.replace("\x00", "").encode("utf-8", "replace") + b"\x00"


def _frame(frame_id: str, content: bytes) -> bytes:
    return frame_id.encode("ascii") + _synchsafe(len(content)) + b"\x00\x00" + content


def _synchsafe(size: int) -> bytes:
    """A size in four bytes of seven bits, so that it never looks like an MPEG sync."""
    if size > MAX_TAG_BYTES:
        raise LimitError(f"an ID3 tag holds at most {MAX_TAG_BYTES} bytes")
    return bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))
