"""Playback over HTTP: which path is what, who is asked about the viewer, and what it counts.

    /api/video/v1/<region>.<account>.channel.<channel id>.m3u8   multivariant playlist, which
        begins a viewer session; ?allow_audio_only=true names the rendition without pictures too
    /v1/<run id>/...                                             what `delivery.paths` reads

Viewers of public streams are given media's paths for all viewers, which a CDN can keep for all
of them; where each request has to be checked, there are only those for one.

Source: RFC 8216; the first path, the sessions and the errors are IVS's.
"""

from collections.abc import Callable
from http import HTTPStatus
from urllib.parse import parse_qsl

from headwater.core import ids
from headwater.core.http import Request, Response
from headwater.delivery import answers, media
from headwater.delivery.address import PLAYBACK_PREFIX, ChannelAddress, playback_path
from headwater.delivery.admission import Admission, Denied
from headwater.delivery.blocking import MAX_QUERY_FIELDS
from headwater.delivery.media import UNKNOWN_MAX_AGE_S, Asked
from headwater.delivery.paths import MEDIA_PREFIX, read_path
from headwater.delivery.quota import ViewQuota
from headwater.delivery.sessions import ViewerSession
from headwater.delivery.stream import LiveStream, compress
from headwater.delivery.waiting import GaveUp
from headwater.delivery.window import DEFAULT_WINDOW_MS

_NOT_LIVE = Denied(
    status=HTTPStatus.NOT_FOUND,
    code="transcode_does_not_exist",
    text="the channel is not live",
)
_NO_SESSION = Denied(
    status=HTTPStatus.FORBIDDEN,
    code="viewer_session_does_not_exist",
    text="this stream is for viewers who were let in: fetch the multivariant playlist first",
)
_TOO_LARGE = Denied(
    status=HTTPStatus.FORBIDDEN,
    code="resolution_not_allowed",
    text="this viewer may not watch so large a picture",
)
_FULL = Denied(
    status=HTTPStatus.TOO_MANY_REQUESTS,
    code="concurrent_viewers_exceeded",
    text="as many viewers as the quota allows are watching",
)


class Delivery:
    """All live streams of this process, and the answers to their viewers.

    Nothing is kept for what does not exist, whatever is asked for.
    """

    def __init__(
        self,
        now_s: Callable[[], float],
        *,
        now_ms: Callable[[], int],
        random_bytes: ids.RandomBytes,
        quota: ViewQuota,
        admission: Admission,
        window_ms: int = DEFAULT_WINDOW_MS,
    ) -> None:
        """Without any stream.

        Args:
            now_s: a monotonic clock.
            now_ms: the wall clock, Unix ms.
            random_bytes: where viewer sessions' ids come from.
            quota: how many may watch; more are answered with 429.
            admission: who may.
            window_ms: media that playlists list at least, once there is as much.
        """
        self._now_s = now_s
        self._now_ms = now_ms
        self._random_bytes = random_bytes
        self._quota = quota
        self._admission = admission
        self._window_ms = window_ms
        self._channels: dict[str, LiveStream] = {}  # by playback path
        self._runs: dict[str, LiveStream] = {}  # ended ones too, until they expire

    def open(
        self,
        channel: ChannelAddress,
        run_id: str,
        *,
        stream_id: str,
        private: bool = False,
    ) -> LiveStream:
        """Begin a run of a channel; an earlier one that is still open is closed.

        Args:
            channel: whose playback path it serves from now on.
            run_id: random, never used before.
            stream_id: what the API calls the stream.
            private: its media is only for viewers who have been let in.
        """
        if run_id in self._runs:
            raise RuntimeError("a run id is used once")
        path = playback_path(channel)
        if before := self._channels.get(path):
            before.close()
        stream = LiveStream(
            channel,
            run_id,
            stream_id=stream_id,
            private=private,
            window_ms=self._window_ms,
            now_s=self._now_s,
        )
        self._channels[path] = self._runs[run_id] = stream
        return stream

    def expire(self) -> None:
        """Forget what ended long ago and release requests that waited too long.

        Call it about once a second: it is delivery's only timer.
        """
        for path, stream in list(self._channels.items()):
            if stream.has_ended():
                del self._channels[path]
        for run_id, stream in list(self._runs.items()):
            stream.look()
            if stream.has_expired():
                del self._runs[run_id]

    async def respond(self, request: Request) -> Response | None:
        """Answer a request, maybe after waiting; None when the path is not delivery's."""
        if not request.path.startswith((PLAYBACK_PREFIX, MEDIA_PREFIX)):
            return None
        if request.method == "OPTIONS":
            return answers.preflight()
        if request.method not in answers.METHODS:
            return answers.method_not_allowed(request)
        if request.path.startswith(PLAYBACK_PREFIX):
            response = await self._multivariant(request)
        else:
            response = await self._below_run(request)
        return answers.without_body(response) if request.method == "HEAD" else response

    async def _multivariant(self, request: Request) -> Response:
        stream = self._channels.get(request.path)
        if stream and await stream.start(request.disconnected) is GaveUp.LEFT:
            return answers.client_left()
        if stream is None or not stream.is_live():
            return answers.denied(request, _NOT_LIVE, max_age_s=UNKNOWN_MAX_AGE_S)
        grant = await self._admission.admit(
            request, stream.channel, closed=lambda: self._closed(stream)
        )
        if isinstance(grant, Denied):
            return answers.denied(request, grant)
        if not stream.is_live():  # any more
            return answers.denied(request, _NOT_LIVE)
        session_id, audience = ids.viewer_session_id(self._random_bytes), stream.let_in(grant)
        if request.method != "HEAD":
            stream.sessions.begin(session_id, grant, audience, request.client_address)
        with_all = _allows_audio_only(request.query)
        body = stream.multivariant(self._now_ms(), session_id, grant, with_all=with_all)
        gzipped = answers.accepts_gzip(request)
        # A cached copy's SERVER-TIME would set players' clocks wrong by its age, and its session
        # would be that of another viewer.
        return answers.playlist(
            compress(body) if gzipped else body,
            gzipped=gzipped,
            max_age_s=None,
            audience=audience,
        )

    def _closed(self, stream: LiveStream) -> Denied | None:
        """Why nobody is let in to it now."""
        if not stream.is_live():
            return _NOT_LIVE
        return _FULL if self._is_full(stream) else None

    def _is_full(self, stream: LiveStream) -> bool:
        """Whether one more viewer of it would be too many."""
        live = self._channels.values()
        return stream.sessions.is_full() or self._quota.refuses(stream.channel, live)

    async def _below_run(self, request: Request) -> Response:
        path = read_path(request.path)
        stream = self._runs.get(path.run_id) if path else None
        if path is None or stream is None:
            return media.not_found(request)
        session = stream.sessions.get(path.session_id) if path.session_id is not None else None
        if session is None and not stream.shares_media:
            return answers.denied(request, _NO_SESSION)
        rendition = stream.rendition(path.rendition)
        is_shared = path.session_id is None and path.file.kind != "playlist"
        if rendition is None or (session is None and not is_shared):
            return media.not_found(request)
        asked = Asked(request, stream, rendition, session, self._admission)
        if session is not None:
            if denied := self._denied(asked, session):
                return answers.denied(request, denied)
            if request.method != "HEAD":
                stream.sessions.saw(session)
        return await media.answer(asked, path.file)

    def _denied(self, asked: Asked, session: ViewerSession) -> Denied | None:
        """Why a session may not have what it asks for."""
        stream = asked.stream
        if asked.request.client_address != session.address:
            session.moved(asked.request.client_address, self._now_s())
        if denied := asked.denied():
            return denied
        grant = session.grant
        if grant.max_edge is not None and not stream.is_open_to(grant, asked.rendition):
            return _TOO_LARGE
        if not session.is_watching and self._is_full(stream):
            return _FULL
        return None


def _allows_audio_only(query: str) -> bool:
    try:
        fields = parse_qsl(query, max_num_fields=MAX_QUERY_FIELDS)
    except ValueError:  # too many: none of ours
        return False
    return ("allow_audio_only", "true") in fields
