"""Recordings over HTTP, read-only: what the watch page lists and plays.

    /recordings/<account>/<channel id>/index.json?limit=&before=    newest first, in pages
    /recordings/<account>/<channel id>/<place>/thumbnails.json      for scrubbing previews
    /recordings/<account>/<channel id>/<place>/timeline.json        which time of day is where
    /recordings/<account>/<channel id>/<place>/media/...            the objects themselves

`<place>` is `<year>/<month>/<day>/<hour>/<minute>/<recording id>`, as in the bucket, whose name
is not told. Nothing but media is served, and only of channels that everybody may watch: those
with `authorized` or a playback restriction policy are refused here, as nothing in a recording's
addresses could enforce either. The channel as it is now decides.

Source: RFC 9110 (ranges §14, conditions §13); the Fetch standard (CORS).
"""

import asyncio
import contextlib
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from datetime import datetime
from http import HTTPStatus
from ipaddress import ip_address
from urllib.parse import parse_qsl

import msgspec
import obstore
import structlog
from msgspec import Struct
from obstore.exceptions import BaseError
from obstore.store import ObjectStore

from headwater.core.arn import parse_arn
from headwater.core.errors import PeerError
from headwater.core.http import Request, Response
from headwater.delivery import answers
from headwater.delivery.stream import compress
from headwater.node.recording.archive_shown import (
    Shown,
    Timeline,
    interval_ms_of,
    reached_ms,
    shown,
    timeline_of,
)
from headwater.node.settings import Settings
from headwater.recording import layout
from headwater.recording.archive import Archived, Place, newest, place_of, read, read_object
from headwater.recording.objects import Buckets, StorageError
from headwater.recording.playlist_reader import parse_media
from headwater.recording.thumbnails import thumbnail_plan
from headwater.store import Store
from headwater.store.records import ChannelRecord, RecordingConfigurationRecord

PREFIX = "/recordings/"
DEFAULT_PAGE, MAX_PAGE = 12, 48
MAX_CONFIGURATIONS = 100
"""Whose buckets are looked into; IVS allows an account 20."""
MAX_LISTINGS = 4
"""At once: each asks the store for many names."""
LISTING_S = 2.0
"""How long a page of the list, or a timeline, is repeated to others who ask."""
MAX_LISTINGS_KEPT = 200
CHANNEL_S = 2.0
"""How long a channel is believed to be what it was."""
MAX_CHANNELS_KEPT = 1000
MAX_PLACES_KEPT = 5000
"""Recordings whose bucket is known."""
MAX_READERS = 1000
"""Answers that are being read from the store; each has a piece of CHUNK_BYTES in memory."""
CHUNK_BYTES = 1 << 18
MAX_THUMBNAILS = 1 << 18
"""Looked for; one a second of 48 hours are 172 800."""
MAX_QUERY_FIELDS = 8
FAILURES = (BaseError, OSError, StorageError)

_PATH = re.compile(r"/recordings/([0-9]{12})/([A-Za-z0-9]{1,64})/(.{1,300})")
_RECORDED = re.compile(r"([0-9]{4}(?:/[0-9]{1,2}){4}/[A-Za-z0-9]{1,64})/(.+)")
_NAME = r"[A-Za-z0-9_-]{1,100}"
_MEDIA = re.compile(
    rf"media/(?:hls/(?:{_NAME}/)?{_NAME}\.(?:m3u8|ts|m4s|mp4)"
    rf"|thumbnails/{_NAME}\.jpg|latest_thumbnail/thumb\.jpg)"
)

log = structlog.get_logger(__name__)


class _Channel(Struct, frozen=True):
    """What is known of a channel for a moment."""

    until_s: float
    is_public: bool
    buckets: tuple[str, ...]  # its own first
    intervals_s: tuple[int, ...]  # of thumbnails, as its configurations want them; its own first


class _Listing(Struct, frozen=True):
    until_s: float
    body: bytes


class _Dated(Struct, frozen=True):
    until_s: float
    timeline: Timeline


class Index(Struct, frozen=True, kw_only=True):
    """A page of the list."""

    recordings: Sequence[Shown]
    next: str | None  # `before` of the next page; None: this is the last


class Thumbnails(Struct, frozen=True, kw_only=True):
    """The numbered thumbnails of a recording; number N shows N times the interval."""

    path: str  # "thumb" and the number follow, then ".jpg"
    count: int
    interval_ms: int


class ArchiveSite:
    """Answers what is asked below `/recordings/`."""

    def __init__(
        self,
        *,
        store: Store,
        buckets: Buckets,
        is_on: bool,
        now_s: Callable[[], float],
        now: Callable[[], datetime],
    ) -> None:
        """Nothing was asked yet.

        Args:
            store: the channels.
            buckets: the recordings.
            is_on: else there is nothing here.
            now_s: a monotonic clock.
            now: the wall clock, in UTC.
        """
        self._now = now
        self._store = store
        self._buckets = buckets
        self._is_on = is_on
        self._now_s = now_s
        self._channels: dict[tuple[str, str], _Channel] = {}
        self._listings: dict[str, _Listing] = {}
        self._timelines: dict[str, _Dated] = {}  # by prefix
        self._places: dict[str, str] = {}  # bucket by prefix
        self._turns = asyncio.Semaphore(MAX_LISTINGS)
        self._readers = 0

    def path_of(self, channel: ChannelRecord) -> str:
        """Where the channel's recordings are; "": they are not shown."""
        if not self._is_on or not _is_public(channel):
            return ""
        return f"{PREFIX}{channel.account}/{channel.id}/"

    async def respond(self, request: Request) -> Response | None:
        """Answer a request; None when the path is not one of these."""
        if not request.path.startswith(PREFIX):
            return None
        if request.method == "OPTIONS":
            return answers.preflight()
        if request.method not in answers.METHODS:
            return answers.method_not_allowed(request)
        try:
            response = await self._respond(request)
        except FileNotFoundError:
            response = _not_found(request)
        except FAILURES as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            log.warning("a recording cannot be read", path=request.path, reason=reason)
            response = answers.error(
                request,
                HTTPStatus.BAD_GATEWAY,
                code="storage_failed",
                text="the storage of the recordings does not answer",
                max_age_s=None,
            )
        return answers.without_body(response) if request.method == "HEAD" else response

    async def _respond(self, request: Request) -> Response:
        match = _PATH.fullmatch(request.path)
        if match is None or not self._is_on:
            return _not_found(request)
        account, channel_id, rest = match.groups()
        channel = await self._channel(account, channel_id)
        if not channel.is_public:
            return answers.error(
                request,
                HTTPStatus.FORBIDDEN,
                code="recordings_are_private",
                text="recordings of private and restricted channels are not served",
                max_age_s=None,
            )
        if rest == "index.json":
            return await self._index(request, channel, account, channel_id)
        recorded = _RECORDED.fullmatch(rest)
        place = place_of(f"ivs/v1/{account}/{channel_id}/{recorded[1]}") if recorded else None
        if recorded is None or place is None:
            return _not_found(request)
        return await self._below(request, channel, place, recorded[2])

    async def _below(
        self, request: Request, channel: _Channel, place: Place, name: str
    ) -> Response:
        if name == "thumbnails.json":
            return await self._thumbnails(channel, place)
        if name == "timeline.json":
            store = await self._bucket_of(channel, place)
            timeline = await self._timeline(store, await read(store, place))
            return answers.document(msgspec.json.encode(timeline), max_age_s=int(LISTING_S))
        if not _MEDIA.fullmatch(name):
            return _not_found(request)
        return await self._object(request, await self._bucket_of(channel, place), place, name)

    async def _channel(self, account: str, channel_id: str) -> _Channel:
        """What is known of it. Raises FileNotFoundError where there is none."""
        key = (account, channel_id)
        known = self._channels.get(key)
        if known is not None and self._now_s() < known.until_s:
            return known
        async with self._store.read() as work:
            record = await work.channel_by_id(channel_id)
            if record is None or record.account != account:
                raise FileNotFoundError(channel_id)
            configurations = await work.page(
                RecordingConfigurationRecord, record.scope, limit=MAX_CONFIGURATIONS, after=None
            )
        own = parse_arn(record.recording_configuration_arn)
        ordered = sorted(configurations, key=lambda each: own is None or each.id != own.id)
        wanted = [thumbnail_plan(each.thumbnail_configuration) for each in ordered]
        channel = _Channel(
            self._now_s() + CHANNEL_S,
            _is_public(record),
            tuple(dict.fromkeys(each.bucket_name for each in ordered if each.state == "ACTIVE")),
            tuple(dict.fromkeys(plan.interval_ms // 1000 for plan in wanted if plan)),
        )
        _keep(self._channels, key, channel, MAX_CHANNELS_KEPT)
        return channel

    # The list.

    async def _index(
        self, request: Request, channel: _Channel, account: str, channel_id: str
    ) -> Response:
        limit, before = _page_of(request.query)
        place = place_of(f"ivs/v1/{account}/{channel_id}/{before}") if before else None
        if before and place is None:
            return answers.error(
                request,
                HTTPStatus.BAD_REQUEST,
                code="bad_request",
                text="before is not what an earlier page gave as next",
                max_age_s=None,
            )
        key = f"{account}/{channel_id} {limit} {before}"
        async with self._turns:
            known = self._listings.get(key)
            if known is None or self._now_s() >= known.until_s:
                body = await self._listed(channel, account, channel_id, limit, place)
                known = _Listing(self._now_s() + LISTING_S, body)
                _keep(self._listings, key, known, MAX_LISTINGS_KEPT)
        return answers.document(known.body, max_age_s=int(LISTING_S))

    async def _listed(
        self, channel: _Channel, account: str, channel_id: str, limit: int, before: Place | None
    ) -> bytes:
        found: list[Archived] = []
        for name in channel.buckets:
            store = self._open(name)
            if store is None:
                continue
            behind = newest(store, account, channel_id, before=before)
            several = 0
            async for each in behind:
                if several > limit:
                    break
                if each.event is not None:
                    several += 1
                    found.append(each)
                    _keep(self._places, each.place.prefix, name, MAX_PLACES_KEPT)
        found.sort(key=lambda each: each.started_at, reverse=True)
        page = found[:limit]
        next_ = None
        if len(found) > limit:
            next_ = page[-1].place.prefix.split("/", 4)[4]
        return msgspec.json.encode(Index(recordings=[shown(each) for each in page], next=next_))

    # One recording.

    async def _thumbnails(self, channel: _Channel, place: Place) -> Response:
        store = await self._bucket_of(channel, place)
        recording = await read(store, place)
        path = f"{PREFIX}{place.prefix.removeprefix('ivs/v1/')}/{layout.THUMBNAILS_PATH}/"
        count, interval_ms = 0, 0
        if recording.event is not None and recording.event.media.thumbnails is not None:
            async with self._turns:
                count = await _count(
                    lambda number: _has(store, f"{place.prefix}/{layout.thumbnail_key(number)}")
                )
            timeline = None
            if not recording.is_over:
                with contextlib.suppress(FileNotFoundError):
                    timeline = await self._timeline(store, recording)
            duration_ms = reached_ms(recording, timeline, self._now())
            interval_ms = interval_ms_of(count, duration_ms, channel.intervals_s)
        body = msgspec.json.encode(Thumbnails(path=path, count=count, interval_ms=interval_ms))
        return answers.document(body, max_age_s=None if not recording.is_over else 60)

    async def _timeline(self, store: ObjectStore, recording: Archived) -> Timeline:
        """Of its first rendition. Raises FileNotFoundError where nothing is stored yet."""
        prefix = recording.place.prefix
        async with self._turns:
            known = self._timelines.get(prefix)
            if known is None or self._now_s() >= known.until_s:
                found = await _read_timeline(store, recording)
                known = _Dated(self._now_s() + LISTING_S, found)
                _keep(self._timelines, prefix, known, MAX_LISTINGS_KEPT)
        return known.timeline

    async def _bucket_of(self, channel: _Channel, place: Place) -> ObjectStore:
        """The bucket that has the recording. Raises FileNotFoundError."""
        known = self._places.get(place.prefix)
        for name in channel.buckets if known is None else (known,):
            store = self._open(name)
            if store is not None and (
                known is not None or (await read(store, place)).event is not None
            ):
                _keep(self._places, place.prefix, name, MAX_PLACES_KEPT)
                return store
        raise FileNotFoundError(place.prefix)

    async def _object(
        self, request: Request, store: ObjectStore, place: Place, key: str
    ) -> Response:
        whole_key = f"{place.prefix}/{key}"
        if key.endswith(".m3u8"):
            body = await read_object(store, whole_key)
            gzipped = answers.accepts_gzip(request)
            # Rewritten while the recording goes on.
            body = compress(body) if gzipped else body
            return answers.playlist(body, gzipped=gzipped, max_age_s=1)
        meta = await obstore.head_async(store, whole_key)
        answer, start, end = answers.media_without_body(
            request,
            meta["size"],
            content_type=layout.content_type(key),
            etag=meta["e_tag"] or f'"{meta["size"]}"',
        )
        if key == layout.LATEST_THUMBNAIL_KEY:
            answer.headers = [("cache-control", "no-cache"), *_without(answer, "cache-control")]
        if request.method == "HEAD" or start >= end:
            return answer
        if self._readers >= MAX_READERS:
            return answers.error(
                request,
                HTTPStatus.SERVICE_UNAVAILABLE,
                code="too_many_readers",
                text="too many recorded objects are being read",
                max_age_s=None,
                headers=(("retry-after", "1"),),
            )
        answer.chunks = self._read(store, whole_key, start, end)
        return answer

    async def _read(
        self, store: ObjectStore, key: str, start: int, end: int
    ) -> AsyncGenerator[bytes, None]:
        self._readers += 1
        try:
            found = await obstore.get_async(store, key, options={"range": (start, end)})
            async for chunk in found.stream(min_chunk_size=CHUNK_BYTES):
                yield bytes(chunk)
        finally:
            self._readers -= 1

    def _open(self, name: str) -> ObjectStore | None:
        try:
            return self._buckets.open(name).store
        except StorageError:
            return None  # a folder that is gone has no recordings


def shows_recordings(settings: Settings) -> bool:
    """Whether recordings are served; by default only where this machine alone can ask."""
    if settings.recording.pages != "auto":
        return settings.recording.pages == "on"
    address = settings.http.bind_address
    try:
        is_loopback = ip_address(address).is_loopback
    except ValueError:
        is_loopback = address == "localhost"
    return is_loopback and not settings.public.playback_url


def _is_public(channel: ChannelRecord) -> bool:
    return not channel.authorized and not channel.playback_restriction_policy_arn


def _page_of(query: str) -> tuple[int, str]:
    """How many are wanted, and behind which."""
    try:
        fields = dict(parse_qsl(query, max_num_fields=MAX_QUERY_FIELDS))
    except ValueError:  # too many: none of ours
        fields = {}
    limit = fields.get("limit", "")
    number = int(limit) if re.fullmatch(r"[0-9]{1,4}", limit) else DEFAULT_PAGE
    return min(max(number, 1), MAX_PAGE), fields.get("before", "")


async def _read_timeline(store: ObjectStore, recording: Archived) -> Timeline:
    hls = recording.event.media.hls if recording.event is not None else None
    if hls is None or not hls.renditions:
        raise FileNotFoundError(recording.place.prefix)
    first = hls.renditions[0]
    key = f"{recording.place.prefix}/{hls.path}/{first.path}/{first.playlist}"
    body = await read_object(store, key)
    try:
        return await asyncio.to_thread(lambda: timeline_of(parse_media(body)))  # 48 h take 0.2 s
    except PeerError as error:
        raise StorageError(f"{key}: {error}", is_refused=False) from None


async def _count(has: Callable[[int], Awaitable[bool]]) -> int:
    """How many there are, numbered from 0 without gaps, asking for few of them."""
    if not await has(0):
        return 0
    there, missing = 0, 1
    while missing < MAX_THUMBNAILS and await has(missing):
        there, missing = missing, 2 * missing
    while missing - there > 1:
        middle = (there + missing) // 2
        if await has(middle):
            there = middle
        else:
            missing = middle
    return missing


async def _has(store: ObjectStore, key: str) -> bool:
    try:
        await obstore.head_async(store, key)
    except FileNotFoundError:
        return False
    return True


def _keep(kept: dict, key: object, value: object, most: int) -> None:  # type: ignore[type-arg]
    """Remember it in place of the oldest."""
    kept.pop(key, None)
    while len(kept) >= most:
        del kept[next(iter(kept))]
    kept[key] = value


def _without(answer: Response, name: str) -> list[tuple[str, str]]:
    return [(key, value) for key, value in answer.headers if key != name]


def _not_found(request: Request) -> Response:
    return answers.error(
        request,
        HTTPStatus.NOT_FOUND,
        code="no_such_recording",
        text="there is no such recording here",
        max_age_s=1,
    )
