"""A live stream: its renditions, their windows, rendered playlists and waiting requests.

States of a stream: opened (no plan or no media yet) -> live -> ended (its playlists say
so and its media stays for a while) -> expired (nothing is left to fetch).

Playlists are rendered when first asked for after a change, not when pushed to: all
events of one `push` after another without an await in between become visible at once.
"""

import gzip
from collections.abc import Callable, Iterator

from headwater.core.segment import (
    MediaEvent,
    Part,
    SegmentFinished,
    SegmentStarted,
    StreamFinished,
    StreamPlan,
)
from headwater.delivery.playlist import (
    RenditionReport,
    Session,
    Skip,
    Variant,
    media_playlist,
    multivariant_playlist,
    rendition_name,
)
from headwater.delivery.rates import BitRate
from headwater.delivery.viewers import ViewerCount
from headwater.delivery.waiting import WaitingRoom
from headwater.delivery.window import Window

MEDIA_PREFIX = "/v1/"
PLAYLIST_NAME = "playlist.m3u8"


class Rendition:
    """One rendition: a window, and what its viewers share."""

    def __init__(
        self,
        name: str,
        plan: StreamPlan,
        *,
        low_latency: bool,
        window_ms: int,
        now_s: Callable[[], float],
    ) -> None:
        self.name = name
        self.plan = plan
        self.window = Window(plan, low_latency=low_latency, window_ms=window_ms)
        self.is_independent = plan.independent_segments  # as planned, until one is not
        self.rates = BitRate(plan.target_duration_s)
        self.room = WaitingRoom(now_s)
        self._bodies: dict[tuple[Skip | None, bool], bytes] = {}

    def push(self, event: MediaEvent) -> None:
        """Take the next event; requests that wait for it are released."""
        self.window.push(event)
        self._bodies.clear()
        match event:
            case Part():
                self.rates.add_part(len(event.payload), event.duration_ms)
                self.is_independent &= event.independent or event.index > 0
            case SegmentFinished():
                self.rates.finish_segment()
            case SegmentStarted():
                return  # nobody waits for less than a part
        self.room.wake_all()

    def has_media(self) -> bool:
        """Whether a playlist of it lists anything yet."""
        if self.window.part_target_ms is None:
            return self.window.next_msn > 0
        return self.window.last_part() is not None

    def playlist(
        self, *, skip: Skip | None, gzipped: bool, reports: Callable[[], list[RenditionReport]]
    ) -> bytes:
        """The media playlist: one object for all who ask between two events."""
        body = self._bodies.get((skip, gzipped))
        if body is None:
            if gzipped:
                body = compress(self.playlist(skip=skip, gzipped=False, reports=reports))
            else:
                body = media_playlist(self.window, skip=skip, reports=reports()).encode()
            self._bodies[skip, gzipped] = body
        return body


class LiveStream:
    """One run of one channel. The node pushes what packaging makes, then closes it."""

    def __init__(
        self,
        run_id: str,
        *,
        stream_id: str,
        low_latency: bool,
        private: bool,
        window_ms: int,
        now_s: Callable[[], float],
    ) -> None:
        self.run_id = run_id
        self.stream_id = stream_id
        self.private = private
        self.viewers = ViewerCount(now_s)
        self._low_latency = low_latency
        self._window_ms = window_ms
        self._now_s = now_s
        self._by_key: dict[str | None, Rendition] = {}
        self._by_name: dict[str, Rendition] = {}
        self._closed = False
        self._began_s = now_s()
        self._ended_s: float | None = None

    def push(self, rendition: str | None, event: MediaEvent) -> None:
        """Take an event of a rendition.

        Args:
            rendition: its name, or None for the only one: it is then named after its plan.
            event: in packaging's order, the plan first. After `close` it is ignored: what
                was under way when the stream was stopped has nowhere to go.

        Raises:
            RuntimeError: events out of order (a bug of ours).
        """
        if self._closed:
            return
        if isinstance(event, StreamPlan):
            self._add(rendition, event)
            return
        if rendition not in self._by_key:
            if self._by_key or not isinstance(event, StreamFinished):
                raise RuntimeError("a rendition's plan comes first")
            self.close()  # it ended before anything could be played
            return
        self._by_key[rendition].push(event)
        if self._all_ended():
            self._note_end()

    def close(self) -> None:
        """End the stream, however far it came; calling it again does nothing."""
        self._closed = True
        for rendition in self._by_key.values():
            if not rendition.window.ended:
                rendition.push(StreamFinished())
        self._note_end()

    def is_live(self) -> bool:
        """Whether players can start: there is media of each rendition, and no end."""
        renditions = self._by_key.values()
        has_media = bool(renditions) and all(rendition.has_media() for rendition in renditions)
        return has_media and self._ended_s is None

    def has_ended(self) -> bool:
        """Whether no more media will come."""
        return self._ended_s is not None

    def has_expired(self) -> bool:
        """Whether it ended so long ago that nobody can still be playing its window."""
        windows = [rendition.window for rendition in self._by_key.values()]
        linger_ms = max((window.retention_ms for window in windows), default=0)
        return self._ended_s is not None and self._now_s() - self._ended_s >= linger_ms / 1000

    def rendition(self, name: str) -> Rendition | None:
        """The rendition of that name."""
        return self._by_name.get(name)

    def viewer_count(self) -> int:
        """Viewers now, as far as they can be told apart."""
        return self.viewers.count()

    def waiting_count(self) -> int:
        """Requests that wait on this stream now."""
        return sum(rendition.room.count for rendition in self._by_key.values())

    def release_late(self) -> None:
        """Let go of the requests that have waited too long."""
        for rendition in self._by_key.values():
            rendition.room.release_late()

    def multivariant(self, now_ms: int) -> bytes:
        """The multivariant playlist at `now_ms` (Unix ms); only while `is_live`."""
        variants = [
            Variant(
                name=rendition.name,
                uri=f"{MEDIA_PREFIX}{self.run_id}/{rendition.name}/{PLAYLIST_NAME}",
                plan=rendition.plan,
                peak_bps=rendition.rates.peak_bps(),
                average_bps=rendition.rates.average_bps(),
                independent=rendition.is_independent,
            )
            for rendition in self._by_key.values()
        ]
        windows = (rendition.window for rendition in self._by_key.values())
        session = Session(
            broadcast_id=self.stream_id,
            session_id=self.run_id,
            server_time_ms=now_ms,
            stream_time_ms=round((self._now_s() - self._began_s) * 1000),
            low_latency=all(window.part_target_ms is not None for window in windows),
        )
        return multivariant_playlist(variants, session).encode()

    def media_playlist(self, rendition: Rendition, *, skip: Skip | None, gzipped: bool) -> bytes:
        """The media playlist of a rendition, with reports of the others."""

        def reports() -> list[RenditionReport]:
            return list(self._reports(rendition))

        return rendition.playlist(skip=skip, gzipped=gzipped, reports=reports)

    def _reports(self, asking: Rendition) -> Iterator[RenditionReport]:
        for other in self._by_key.values():
            if other is not asking and (last := other.window.last_part()):
                uri = f"../{other.name}/{PLAYLIST_NAME}"
                yield RenditionReport(uri=uri, last_msn=last[0], last_part=last[1])

    def _add(self, key: str | None, plan: StreamPlan) -> None:
        if not self._by_key:
            self._began_s = self._now_s()
        name = rendition_name(plan) if key is None else key
        if key in self._by_key or name in self._by_name:
            raise RuntimeError(f"rendition {name} already has a plan")
        rendition = Rendition(
            name,
            plan,
            low_latency=self._low_latency,
            window_ms=self._window_ms,
            now_s=self._now_s,
        )
        self._by_key[key] = self._by_name[name] = rendition

    def _all_ended(self) -> bool:
        return all(rendition.window.ended for rendition in self._by_key.values())

    def _note_end(self) -> None:
        if self._ended_s is None:
            self._ended_s = self._now_s()


def compress(body: bytes) -> bytes:
    """Gzip, the same bytes for the same text."""
    return gzip.compress(body, mtime=0)
