"""What packaging hands to delivery: a plan, then segments made of parts.

Order of events of one rendition:

    StreamPlan
    (SegmentStarted (Part)+ SegmentFinished)*
    StreamFinished

A segment's bytes are its parts' bytes joined, in both containers. With
`latencyMode=NORMAL` every segment has exactly one part.
"""

from typing import Literal

from msgspec import Struct

Container = Literal["TS", "FRAGMENTED_MP4"]


class StreamPlan(Struct, frozen=True, kw_only=True):
    """Decided before the first playlist and never changed during the stream.

    Apple's players stop for good when PART-TARGET moves, so it comes from the
    encoder's frame grid (rules L1, L3, L7).
    """

    container: Container
    target_duration_s: int  # EXT-X-TARGETDURATION
    part_target_ms: int | None  # PART-TARGET; None: plain HLS without parts
    frame_rate: float | None  # frames per second; None for audio only
    width: int | None
    height: int | None
    codecs: str  # RFC 6381 list for CODECS, e.g. "avc1.64001F,mp4a.40.2"
    independent_segments: bool  # every segment starts with a key frame


class SegmentStarted(Struct, frozen=True, kw_only=True):
    """A segment begins; its parts follow."""

    msn: int  # media sequence number, from 0, +1 each
    discontinuity: bool  # EXT-X-DISCONTINUITY before it
    init: bytes | None  # fMP4: new init segment, only when it changed; TS: always None
    program_date_time_ms: int  # wall clock (Unix ms) of the first presented frame
    times_go_on: bool = False  # although there is a discontinuity: only parameters are others


class Part(Struct, frozen=True, kw_only=True):
    """A partial segment, complete and immutable."""

    msn: int
    index: int  # from 0 within its segment
    duration_ms: float  # presentation duration; text only, never summed into times
    independent: bool  # starts with a key frame
    payload: bytes
    gap: bool = False  # GAP=YES: its media was lost; `payload` is valid, and holds none


class SegmentFinished(Struct, frozen=True, kw_only=True):
    """The segment `msn` is complete."""

    msn: int
    duration_ms: float  # equals the sum of its parts' durations


class StreamFinished(Struct, frozen=True, kw_only=True):
    """No more media will come."""


MediaEvent = StreamPlan | SegmentStarted | Part | SegmentFinished | StreamFinished
