"""Checks a recording in its bucket: every object and playlist, and that they fit together.

    list -> event files -> multivariant playlists -> each rendition: playlists, then segments
         -> thumbnails -> objects that nothing names

What the recording itself says is missing (EXT-X-GAP) is told, and is no fault.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta

import obstore
from msgspec import Struct, field
from obstore.exceptions import BaseError
from obstore.store import ObjectStore

from headwater.core.arn import parse_arn
from headwater.core.errors import PeerError
from headwater.recording import layout
from headwater.recording.archive import Place, read_object
from headwater.recording.event_file import EventFile, HlsEntry, RenditionEntry, parse_event_file
from headwater.recording.jpeg import jpeg_size
from headwater.recording.playlist_reader import (
    Entry,
    MediaPlaylist,
    parse_media,
    parse_multivariant,
)
from headwater.recording.scan import Scan
from headwater.recording.scan_mp4 import Mp4Track, read_init, scan_mp4
from headwater.recording.scan_ts import scan_ts
from headwater.recording.verify_segments import SegmentCheck

DURATION_TOLERANCE_MS = 100
"""Between what the event file says and what the playlists add up to."""
MAX_FINDINGS = 1000
"""Of a report; more of them say nothing more."""

Tell = Callable[[int, int], None]
"""Told how many bytes of how many are checked."""


class Finding(Struct, frozen=True, kw_only=True):
    """Something that is wrong."""

    key: str  # of the object, without the recording's prefix
    text: str


class Report(Struct, kw_only=True):
    """What was found."""

    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)  # what is missing, as the recording says itself
    objects: int = 0
    size_bytes: int = 0
    segments: int = 0
    thumbnails: int = 0
    duration_s: float = 0.0  # of the longest rendition
    is_over: bool = False


async def verify(store: ObjectStore, place: Place, tell: Tell = lambda _done, _all: None) -> Report:
    """Check everything.

    Raises:
        BaseError: the store cannot be asked.
    """
    return await _Check(store, place, tell).run()


class _Check:
    def __init__(self, store: ObjectStore, place: Place, tell: Tell) -> None:
        self._store = store
        self._place = place
        self._tell = tell
        self._report = Report()
        self._sizes: dict[str, int] = {}  # by key, without the prefix
        self._named: set[str] = {layout.CHECK_KEY}
        self._done_bytes = 0

    async def run(self) -> Report:
        report = self._report
        await self._list()
        if not self._sizes:
            self._fault("", "there is no such recording")
            return report
        event = await self._events()
        if event is not None:
            report.is_over = event.recording_status != "RECORDING_STARTED"
            if event.media.hls is not None:
                await self._hls(event, event.media.hls)
            await self._thumbnails(event)
        if report.is_over:
            for key in sorted(self._sizes.keys() - self._named):
                self._fault(key, "nothing names this object")
        return report

    # Objects.

    async def _list(self) -> None:
        start = len(self._place.prefix) + 1
        async for several in obstore.list(self._store, prefix=self._place.prefix):
            for meta in several:
                self._sizes[meta["path"][start:]] = meta["size"]
        self._report.objects = len(self._sizes)
        self._report.size_bytes = sum(self._sizes.values())

    async def _object(self, key: str) -> bytes | None:
        """An object that something names; None, and a finding, where it cannot be had."""
        self._named.add(key)
        if key not in self._sizes:
            self._fault(key, "is missing")
            return None
        try:
            body = await read_object(self._store, f"{self._place.prefix}/{key}")
        except (BaseError, OSError) as error:
            self._fault(key, f"cannot be read: {str(error).splitlines()[0]}")
            return None
        self._done_bytes += len(body)
        self._tell(self._done_bytes, self._report.size_bytes)
        if len(body) != self._sizes[key] and self._report.is_over:
            self._fault(key, f"has {len(body)} bytes, listed with {self._sizes[key]}")
        return body

    def _fault(self, key: str, text: str) -> None:
        if len(self._report.findings) < MAX_FINDINGS:
            self._report.findings.append(Finding(key=key, text=text))

    # Event files.

    async def _events(self) -> EventFile | None:
        """The newest; each is checked."""
        found: dict[str, EventFile] = {}
        keys = [key for key in layout.EVENT_KEYS.values() if key in self._sizes]
        for key in keys:
            body = await self._object(key)
            if body is None:
                continue
            try:
                found[key] = parse_event_file(body)
            except PeerError as error:
                self._fault(key, str(error))
        for key, event in found.items():
            self._event(key, event, next(iter(found.values())))
        if layout.ENDED_KEY in self._sizes and layout.FAILED_KEY in self._sizes:
            self._fault(layout.FAILED_KEY, f"stands beside {layout.ENDED_KEY}")
        if not keys:
            self._fault(layout.STARTED_KEY, "is missing, as are the other event files")
        return found[[key for key in keys if key in found][-1]] if found else None

    def _event(self, key: str, event: EventFile, first: EventFile) -> None:
        if layout.EVENT_KEYS[event.recording_status] != key:
            self._fault(key, f"has the status {event.recording_status}")
        arn = parse_arn(event.channel_arn)
        if arn is None or (arn.account, arn.id) != (self._place.account, self._place.channel_id):
            self._fault(key, f"names the channel {event.channel_arn}, its place another")
        if event.recording_started_at != first.recording_started_at:
            self._fault(key, "says another start than the other event file")
        if event.recording_status == "RECORDING_STARTED":
            return
        hls = event.media.hls
        if event.recording_ended_at is None or (hls is not None and hls.duration_ms is None):
            self._fault(key, "lacks recording_ended_at or media.hls.duration_ms")
        elif event.recording_ended_at < event.recording_started_at:
            self._fault(key, "ends before it begins")

    # Playlists and segments.

    async def _hls(self, event: EventFile, hls: HlsEntry) -> None:
        if not hls.renditions and not hls.duration_ms:
            return  # it ended before any media came
        for name, playlists in (
            (hls.playlist, {each.path: each.playlist for each in hls.renditions}),
            (
                hls.byte_range_playlist,
                {each.path: each.byte_range_playlist or "" for each in hls.renditions},
            ),
        ):
            if name is not None:
                await self._multivariant(f"{hls.path}/{name}", playlists)
        durations = [await self._rendition(event, hls, each) for each in hls.renditions]
        self._report.duration_s = max(durations, default=0.0)
        if hls.duration_ms is not None:
            off_ms = abs(hls.duration_ms - 1000 * self._report.duration_s)
            if off_ms > DURATION_TOLERANCE_MS:
                self._fault(
                    layout.EVENT_KEYS[event.recording_status],
                    f"says {hls.duration_ms} ms; "
                    f"the playlists have {1000 * self._report.duration_s:.0f} ms",
                )

    async def _multivariant(self, key: str, playlists: Mapping[str, str]) -> None:
        if not self._report.is_over and key not in self._sizes:
            return  # written with the first segments, or at the end
        body = await self._object(key)
        if body is None:
            return
        try:
            named = [variant.uri for variant in parse_multivariant(body)]
        except PeerError as error:
            self._fault(key, str(error))
            return
        expected = {f"{path}/{name}" for path, name in playlists.items()}
        for uri in sorted(expected - set(named)):
            self._fault(key, f"does not name {uri}, which the event file has")
        for uri in sorted(set(named) - expected):
            self._fault(key, f"names {uri}, which the event file does not have")

    async def _rendition(self, event: EventFile, hls: HlsEntry, rendition: RenditionEntry) -> float:
        """Check it; its duration in seconds."""
        folder = f"{hls.path}/{rendition.path}"
        is_over = self._report.is_over
        playlist = await self._media_playlist(f"{folder}/{rendition.playlist}")
        ranges = None
        if rendition.byte_range_playlist is not None:
            key = f"{folder}/{rendition.byte_range_playlist}"
            if is_over or key in self._sizes:
                ranges = await self._media_playlist(key)
        if playlist is None:
            return 0.0
        key = f"{folder}/{rendition.playlist}"
        if playlist.is_over != is_over:
            has = "has" if playlist.is_over else "lacks"
            self._fault(key, f"{has} EXT-X-ENDLIST; the event file: {event.recording_status}")
        if playlist.media_sequence != 0:
            self._fault(key, f"begins with the media sequence number {playlist.media_sequence}")
        self._note_gaps(rendition, playlist)
        await self._segments(folder, playlist, ranges if is_over else None)
        return playlist.duration_s()

    async def _media_playlist(self, key: str) -> MediaPlaylist | None:
        body = await self._object(key)
        if body is None:
            return None
        try:
            return parse_media(body)
        except PeerError as error:
            self._fault(key, str(error))
            return None

    def _note_gaps(self, rendition: RenditionEntry, playlist: MediaPlaylist) -> None:
        for gap in rendition.gaps:
            length = timedelta(milliseconds=gap.duration_ms)
            self._report.notes.append(
                f"{rendition.path}: {length.total_seconds():.3f} s missing from "
                f"{gap.start:%Y-%m-%d %H:%M:%S}Z: {gap.reason}"
            )
        gaps = [entry for entry in playlist.entries if entry.is_gap]
        if gaps and not rendition.gaps:
            lost_s = sum(entry.duration_s for entry in gaps)
            self._report.notes.append(
                f"{rendition.path}: {lost_s:.3f} s missing, in {len(gaps)} segments"
            )

    async def _segments(
        self, folder: str, playlist: MediaPlaylist, ranges: MediaPlaylist | None
    ) -> None:
        check = SegmentCheck(
            playlist, ranges, lambda name, text: self._fault(f"{folder}/{name}", text)
        )
        inits: dict[str, Mapping[int, Mp4Track] | None] = {}
        for entry in playlist.entries:
            key = f"{folder}/{entry.uri}"
            self._report.segments += 1
            if entry.is_gap:
                self._named.add(key)
                check.gap(entry)
                continue
            body = await self._object(key)
            scan = await self._scan(folder, entry, body, inits) if body is not None else None
            if body is None or scan is None:
                check.missing()
            else:
                check.segment(entry, len(body), scan)

    async def _scan(
        self,
        folder: str,
        entry: Entry,
        body: bytes,
        inits: dict[str, Mapping[int, Mp4Track] | None],
    ) -> Scan | None:
        if entry.init_uri is None:
            return scan_ts(body)
        if entry.init_uri not in inits:
            inits[entry.init_uri] = await self._init(f"{folder}/{entry.init_uri}")
        tracks = inits[entry.init_uri]
        return scan_mp4(body, tracks) if tracks is not None else None

    async def _init(self, key: str) -> Mapping[int, Mp4Track] | None:
        body = await self._object(key)
        if body is None:
            return None
        try:
            return read_init(body)
        except PeerError as error:
            self._fault(key, str(error))
            return None

    # Thumbnails.

    async def _thumbnails(self, event: EventFile) -> None:
        media = event.media
        if media.thumbnails is not None:
            size = (media.thumbnails.resolution_width, media.thumbnails.resolution_height)
            keys = [key for key in self._sizes if key.startswith(f"{media.thumbnails.path}/")]
            for number in range(len(keys)):
                await self._jpeg(f"{media.thumbnails.path}/thumb{number}.jpg", size)
            if not keys and self._report.is_over and self._report.duration_s:
                self._fault(media.thumbnails.path, "has no thumbnails")
        if media.latest_thumbnail is not None:
            entry = media.latest_thumbnail
            if self._report.is_over or entry.path in self._sizes:
                await self._jpeg(entry.path, (entry.resolution_width, entry.resolution_height))

    async def _jpeg(self, key: str, size: tuple[int | None, int | None]) -> None:
        body = await self._object(key)
        if body is None:
            return
        self._report.thumbnails += 1
        try:
            found = jpeg_size(body)
        except PeerError as error:
            self._fault(key, str(error))
            return
        if None not in size and found != size:
            self._fault(key, f"has {found[0]}x{found[1]} pixels, not {size[0]}x{size[1]}")
