"""Stores one recording's objects, in the order in which they are made, however long it takes.

    waiting <-> storing -> (closing: no more objects come) -> all stored | given up
                   |
                   +-- fails: the same again, after a pause that grows

A playlist lists what is stored, and nothing else, so it is right at any moment. It is written
again when more is, which after an outage may be much at once.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable

import structlog
from msgspec import Struct

from headwater.core.errors import HeadwaterError
from headwater.recording import layout
from headwater.recording.manifest import Track
from headwater.recording.objects import Bucket, StorageError
from headwater.recording.playlists import (
    MasterEntry,
    byte_range_playlist,
    media_playlist,
    multivariant_playlist,
)
from headwater.recording.spool import CUT_OFF, Ready
from headwater.recording.work import SpoolWork

AT_ONCE = 4
"""Objects of one recording on their way at the same time."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 15.0
"""After a failure."""
PLAYLIST_PAUSE_S = 5.0
"""Between two versions of a playlist while it is behind."""
RECENT_DELAYS = 10_000
"""Segments whose time from complete to stored is kept for whoever measures."""

log = structlog.get_logger(__name__)


class GivenUpError(HeadwaterError):
    """A recording could not be stored in the time it had; the text says why."""


class UploadFigures(Struct):
    """How storing does, over all recordings of a server."""

    stored: int = 0
    stored_bytes: int = 0
    failures: int = 0


class Uploader:
    """One recording's."""

    def __init__(
        self,
        *,
        prefix: str,
        work: SpoolWork,
        open_bucket: Callable[[], Bucket],
        turns: asyncio.Semaphore,
        figures: UploadFigures,
        now_ms: Callable[[], int],
    ) -> None:
        """Nothing is stored.

        Args:
            prefix: of the recording.
            work: what is told when an object is stored.
            open_bucket: raises StorageError while there is none.
            turns: bounds what all recordings have on their way.
            figures: are kept up to date.
            now_ms: the time (Unix ms).
        """
        self._prefix = prefix
        self._work = work
        self._open_bucket = open_bucket
        self._turns = turns
        self._figures = figures
        self._now_ms = now_ms
        self._waiting: deque[Ready] = deque()
        self._small: dict[str, bytes] = {}  # event files, by key
        self._listed: dict[str, int] = {}  # segments that the newest playlist lists, by rendition
        self._listed_s = 0.0
        self._master = b""  # as stored
        self._delays_s: deque[float] = deque(maxlen=RECENT_DELAYS)
        self._wake = asyncio.Event()
        self._pause_s = FIRST_PAUSE_S
        self._give_up_s: float | None = None  # when closing
        self.trouble = ""  # why the last try failed; "" : it did not

    def add(self, ready: Iterable[Ready]) -> None:
        """Store these too."""
        for each in ready:
            if each.segment is None:
                self._replace(each)
            if each.size_bytes:
                self._waiting.append(each)
        self._wake.set()

    def add_small(self, key: str, body: bytes) -> None:
        """Store an object that is made again when it is lost."""
        self._small[key] = body
        self._wake.set()

    async def run(self) -> None:
        """Store what comes, until it is cancelled, or closed and done.

        Raises:
            GivenUpError: closing, it did not get done in time.
        """
        while True:
            if not self._has_work():
                if self._give_up_s is not None:
                    return
                self._wake.clear()
                await self._wake.wait()
                continue
            await self._try(self._round)

    def close(self, give_up_s: float) -> None:
        """No more objects come; `run` returns when all are stored.

        Args:
            give_up_s: how long to go on trying.
        """
        self._give_up_s = time.monotonic() + give_up_s
        self._wake.set()

    async def finish(self) -> None:
        """Write all playlists for the last time. To be called when `run` has returned.

        Raises:
            GivenUpError: it did not get done in time.
        """
        manifest = self._work.manifest
        tracks = [track for track in manifest.ordered() if track.segments]
        for track in tracks:
            await self.insist(
                layout.media_key(track.rendition.path, layout.PLAYLIST_NAME),
                self._playlist(track, len(track.segments), is_over=True),
            )
            body = await asyncio.to_thread(byte_range_playlist, track.rendition, track.segments)
            name = layout.BYTE_RANGE_PLAYLIST_NAME
            await self.insist(layout.media_key(track.rendition.path, name), body.encode())
        if tracks:
            await self.insist(
                layout.hls_key(layout.BYTE_RANGE_MASTER_NAME),
                self._multivariant(tracks, layout.BYTE_RANGE_PLAYLIST_NAME),
            )
            await self.insist(
                layout.hls_key(layout.MASTER_NAME), self._multivariant(tracks, layout.PLAYLIST_NAME)
            )

    def delay_ms(self, percent: int) -> int | None:
        """From a segment's last part to its object, of so many in 100; None: none was stored."""
        ordered = sorted(self._delays_s)
        return round(1000 * ordered[len(ordered) * percent // 100]) if ordered else None

    # One after the other.

    def _has_work(self) -> bool:
        return bool(self._waiting or self._small or self._behind())

    async def _try(self, action: Callable[[], Awaitable[None]]) -> None:
        """Do it once; after a failure, wait."""
        try:
            await action()
        except StorageError as error:
            self._figures.failures += 1
            if not self.trouble:
                log.warning(
                    "recording waits for its storage", prefix=self._prefix, reason=str(error)
                )
            self.trouble = str(error)
            if self._give_up_s is not None and time.monotonic() >= self._give_up_s:
                raise GivenUpError(str(error)) from None
            await asyncio.sleep(self._pause_s)
            self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
        else:
            if self.trouble:
                log.info("recording's storage is back", prefix=self._prefix)
            self.trouble, self._pause_s = "", FIRST_PAUSE_S

    async def insist(self, key: str, body: bytes) -> None:
        """Store one small object.

        Raises:
            GivenUpError: closing, it did not get done in time.
        """
        is_done = False

        async def put() -> None:
            nonlocal is_done
            await self._put(key, body)
            is_done = True

        while not is_done:
            await self._try(put)

    async def _round(self) -> None:
        """Store some of what waits, then the playlists, if it is time for them."""
        for key in list(self._small):
            await self._put(key, self._small[key])
            await self._work.tell_stored(key)
            self._small.pop(key, None)
        batch = [self._waiting.popleft() for _ in range(min(AT_ONCE, len(self._waiting)))]
        failed: list[tuple[Ready, StorageError]] = []
        for each, error in zip(batch, await self._store_all(batch), strict=True):
            if error is not None:
                failed.append((each, error))
        self._waiting.extendleft(each for each, _ in reversed(failed))
        if failed:
            raise failed[0][1]
        late = time.monotonic() - self._listed_s >= PLAYLIST_PAUSE_S
        if self._behind() and (late or not self._waiting):
            await self._list()

    async def _store_all(self, batch: list[Ready]) -> list[StorageError | None]:
        return await asyncio.gather(*(self._store(each) for each in batch))

    async def _store(self, ready: Ready) -> StorageError | None:
        if not await self._work.is_whole(ready):
            await self._work.lose(ready, CUT_OFF)
            return None
        try:
            await self._put(ready.key, ready)
        except StorageError as error:
            return error
        await self._work.stored(ready)
        self._figures.stored += 1
        self._figures.stored_bytes += ready.size_bytes
        if ready.segment is not None:
            self._delays_s.append(time.monotonic() - ready.complete_s)
        return None

    async def _put(self, key: str, body: bytes | Ready) -> None:
        async with self._turns:
            bucket = self._open_bucket()
            content = body.path if isinstance(body, Ready) else body
            await bucket.put(f"{self._prefix}/{key}", content)

    def _replace(self, ready: Ready) -> None:
        """Of an object that is made again and again, only the newest is stored."""
        for each in self._waiting:
            if each.key == ready.key:
                self._waiting.remove(each)
                self._work.drop(each)
                return

    # Playlists.

    def _behind(self) -> list[tuple[Track, int]]:
        """Renditions of which more is stored than listed, and how much that is."""
        behind = []
        for track in self._work.manifest.ordered():
            listed = reach = self._listed.get(track.rendition.path, 0)
            while reach < len(track.segments) and self._is_there(track, reach):
                reach += 1
            if reach > listed:
                behind.append((track, reach))
        return behind

    def _is_there(self, track: Track, position: int) -> bool:
        segment = track.segments[position]
        stored = self._work.manifest.stored
        return not segment.size_bytes or track.segment_key(segment.number) in stored

    async def _list(self) -> None:
        """Write the playlists of what is stored, then the multivariant one, if it changed."""
        for track, reach in self._behind():
            path = track.rendition.path
            key = layout.media_key(path, layout.PLAYLIST_NAME)
            await self._put(key, self._playlist(track, reach, is_over=False))
            self._listed[path] = reach
        listed = [t for t in self._work.manifest.ordered() if self._listed.get(t.rendition.path)]
        master = self._multivariant(listed, layout.PLAYLIST_NAME)
        if master != self._master:
            await self._put(layout.hls_key(layout.MASTER_NAME), master)
            self._master = master
        self._listed_s = time.monotonic()

    def _playlist(self, track: Track, reach: int, *, is_over: bool) -> bytes:
        total_ms = track.total_ms
        if reach < len(track.segments):
            total_ms -= sum(each.duration_ms for each in track.segments[reach:])
        return media_playlist(
            track.rendition,
            track.lines[:reach],
            total_ms=total_ms,
            now_ms=self._now_ms(),
            is_over=is_over,
            has_gaps=track.has_gaps,
        ).encode()

    def _multivariant(self, tracks: list[Track], playlist_name: str) -> bytes:
        opened = self._work.manifest.opened
        if opened is None:
            raise RuntimeError("a recording is opened before anything is stored of it")
        entries = [
            MasterEntry(rendition=t.rendition, bandwidth_bps=t.max_bps, automatic=t.automatic)
            for t in tracks
        ]
        return multivariant_playlist(
            opened.channel_id, opened.account, entries, playlist_name=playlist_name
        ).encode()
