"""What the watch page is told of a recording. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from math import inf
from typing import Literal

from msgspec import Struct

from headwater.recording import layout
from headwater.recording.archive import Archived
from headwater.recording.playlist_reader import MediaPlaylist

USUAL_INTERVALS_S = (60, 30, 20, 15, 10, 5, 2, 1)
"""Of thumbnails, most usual first: how long one shows is not written down anywhere."""

LAST_GROUP_MS = 2000
"""At the end of a recording a thumbnail may be due, and no key frame comes any more."""

LONGEST_SEGMENT_MS = 13_000
"""So much of a running recording is on its way; with more, there is no stream."""

JUMP_MS = 250
"""By which dates may be off before media counts as not continuing: clocks of encoders drift."""

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


class Stretch(Struct, frozen=True, kw_only=True):
    """Media without a break: where it begins."""

    at_ms: int  # in the recording
    date_ms: int  # by the wall clock (Unix)


class Timeline(Struct, frozen=True, kw_only=True):
    """How a recording's time and the wall clock belong together."""

    duration_ms: int  # so far
    stretches: Sequence[Stretch]


def timeline_of(playlist: MediaPlaylist) -> Timeline:
    """Where dates go on with the media, and where they jump: an encoder was away."""
    stretches: list[Stretch] = []
    at_ms = offset_ms = 0.0
    for entry in playlist.entries:
        if entry.program_date_time is not None:
            date_ms = 1000 * entry.program_date_time.timestamp()
            if not stretches or abs(date_ms - at_ms - offset_ms) > JUMP_MS:
                offset_ms = date_ms - at_ms
                stretches.append(Stretch(at_ms=round(at_ms), date_ms=round(date_ms)))
        at_ms += 1000 * entry.duration_s
    return Timeline(duration_ms=round(at_ms), stretches=stretches)


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


def reached_ms(recording: Archived, timeline: Timeline | None, now: datetime) -> int:
    """How long a recording is, with what of a running one is not stored yet."""
    event = recording.event
    if event is None:
        return 0
    if event.media.hls is not None and event.media.hls.duration_ms is not None:
        return event.media.hls.duration_ms
    end = event.recording_ended_at or now
    if timeline is None or not timeline.stretches:
        return _milliseconds(end - event.recording_started_at)
    newest = timeline.stretches[-1]
    stored_until_ms = newest.date_ms + timeline.duration_ms - newest.at_ms
    behind_ms = round(1000 * end.timestamp()) - stored_until_ms
    return timeline.duration_ms + min(max(behind_ms, 0), LONGEST_SEGMENT_MS)


def _milliseconds(length: timedelta) -> int:
    return round(length.total_seconds() * 1000)


def interval_ms_of(count: int, duration_ms: int, wanted_s: Sequence[int]) -> int:
    """How long each thumbnail shows: the most likely time that gives so many.

    Args:
        count: of thumbnails.
        duration_ms: of the recording so far.
        wanted_s: what recording configurations ask for, most likely first.
    """
    if not count:
        return 0
    least_ms = (duration_ms - LAST_GROUP_MS) / count
    most_ms = duration_ms / (count - 1) if count > 1 else inf
    for seconds in (*wanted_s, *USUAL_INTERVALS_S):
        if least_ms <= 1000 * seconds < most_ms:
            return 1000 * seconds
    return max(1, round(duration_ms / count))
