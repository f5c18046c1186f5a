"""Recordings as their bucket has them: found, newest first, and read.

Source: "Auto-Record to Amazon S3" of the IVS user guide: the prefix of a recording is
`ivs/v1/<account>/<channel id>/<year>/<month>/<day>/<hour>/<minute>/<recording id>`, in UTC and
without padding, so that a bucket's own order is not that of time.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime

import obstore
from msgspec import Struct
from obstore.store import ObjectStore

from headwater.core.errors import PeerError
from headwater.recording import layout
from headwater.recording.event_file import EventFile, parse_event_file

ROOT = "ivs/v1"
TIME_LEVELS = 5  # year, month, day, hour, minute
MAX_READ_AT_ONCE = 16
"""Event files asked for at the same time."""

_PREFIX = re.compile(
    r"ivs/v1/(?P<account>[0-9]{12})/(?P<channel>[A-Za-z0-9]{1,64})"
    r"/(?P<time>[0-9]{4}(?:/[0-9]{1,2}){4})/(?P<id>[A-Za-z0-9]{1,64})"
)


class Place(Struct, frozen=True, kw_only=True, order=True):
    """Where a recording is; places of one channel are in the order of time, to the minute."""

    account: str
    channel_id: str
    time: tuple[int, ...]  # year, month, day, hour, minute
    id: str
    prefix: str  # as the bucket spells it


class Archived(Struct, frozen=True, kw_only=True):
    """A recording's place and what its newest event file says."""

    place: Place
    event: EventFile | None
    event_key: str  # whole
    problem: str = ""  # why there is no event

    @property
    def is_over(self) -> bool:
        """Nothing will be added."""
        return self.event is not None and self.event.recording_status != "RECORDING_STARTED"

    @property
    def started_at(self) -> datetime:
        """When it began; to the minute where no event file says so."""
        if self.event is not None:
            return self.event.recording_started_at
        return minute_of(self.place)


def place_of(prefix: str) -> Place | None:
    """The place that a prefix names; None: it names none."""
    match = _PREFIX.fullmatch(prefix)
    if match is None:
        return None
    time = tuple(int(part) for part in match["time"].split("/"))
    place = Place(
        account=match["account"],
        channel_id=match["channel"],
        time=time,
        id=match["id"],
        prefix=prefix,
    )
    try:
        minute_of(place)
    except ValueError:
        return None
    return place


def minute_of(place: Place) -> datetime:
    """The minute in its prefix."""
    year, month, day, hour, minute = place.time
    return datetime(year, month, day, hour, minute, tzinfo=UTC)


async def channels(store: ObjectStore) -> list[tuple[str, str]]:
    """Account and channel id of all that the bucket has recordings of."""
    return [
        (account, channel_id)
        for account in sorted(await _folders(store, ROOT))
        for channel_id in sorted(await _folders(store, f"{ROOT}/{account}"))
    ]


async def newest(
    store: ObjectStore, account: str, channel_id: str, *, before: Place | None = None
) -> AsyncIterator[Archived]:
    """A channel's recordings, newest first, read as they are asked for.

    Args:
        store: the bucket.
        account: 12 digits.
        channel_id: last part of the channel's ARN.
        before: begin behind this one, which need not exist any more.
    """
    async for minute in _minutes(store, f"{ROOT}/{account}/{channel_id}", before):
        names = await _folders(store, minute)
        places = [place for name in names if (place := place_of(f"{minute}/{name}"))]
        found = sorted(await _read_all(store, places), key=_by_time, reverse=True)
        if before is not None and places and places[0].time == before.time:
            known = [index for index, each in enumerate(found) if each.place.id == before.id]
            found = found[known[0] + 1 :] if known else found
        for recording in found:
            yield recording


async def read(store: ObjectStore, place: Place) -> Archived:
    """What the event files of one recording say; the newest counts."""
    problem, key = "no event file", f"{place.prefix}/{layout.STARTED_KEY}"
    for name in (layout.ENDED_KEY, layout.FAILED_KEY, layout.STARTED_KEY):
        try:
            body = await read_object(store, f"{place.prefix}/{name}")
            return Archived(
                place=place, event=parse_event_file(body), event_key=f"{place.prefix}/{name}"
            )
        except FileNotFoundError:
            continue
        except PeerError as error:
            problem, key = str(error), f"{place.prefix}/{name}"
            break
    return Archived(place=place, event=None, event_key=key, problem=problem)


async def exists(store: ObjectStore, place: Place) -> bool:
    """Whether the bucket has anything of a recording."""
    return bool(await _folders(store, place.prefix))


async def read_object(store: ObjectStore, key: str) -> bytes:
    """A whole object. Raises FileNotFoundError where there is none."""
    answer = await obstore.get_async(store, key)
    return bytes(await answer.bytes_async())


async def _read_all(store: ObjectStore, places: Sequence[Place]) -> list[Archived]:
    found: list[Archived] = []
    for start in range(0, len(places), MAX_READ_AT_ONCE):
        several = places[start : start + MAX_READ_AT_ONCE]
        found += await asyncio.gather(*(read(store, place) for place in several))
    return found


def _by_time(recording: Archived) -> tuple[datetime, str]:
    return recording.started_at, recording.place.id


async def _minutes(store: ObjectStore, folder: str, before: Place | None) -> AsyncIterator[str]:
    """Folders of minutes below a channel's, newest first, none later than `before`."""
    limit = before.time if before is not None else None
    pending: list[tuple[str, tuple[int, ...]]] = [(folder, ())]
    while pending:
        path, time = pending.pop()
        if len(time) == TIME_LEVELS:
            yield path
            continue
        numbers = sorted(
            ((*time, int(name)), name)
            for name in await _folders(store, path)
            if name.isdecimal() and name.isascii()
        )
        # The newest last: it is popped first.
        pending += [
            (f"{path}/{name}", at)
            for at, name in numbers
            if limit is None or at <= limit[: len(at)]
        ]


async def _folders(store: ObjectStore, path: str) -> list[str]:
    """Names of what is one level below."""
    try:
        listed = await obstore.list_with_delimiter_async(store, path)
    except FileNotFoundError:
        return []
    return [prefix.rstrip("/").rpartition("/")[2] for prefix in listed["common_prefixes"]]
