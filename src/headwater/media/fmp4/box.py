"""Boxes of the ISO base media file format.

Source: ISO/IEC 14496-12 §4.2: a 32-bit size that counts itself, a type, the content.
"""

BOX_HEADER_BYTES = 8
FULL_BOX_HEADER_BYTES = 12


def box(kind: bytes, *content: bytes) -> bytes:
    """A box of a four-letter type."""
    body = b"".join(content)
    return (BOX_HEADER_BYTES + len(body)).to_bytes(4, "big") + kind + body


def full_box(kind: bytes, version: int, flags: int, *content: bytes) -> bytes:
    """A box that starts with a version and 24 bits of flags."""
    return box(kind, (version << 24 | flags).to_bytes(4, "big"), *content)
