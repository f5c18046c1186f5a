"""Live renditions as delivery gets them, made up: bytes that say what they are."""

from headwater.core.segment import (
    Part,
    SegmentFinished,
    SegmentStarted,
    StreamFinished,
    StreamPlan,
)
from headwater.recording.layout import RecordedRendition

START_MS = 1_790_000_000_000


def plan(**changes):
    fields = {
        "container": "TS",
        "target_duration_s": 2,
        "part_target_ms": 334,
        "frame_rate": 30.0,
        "width": 1280,
        "height": 720,
        "codecs": "avc1.4D401F,mp4a.40.2",
        "independent_segments": True,
    }
    return StreamPlan(**(fields | changes))


def segment(msn, *lengths_ms, start_ms=START_MS, **kind):
    """A live segment: its parts last so long; the first is a key frame."""
    keys = kind.get("keys", (0,))
    gaps = kind.get("gaps", ())
    events = [
        SegmentStarted(
            msn=msn,
            discontinuity=kind.get("discontinuity", False),
            times_go_on=kind.get("times_go_on", False),
            init=kind.get("init"),
            program_date_time_ms=start_ms,
        )
    ]
    for index, length_ms in enumerate(lengths_ms):
        payload = f"{kind.get('text', '')}<{msn}.{index}>".encode()
        part = Part(
            msn=msn,
            index=index,
            duration_ms=length_ms,
            independent=index in keys,
            payload=payload,
            gap=index in gaps,
        )
        events.append(part)
    return [*events, SegmentFinished(msn=msn, duration_ms=sum(lengths_ms))]


def stream(segments, *, of_ms=1000.0, start_ms=START_MS, **kind):
    """So many equal segments of one part, from plan to end."""
    events = [plan()]
    for msn in range(segments):
        events += segment(msn, of_ms, start_ms=start_ms + round(msn * of_ms), **kind)
    return [*events, StreamFinished()]


def payloads(events):
    return b"".join(event.payload for event in events if isinstance(event, Part))


def rendition(**changes):
    """A rendition as it is recorded."""
    fields = {
        "path": "720p30",
        "codecs": "avc1.4D401F,mp4a.40.2",
        "width": 1280,
        "height": 720,
        "frame_rate": 30.0,
        "container": "TS",
        "target_duration_s": 12,
    }
    return RecordedRendition(**(fields | changes))
