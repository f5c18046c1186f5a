"""A live stream: its renditions, their windows, rendered playlists and waiting requests.

States of a stream: opened (renditions are still to come; players wait a little for it to go
live) -> live -> ended (its playlists say so and its media stays for a while) -> expired
(nothing is left to fetch).

It goes live when every rendition that was announced has media, or with those that have
some by LADDER_WAIT_S; what the multivariant playlist names then is never changed, since
players read it once.

Playlists are rendered when first asked for after a change, not when pushed to: all
events of one `push` after another without an await in between become visible at once. They
are the same for all viewers; only multivariant playlists name the viewer's session.
"""

import gzip
from collections.abc import Awaitable, Callable, Iterator, Sequence

from msgspec import Struct

from headwater.core.segment import (
    MediaEvent,
    Part,
    SegmentFinished,
    SegmentStarted,
    StreamFinished,
    StreamPlan,
)
from headwater.delivery.address import ChannelAddress
from headwater.delivery.admission import Grant
from headwater.delivery.answers import EVERYONE, Audience
from headwater.delivery.paths import MEDIA_PREFIX, PLAYLIST_NAME
from headwater.delivery.playlist import (
    RenditionReport,
    Session,
    Skip,
    Variant,
    media_playlist,
    multivariant_playlist,
)
from headwater.delivery.rates import BitRate
from headwater.delivery.sessions import ViewerSessions
from headwater.delivery.waiting import GaveUp, WaitingRoom
from headwater.delivery.window import Window

LADDER_WAIT_S = 10.0
"""From the first media of any rendition: a transcoder may fail once and start again in it."""

START_WAIT_S = 3.0
"""A viewer who comes while the encoder's first group of pictures comes in sees it as soon as it
is whole. Longer ones are waited for by asking again, as nothing tells that it will end."""


class Announced(Struct, frozen=True, kw_only=True):
    """A rendition that is to come."""

    name: str  # "720p30": what players show and what URLs and groups are called
    on_request: bool = False  # listed only for viewers who ask for such renditions
    automatic: bool = True  # players may pick it by themselves
    target_bps: int = 0  # believed until a segment has been measured; 0: nothing is


class Rendition:
    """One rendition: a window, and what its viewers share."""

    def __init__(
        self,
        announced: Announced,
        plan: StreamPlan,
        *,
        window_ms: int,
        now_s: Callable[[], float],
        folder: str,
    ) -> None:
        self.announced = announced
        self.name = announced.name
        self.plan = plan
        self.window = Window(plan, window_ms=window_ms)
        self.is_independent = plan.independent_segments  # as planned, until one is not
        self.rates = BitRate(plan.target_duration_s, expected_bps=announced.target_bps)
        self.room = WaitingRoom(now_s)
        self._bodies: dict[tuple[Skip | None, bool], bytes] = {}
        self._folder = folder

    @property
    def edge(self) -> int | None:
        """The shorter edge of its pictures; None where it has none."""
        width, height = self.plan.width, self.plan.height
        return None if width is None or height is None else min(width, height)

    def name_media_below(self, folder: str) -> None:
        """From now on, playlists name media in another folder, seen from theirs."""
        self._folder = folder
        self._bodies.clear()

    def push(self, event: MediaEvent) -> None:
        """Take the next event; requests that wait for it are released."""
        self.window.push(event)
        self._bodies.clear()
        match event:
            case Part(gap=False):
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
                text = media_playlist(
                    self.window, skip=skip, reports=reports(), folder=self._folder
                )
                body = text.encode()
            self._bodies[skip, gzipped] = body
        return body


class LiveStream:
    """One run of one channel. The node pushes what packaging makes, then closes it."""

    def __init__(
        self,
        channel: ChannelAddress,
        run_id: str,
        *,
        stream_id: str,
        private: bool,
        window_ms: int,
        now_s: Callable[[], float],
    ) -> None:
        self.channel = channel
        self.run_id = run_id
        self.stream_id = stream_id
        self.private = private
        self.shares_media = not private  # its media is for whoever has the URL
        self.sessions = ViewerSessions(now_s)
        self._window_ms = window_ms
        self._now_s = now_s
        self._announced: dict[str, Announced] = {}
        self._renditions: dict[str, Rendition] = {}  # in the order of announcement
        self._is_settled = False  # which renditions there are: it has gone live
        self._lobby = WaitingRoom(now_s)  # where players wait for that
        self._first_media_s: float | None = None
        self._closed = False
        self._began_s = now_s()
        self._ended_s: float | None = None

    def announce(self, renditions: Sequence[Announced]) -> None:
        """Say, once and before any event, which renditions are to come, best first."""
        self._announced = {each.name: each for each in renditions}

    def push(self, name: str, event: MediaEvent) -> None:
        """Take an event of a rendition that was announced.

        Args:
            name: the rendition's.
            event: in packaging's order, the plan first. After `close` it is ignored, as is
                everything of a rendition that came too late: it has nowhere to go.

        Raises:
            RuntimeError: events out of order (a bug of ours).
        """
        if self._closed or (self._is_settled and name not in self._renditions):
            return
        if isinstance(event, StreamPlan):
            self._add(name, event)
            return
        rendition = self._renditions.get(name)
        if rendition is None:
            if not isinstance(event, StreamFinished):
                raise RuntimeError("a rendition's plan comes first")
            return  # it ended before anything could be played
        rendition.push(event)
        if not self._is_settled:
            self._settle()
        if all(each.window.ended for each in self._renditions.values()):
            self._note_end()

    def close(self) -> None:
        """End the stream, however far it came; calling it again does nothing."""
        self._closed = True
        for rendition in self._renditions.values():
            if not rendition.window.ended:
                rendition.push(StreamFinished())
        self._note_end()

    def is_live(self) -> bool:
        """Whether players can start: there is media of its renditions, and no end."""
        return self._is_settled and self._ended_s is None

    async def start(self, disconnected: Callable[[], Awaitable[None]] | None) -> GaveUp | None:
        """Wait for it to go live, or to end; at most START_WAIT_S."""

        def is_decided() -> bool:
            return self._is_settled or self.has_ended()

        if is_decided():
            return None
        return await self._lobby.wait_until(
            is_decided,
            timeout_s=START_WAIT_S,
            disconnected=disconnected,
            refused=lambda: False,
        )

    def has_ended(self) -> bool:
        """Whether no more media will come."""
        return self._ended_s is not None

    def has_expired(self) -> bool:
        """Whether it ended so long ago that nobody can still be playing its window."""
        windows = [rendition.window for rendition in self._renditions.values()]
        linger_ms = max((window.retention_ms for window in windows), default=0)
        return self._ended_s is not None and self._now_s() - self._ended_s >= linger_ms / 1000

    def rendition(self, name: str) -> Rendition | None:
        """The rendition of that name."""
        return self._renditions.get(name)

    def let_in(self, grant: Grant) -> Audience:
        """Who may see what a viewer with that grant is answered.

        From the first viewer on of whom each request has to be checked, media is only found
        below sessions, for all: other URLs would lead past the check.
        """
        if self.shares_media and (grant.origins or grant.countries):
            self.shares_media = False
            for rendition in self._renditions.values():
                rendition.name_media_below("")
        if self.shares_media and grant.allow_origin == "*":
            return EVERYONE
        return Audience(allow_origin=grant.allow_origin, is_one_viewer=not self.shares_media)

    def is_open_to(self, grant: Grant, rendition: Rendition) -> bool:
        """Whether a viewer may have a rendition: no larger a picture than allowed.

        If all are larger, the smallest is for everyone: who is let in sees something.
        """
        if grant.max_edge is None or rendition.edge is None or rendition.edge <= grant.max_edge:
            return True
        edges = (each.edge for each in self._renditions.values() if each.edge is not None)
        return rendition.edge == min(edges)

    def viewer_count(self) -> int:
        """Concurrent views."""
        return self.sessions.count()

    def waiting_count(self) -> int:
        """Requests that wait on this stream now."""
        rooms = (rendition.room for rendition in self._renditions.values())
        return self._lobby.count + sum(room.count for room in rooms)

    def look(self) -> None:
        """Notice what changes by time alone; to be called about once a second.

        Requests and renditions that were waited for too long are let go of, and so are
        requests of viewers who are refused by now, and sessions.
        """
        self.sessions.expire()
        if not self._is_settled:
            self._settle()
        self._lobby.release_late()
        for rendition in self._renditions.values():
            rendition.room.release_late()

    def multivariant(
        self, now_ms: int, session_id: str, grant: Grant, *, with_all: bool = False
    ) -> bytes:
        """The multivariant playlist at `now_ms` (Unix ms); only while `is_live`.

        Args:
            now_ms: of the answer.
            session_id: of the viewer, in all URLs.
            grant: what the viewer may see.
            with_all: also the renditions that are listed on request.
        """
        folder = f"{MEDIA_PREFIX}{self.run_id}/{session_id}"
        variants = [
            Variant(
                name=rendition.name,
                uri=f"{folder}/{rendition.name}/{PLAYLIST_NAME}",
                plan=rendition.plan,
                peak_bps=rendition.rates.peak_bps(),
                average_bps=rendition.rates.average_bps(),
                independent=rendition.is_independent,
                automatic=rendition.announced.automatic,
            )
            for rendition in self._renditions.values()
            if (with_all or not rendition.announced.on_request)
            and self.is_open_to(grant, rendition)
        ]
        windows = (rendition.window for rendition in self._renditions.values())
        session = Session(
            broadcast_id=self.stream_id,
            session_id=session_id,
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
        for other in self._renditions.values():
            if other is not asking and (last := other.window.last_part()):
                uri = f"../{other.name}/{PLAYLIST_NAME}"
                yield RenditionReport(uri=uri, last_msn=last[0], last_part=last[1])

    def _add(self, name: str, plan: StreamPlan) -> None:
        if not self._renditions:
            self._began_s = self._now_s()
        if name in self._renditions or name not in self._announced:
            raise RuntimeError(f"rendition {name} has a plan already, or was not announced")
        added = Rendition(
            self._announced[name],
            plan,
            window_ms=self._window_ms,
            now_s=self._now_s,
            folder=f"../../{name}/" if self.shares_media else "",
        )
        there = self._renditions | {name: added}
        self._renditions = {each: there[each] for each in self._announced if each in there}

    def _settle(self) -> None:
        """Go live, if there is enough to go live with."""
        ready = {name: each for name, each in self._renditions.items() if each.has_media()}
        if not any(not each.announced.on_request for each in ready.values()):
            return
        if self._first_media_s is None:
            self._first_media_s = self._now_s()
        if (
            len(ready) == len(self._announced)
            or self._now_s() - self._first_media_s >= LADDER_WAIT_S
        ):
            self._is_settled = True
            self._renditions = ready
            self._lobby.wake_all()

    def _note_end(self) -> None:
        if self._ended_s is None:
            self._ended_s = self._now_s()
            self._lobby.wake_all()


def compress(body: bytes) -> bytes:
    """Gzip, the same bytes for the same text."""
    return gzip.compress(body, mtime=0)
