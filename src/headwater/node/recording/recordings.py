"""Recordings of the configured destination: what `headwater recording` looks at.

Buckets are asked, not the database: what is there is what was recorded, on this server or on
another one, and the commands work while no server runs.
"""

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
from headwater.store.records import RecordingConfigurationRecord, Scope

PAGE = 100
FAILURES = (BaseError, OSError, StorageError)
"""What comes when a store cannot be asked."""


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
    try:
        if name is not None:
            return [buckets.open(name)]
        return [buckets.open(each) for each in await _names(settings, buckets)]
    except HeadwaterError as error:
        raise OperatorError(f"bucket {name or ''}: {error}") from None


async def _names(settings: Settings, buckets: Buckets) -> list[str]:
    """Local buckets are folders; those of a service are known by recording configurations."""
    if buckets.is_local:
        folder = Path(settings.server.data_dir) / BUCKETS_FOLDER
        return sorted(each.name for each in folder.iterdir()) if folder.is_dir() else []
    scope = Scope(settings.server.account_id, settings.server.region)
    async with opened_store(settings) as store, store.read() as work:
        records = await work.page(RecordingConfigurationRecord, scope, limit=PAGE, after=None)
    names = sorted({record.bucket_name for record in records})
    if not names:
        raise OperatorError(
            f"no recording configuration of account {scope.account} in {scope.region} "
            "names a bucket: name one with --bucket"
        )
    return names


def _unreadable(bucket: Bucket, error: Exception) -> OperatorError:
    text = str(error).strip().splitlines() or [type(error).__name__]
    return OperatorError(f"bucket {bucket.name} cannot be read: {text[0]}")
