"""The StreamPlan, decided from the first group of pictures.

Source: draft-pantos-hls-rfc8216bis §4.4.3.1 (EXT-X-TARGETDURATION: every EXTINF rounds
to at most it) and §4.4.3.7 (PART-TARGET: no part lasts longer). Both stay as they are
for the life of a playlist, so they come from the encoder's frame grid and GOP, measured
before the first playlist, never from what happens later.
"""

from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean, median

from headwater.core.packet import Packet
from headwater.core.segment import Container, StreamPlan
from headwater.core.track import VIDEO_TIMESCALE, TrackSet
from headwater.media.codec.aac import SAMPLES_PER_FRAME

MIN_TARGET_DURATION_S, MAX_TARGET_DURATION_S = 2, 6
SHORT_GOP_MS = 2450  # a segment of such a GOP, and a frame late, still rounds to 2 s
GOP_JITTER_MS = 50  # a GOP of 4.03 s is one of 4 s
ROUNDING_MS = 499  # a segment may last so much longer than the target duration
DEFAULT_FRAME_RATE = 30.0

_STANDARD_RATES = (
    *(10.0, 12.0, 12.5, 15.0, 20.0, 24_000 / 1001, 24.0, 25.0, 30_000 / 1001, 30.0),
    *(48_000 / 1001, 48.0, 50.0, 60_000 / 1001, 60.0),
)
_RATE_TOLERANCE = 0.005  # what millisecond times over half a second leave open
_HOLE = 1.5  # a delta longer than so many usual ones is a lost frame, not the pace
_LEAST_STEP = VIDEO_TIMESCALE // 1000  # encoders count milliseconds: less keeps times rising only
_JITTER_LIMIT = 1.1  # how much longer than nominal a part may be planned for


def decide_plan(
    tracks: TrackSet,
    packets: Sequence[Packet],
    *,
    container: Container,
    part_target_ms: int | None,
    gop_ms: float | None,
    frames_together: int = 1,
) -> StreamPlan:
    """The plan of a stream that begins with these tracks and packets.

    Args:
        tracks: what the stream has.
        packets: its first packets, in order.
        container: what parts are written in.
        part_target_ms: about how long parts should be; None: plain HLS without parts.
        gop_ms: from the first to the second key frame; None: no second one in time.
        frames_together: parts hold a multiple of so many frames.
    """
    video = tracks.video
    clock = [packet.dts for packet in packets if (packet.kind == "video") == (video is not None)]
    rate = frame_rate(clock, video.frame_rate) if video else None
    part_ms = None
    if part_target_ms is not None:
        scale, frame_ticks = clock_pace(tracks, rate)
        part_ms = planned_part_ms(
            clock[::frames_together], frames_together * frame_ticks, scale, part_target_ms
        )
    target_s = target_duration_s(gop_ms) if video else MIN_TARGET_DURATION_S
    return StreamPlan(
        container=container,
        target_duration_s=target_s,
        part_target_ms=part_ms,
        frame_rate=rate,
        width=video.width if video else None,
        height=video.height if video else None,
        codecs=codec_strings(tracks),
        independent_segments=video is None
        or (gop_ms is not None and gop_ms <= longest_segment_ms(target_s)),
    )


def codec_strings(tracks: TrackSet) -> str:
    """The list for CODECS (RFC 6381)."""
    there = [track for track in (tracks.video, tracks.audio) if track is not None]
    return ",".join(track.codec_string for track in there)


def clock_pace(tracks: TrackSet, rate: float | None) -> tuple[int, float]:
    """Timescale of the track that parts are measured by, and ticks of one of its frames."""
    if tracks.video is None and tracks.audio is not None:
        return tracks.audio.timescale, SAMPLES_PER_FRAME
    return VIDEO_TIMESCALE, VIDEO_TIMESCALE / (rate or DEFAULT_FRAME_RATE)


def frame_rate(dts: Sequence[int], stated: float | None) -> float | None:
    """Frames per second of video with these decode times (90 kHz).

    Lost frames do not count, nor do steps that only keep times rising. A standard rate, or the
    rate stated in the bitstream, is taken where the measurement cannot tell it from what was
    seen.
    """
    steps = (after - before for before, after in pairwise(dts))
    deltas = [step for step in steps if step >= _LEAST_STEP]
    if not deltas:
        return stated
    usual = median(deltas)
    measured = VIDEO_TIMESCALE / fmean(delta for delta in deltas if delta <= _HOLE * usual)
    if stated is not None and abs(stated / measured - 1) <= _RATE_TOLERANCE:
        return stated
    nearest = min(_STANDARD_RATES, key=lambda rate: abs(rate - measured))
    close = abs(nearest / measured - 1) <= _RATE_TOLERANCE
    return nearest if close else round(measured, 3)


def planned_part_ms(
    dts: Sequence[int], frame_ticks: float, timescale: int, part_target_ms: int
) -> int:
    """PART-TARGET: the whole number of frames nearest to `part_target_ms`.

    One millisecond of room for times in milliseconds, and more for jitter that the
    packets so far show, so that the usual part holds its frames.
    """
    frames = max(1, int(part_target_ms * timescale / (1000 * frame_ticks) + 0.5))
    nominal_ms = frames * frame_ticks * 1000 / timescale
    spans = (after - before for before, after in zip(dts, dts[frames:], strict=False))
    longest = max(
        (span for span in spans if span * 1000 <= nominal_ms * _JITTER_LIMIT * timescale),
        default=0,
    )
    # The float may lie a hair below a whole number of milliseconds.
    return max(int(nominal_ms + 1e-6) + 1, -(-longest * 1000 // timescale))


def target_duration_s(gop_ms: float | None) -> int:
    """EXT-X-TARGETDURATION for segments of whole GOPs near 2 s."""
    if gop_ms is None:
        return MAX_TARGET_DURATION_S
    if gop_ms <= SHORT_GOP_MS:
        return MIN_TARGET_DURATION_S
    return min(MAX_TARGET_DURATION_S, int(-(-(gop_ms - GOP_JITTER_MS) // 1000)))


def longest_segment_ms(target_duration_s: int) -> int:
    """What still rounds to the target duration."""
    return target_duration_s * 1000 + ROUNDING_MS
