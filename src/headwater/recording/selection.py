"""Which renditions of a stream are recorded, and which streams one recording may hold. Pure.

Source: IVS API reference, RenditionConfiguration; IVS user guide, "Merge Fragmented Streams".
A rendition's class is that of its shorter edge, so a portrait stream's are those of the same
stream turned. All renditions of a class that is wanted are recorded: LOWEST_RESOLUTION has two as
a rule, 360p30 and 160p30. Where a class has none, the best one below it is recorded in its place,
and the smallest where there is none.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from headwater.core.segment import StreamPlan
from headwater.recording.manifest import Manifest
from headwater.recording.thumbnails import RESOLUTIONS

MAX_STREAMS = 20
"""Of one recording; IVS's figure."""
MAX_RECORDING_MS = 48 * 3600 * 1000
"""Since it began; a stream that comes later has a recording of its own. IVS's figure."""
MIN_MERGED_MS = 10_000
"""Recorded before another stream may join: IVS merges no faster."""
BITRATE_PERCENT = 50
"""By which a stream's bitrate may differ from the recording's."""
_SAME_FRAME_RATE = 0.005  # encoders' own clocks make 29.97 of 30


class Candidate(Struct, frozen=True, kw_only=True):
    """A rendition that viewers are offered."""

    name: str
    width: int  # pixels; 0: sound only
    height: int
    on_request: bool = False  # hidden from those who don't ask for it


class Measured(Struct, frozen=True, kw_only=True):
    """A rendition of a stream that has just begun."""

    plan: StreamPlan
    bitrate_bps: float


def recorded_names(
    configuration: Mapping[str, Any], channel_type: str, offered: Sequence[Candidate]
) -> list[str]:
    """The renditions to record, in the order of `offered`.

    Args:
        configuration: a renditionConfiguration as stored, with the API's names.
        channel_type: CUSTOM means nothing on BASIC.
        offered: best first.
    """
    selection = configuration.get("renditionSelection", "ALL")
    if selection == "NONE":
        return []
    shown = [each for each in offered if not each.on_request] or list(offered)
    if selection == "ALL" or channel_type == "BASIC":
        return [each.name for each in shown]
    pictures = sorted((each for each in shown if each.width), key=_edge, reverse=True)
    if not pictures:
        return [each.name for each in shown]
    classes = configuration.get("renditions") or ()
    wanted = {each.name for name in classes for each in _of_class(name, pictures)}
    return [each.name for each in shown if each.name in wanted]


def _of_class(class_name: str, pictures: Sequence[Candidate]) -> Sequence[Candidate]:
    """The renditions recorded for a class; `pictures` are largest first."""
    least, most = RESOLUTIONS[class_name]
    if class_name == "FULL_HD":
        most = max(most, _edge(pictures[0]))
    within = [each for each in pictures if least <= _edge(each) <= most]
    below = [each for each in pictures if _edge(each) < least]
    return within or below[:1] or pictures[-1:]


def _edge(candidate: Candidate) -> int:
    return min(candidate.width, candidate.height)


def reason_against_merge(
    manifest: Manifest, stream: Mapping[str, Measured], now_ms: int
) -> str | None:
    """Why a stream gets a recording of its own; None: it goes on with this one.

    Args:
        manifest: of the recording.
        stream: what is to be recorded of the stream, by the renditions' names.
        now_ms: Unix.
    """
    if manifest.opened is None or now_ms - manifest.opened.started_at_ms >= MAX_RECORDING_MS:
        return "the recording is 48 hours old"
    if len(manifest.stream_ids) >= MAX_STREAMS:
        return f"the recording has {MAX_STREAMS} streams"
    if manifest.duration_ms() < MIN_MERGED_MS:
        return "the recording is shorter than 10 s"
    if set(stream) != set(manifest.tracks):
        return "its renditions are others"
    for name, measured in stream.items():
        if reason := _difference(manifest, name, measured):
            return f"{name}: {reason}"
    return None


def _difference(manifest: Manifest, name: str, measured: Measured) -> str | None:
    track, plan = manifest.tracks[name], measured.plan
    before = track.rendition
    if (plan.width, plan.height) != (before.width, before.height):
        return "the picture has another size"
    if plan.codecs != before.codecs:
        return "the codecs are others"
    if plan.container != before.container:
        return "the container is another"
    if not _is_same_rate(plan.frame_rate, before.frame_rate):
        return "the frame rate is another"
    recorded_bytes = sum(each.size_bytes for each in track.segments)
    recorded_bps = 8000 * recorded_bytes / max(track.total_ms, 1.0)
    if abs(measured.bitrate_bps - recorded_bps) * 100 > BITRATE_PERCENT * recorded_bps:
        return "the bitrate differs by more than half"
    return None


def _is_same_rate(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return abs(one - other) <= _SAME_FRAME_RATE * other
