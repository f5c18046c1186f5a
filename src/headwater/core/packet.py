"""Packet: one access unit, the unit that flows between stages."""

from typing import Literal

from msgspec import Struct


class Packet(Struct, frozen=True, kw_only=True, gc=False):
    """One access unit of one track, in decode order.

    Times are integer ticks of the track's timescale (90_000 per second for video, the
    sample rate for audio) since the session began. No float ever carries a time
    between stages.
    """

    kind: Literal["video", "audio"]
    dts: int  # ticks; strictly increases within a track
    pts: int  # ticks; >= dts
    keyframe: bool  # a decoder can start here; audio is always True
    data: bytes  # AVCC with 4-byte lengths for H.264; raw frames for AAC
