"""Recordings of the configured destination: what `headwater recording` looks at.

Buckets are asked, not the database: what is there is what was recorded, on this server or on
another one, and the commands work while no server runs.
"""

import re
from datetime import datetime
from pathlib import Path

from msgspec import Struct
from obstore.exceptions import BaseError

from headwater.core.errors import HeadwaterError, OperatorError
from headwater.node.keys import opened_store
from headwater.node.recording.destinations import BUCKETS_FOLDER, buckets_of
from headwater.node.settings import Settings
from headwater.recording.archive import (
    Archived,
    channels,
    exists,
    newest,
    place_of,
    read,
)
from headwater.recording.objects import Bucket, Buckets, StorageError

MAX_BUCKETS = 1000
"""That are looked into where none is named."""
FAILURES = (BaseError, OSError, StorageError)
"""What comes when a store cannot be asked."""

_NAME = re.compile(r"[a-z0-9.-]{3,63}")


class Located(Struct, frozen=True, kw_only=True):
    """A recording and the bucket that has it."""

    bucket: Bucket
    recording: Archived

    @property
    def started_at(self) -> datetime:
        """When it began."""
        return self.recording.started_at


async def listed(
    settings: Settings, *, bucket: str | None, channel_id: str | None, limit: int
) -> list[Located]:
    """The newest recordings, newest first.

    Args:
        settings: in force.
        bucket: only of this one; None: of all that are known.
        channel_id: only of this channel; None: of all.
        limit: so many at most.

    Raises:
        OperatorError: a bucket cannot be read.
    """
    found: list[Located] = []
    for each in await _buckets(settings, bucket):
        try:
            for account, channel in await channels(each.store):
                if channel_id not in {None, channel}:
                    continue
                found += await _newest(each, account, channel, limit)
        except FAILURES as error:
            raise _unreadable(each, error) from None
    return sorted(found, key=lambda one: one.started_at, reverse=True)[:limit]


async def found(settings: Settings, wanted: str, *, bucket: str | None) -> Located:
    """One recording, by its prefix (`ivs/v1/...`) or its id.

    Raises:
        OperatorError: there is none, or several.
    """
    wanted = wanted.strip("/")
    place = place_of(wanted)
    matches: list[Located] = []
    for each in await _buckets(settings, bucket):
        try:
            if place is not None:
                recording = await read(each.store, place)
                if recording.event is not None or await exists(each.store, place):
                    matches.append(Located(bucket=each, recording=recording))
            else:
                matches += [
                    Located(bucket=each, recording=recording)
                    for account, channel in await channels(each.store)
                    async for recording in newest(each.store, account, channel)
                    if recording.place.id == wanted
                ]
        except FAILURES as error:
            raise _unreadable(each, error) from None
    if not matches:
        raise OperatorError(
            f"there is no recording {wanted!r}; `headwater recording list` shows all"
        )
    if len(matches) > 1:
        raise OperatorError(f"several buckets have {wanted!r}: name one with --bucket")
    return matches[0]


async def _newest(bucket: Bucket, account: str, channel_id: str, limit: int) -> list[Located]:
    found: list[Located] = []
    async for recording in newest(bucket.store, account, channel_id):
        if len(found) == limit:
            break
        found.append(Located(bucket=bucket, recording=recording))
    return found


async def _buckets(settings: Settings, name: str | None) -> list[Bucket]:
    buckets = buckets_of(settings.recording, Path(settings.server.data_dir))
    if name is None:
        return [_opened(buckets, each) for each in await _names(settings, buckets)]
    if not _NAME.fullmatch(name):
        raise OperatorError(f"bucket {name!r}: no bucket has such a name")
    return [_opened(buckets, name)]


def _opened(buckets: Buckets, name: str) -> Bucket:
    try:
        return buckets.open(name)
    except HeadwaterError as error:
        raise OperatorError(f"bucket {name}: {error}") from None


async def _names(settings: Settings, buckets: Buckets) -> list[str]:
    """Local buckets are folders; those of a service are known by recording configurations."""
    if buckets.is_local:
        return _local_names(Path(settings.server.data_dir))
    async with opened_store(settings) as store, store.read() as work:
        names = await work.recordings.buckets(limit=MAX_BUCKETS)
    if not names:
        raise OperatorError(
            "no recording configuration has named a bucket yet: name one with --bucket"
        )
    return names


def _local_names(data_dir: Path) -> list[str]:
    if not data_dir.is_dir():
        raise OperatorError(f"server.data_dir = {str(data_dir)!r}: there is no such folder")
    folder = data_dir / BUCKETS_FOLDER
    return sorted(each.name for each in folder.iterdir()) if folder.is_dir() else []


def _unreadable(bucket: Bucket, error: Exception) -> OperatorError:
    text = str(error).strip().splitlines() or [type(error).__name__]
    return OperatorError(f"bucket {bucket.name} cannot be read: {text[0]}")
