"""What the watch page is told of a recording. Pure."""

from datetime import datetime
from math import inf
from typing import Literal

from msgspec import Struct

from headwater.recording import layout
from headwater.recording.archive import Archived

USUAL_INTERVALS_S = (60, 30, 20, 15, 10, 5, 2, 1)
"""Of thumbnails, most usual first: how long one shows is not written down anywhere."""

LAST_GROUP_MS = 2000
"""At the end of a recording a thumbnail may be due, and no key frame comes any more."""

State = Literal["recording", "complete", "failed"]
_STATES: dict[str, State] = {
    "RECORDING_STARTED": "recording",
    "RECORDING_ENDED": "complete",
    "RECORDING_ENDED_WITH_FAILURE": "failed",
}


class Shown(Struct, frozen=True, kw_only=True):
    """A recording in the list."""

    id: str
    path: str  # of its objects
    state: State
    started_at: datetime
    ended_at: datetime | None
    duration_ms: int | None  # None: it goes on
    playlist: str | None  # below `path`; None: thumbnails alone
    poster: str | None  # below `path`
    width: int | None  # pixels of the best rendition
    height: int | None
    missing_ms: int  # of the rendition that lacks most


def shown(recording: Archived) -> Shown:
    """What is told of it; it has an event."""
    event, place = recording.event, recording.place
    if event is None:
        raise RuntimeError("a recording without an event file is not shown")
    hls = event.media.hls
    renditions = hls.renditions if hls else ()
    pictures = [each for each in renditions if each.resolution_height is not None]
    poster = None
    if event.media.thumbnails is not None:
        poster = layout.thumbnail_key(0)
    if event.media.latest_thumbnail is not None:
        poster = layout.LATEST_THUMBNAIL_KEY
    missing = [sum(gap.duration_ms for gap in each.gaps) for each in renditions]
    return Shown(
        id=place.id,
        path=f"/recordings/{place.prefix.removeprefix('ivs/v1/')}/",
        state=_STATES[event.recording_status],
        started_at=event.recording_started_at,
        ended_at=event.recording_ended_at,
        duration_ms=hls.duration_ms if hls else None,
        playlist=f"{layout.HLS_PATH}/{layout.MASTER_NAME}" if renditions else None,
        poster=poster,
        width=pictures[0].resolution_width if pictures else None,
        height=pictures[0].resolution_height if pictures else None,
        missing_ms=max(missing, default=0),
    )


def interval_ms_of(recording: Archived, count: int, now: datetime) -> int:
    """How long each of `count` thumbnails shows: the most usual time that gives so many."""
    event = recording.event
    if event is None or not count:
        return 0
    hls = event.media.hls
    if hls is not None and hls.duration_ms is not None:
        duration_ms = hls.duration_ms
    else:
        end = event.recording_ended_at or now
        duration_ms = round((end - event.recording_started_at).total_seconds() * 1000)
    least_ms = (duration_ms - LAST_GROUP_MS) / count
    most_ms = duration_ms / (count - 1) if count > 1 else inf
    for seconds in USUAL_INTERVALS_S:
        if least_ms <= 1000 * seconds < most_ms:
            return 1000 * seconds
    return max(1, round(duration_ms / count))
