"""Events as packaging sends them, with payloads that name themselves."""

from headwater.core.segment import (
    Part,
    SegmentFinished,
    SegmentStarted,
    StreamFinished,
    StreamPlan,
)

START_MS = 1_767_323_045_678  # 2026-01-02T03:04:05.678Z
PART_MS = 500
INIT = b"<init>"


def make_plan(
    container="TS", *, target_duration_s=2, part_target_ms=PART_MS, frame_rate=30.0, **changes
):
    values = {
        "container": container,
        "target_duration_s": target_duration_s,
        "part_target_ms": part_target_ms,
        "frame_rate": frame_rate,
        "width": 1280,
        "height": 720,
        "codecs": "avc1.64001F,mp4a.40.2",
        "independent_segments": True,
    }
    return StreamPlan(**{**values, **changes})


def started(msn, *, discontinuity=False, init=None):
    return SegmentStarted(
        msn=msn,
        discontinuity=discontinuity,
        init=init,
        program_date_time_ms=START_MS + 2000 * msn,
    )


def part(msn, index, duration_ms=PART_MS, payload=None, *, gap=False):
    return Part(
        msn=msn,
        index=index,
        duration_ms=duration_ms,
        independent=index == 0 and not gap,
        gap=gap,
        payload=f"<{msn}.{index}>".encode() if payload is None else payload,
    )


def segment(msn, *, parts=(PART_MS,) * 4, discontinuity=False, init=None, gap=False):
    """All events of one segment."""
    return [
        started(msn, discontinuity=discontinuity, init=init),
        *(part(msn, index, duration_ms, gap=gap) for index, duration_ms in enumerate(parts)),
        SegmentFinished(msn=msn, duration_ms=sum(parts)),
    ]


def segments(first, last, **options):
    """All events of the segments `first` to `last`."""
    return [event for msn in range(first, last + 1) for event in segment(msn, **options)]


FINISHED = StreamFinished()
