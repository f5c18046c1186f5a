"""Playback over HTTP: which path is what, and how long it may be cached.

    /api/video/v1/<region>.<account>.channel.<channel id>.m3u8   multivariant playlist;
        ?allow_audio_only=true names the rendition without pictures too
    /v1/<run id>/<rendition>/playlist.m3u8                       media playlist
    /v1/<run id>/<rendition>/init-<n>.mp4                        init segment
    /v1/<run id>/<rendition>/<segment>.ts|.m4s                   segment
    /v1/<run id>/<rendition>/<segment>.<part>.ts|.m4s            part

Source: RFC 8216, draft-pantos-hls-rfc8216bis §6.2.5 (blocking) and Apple's cache times for
low-latency HLS; the first path and the errors are IVS's, as are the segments that playlists
name before they are complete, which are answered while they are made. A run id is random, so
one URL means the same bytes for ever.
"""

import math
import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from http import HTTPStatus
from urllib.parse import parse_qsl

from msgspec import Struct

from headwater.core.errors import PeerError
from headwater.core.http import Request, Response
from headwater.delivery import answers
from headwater.delivery.blocking import (
    MAX_QUERY_FIELDS,
    Directives,
    Verdict,
    decide,
    parse_directives,
)
from headwater.delivery.playlist import extension
from headwater.delivery.stream import (
    MEDIA_PREFIX,
    PLAYLIST_NAME,
    LiveStream,
    Rendition,
    compress,
)
from headwater.delivery.viewers import MAX_VIEWERS_COUNTED
from headwater.delivery.waiting import GaveUp, Place
from headwater.delivery.window import DEFAULT_WINDOW_MS, SegmentRow

PLAYBACK_PREFIX = "/api/video/v1/"

BLOCK_TARGET_DURATIONS = 3  # rfc8216bis §6.2.5.2: then 503
BLOCKING_MAX_AGE_TARGET_DURATIONS = 6
BLOCKING_ERROR_MAX_AGE_TARGET_DURATIONS = 4
UNKNOWN_MAX_AGE_S = 1
"""Shields the server from polling; a channel that goes live is seen a second later."""

_MAX_PATH_LENGTH = 300  # ours are below 150: longer ones are not worth a look
_NUMBER = "(0|[1-9][0-9]{0,14})"
_INIT = re.compile(rf"init-{_NUMBER}\.mp4")
_MEDIA = re.compile(rf"{_NUMBER}(?:\.{_NUMBER})?\.(ts|m4s)")


class ChannelAddress(Struct, frozen=True):
    """What identifies a channel in playback URLs."""

    region: str
    account: str
    channel_id: str


def playback_path(address: ChannelAddress) -> str:
    """The path of a channel's multivariant playlist."""
    channel = f"{address.region}.{address.account}.channel.{address.channel_id}"
    return f"{PLAYBACK_PREFIX}{channel}.m3u8"


class Delivery:
    """All live streams of this process, and the answers to their viewers.

    Nothing is kept for what does not exist, whatever is asked for.
    """

    def __init__(
        self,
        now_s: Callable[[], float],
        *,
        now_ms: Callable[[], int],
        window_ms: int = DEFAULT_WINDOW_MS,
        concurrent_views: int = MAX_VIEWERS_COUNTED,
    ) -> None:
        """Without any stream.

        Args:
            now_s: a monotonic clock.
            now_ms: the wall clock, Unix ms.
            window_ms: media that playlists list at least, once there is as much.
            concurrent_views: viewers of all streams of an account and region together;
                more are answered with 429.
        """
        self._now_s = now_s
        self._now_ms = now_ms
        self._window_ms = window_ms
        self._concurrent_views = concurrent_views
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
            private: viewers need a token; none is known yet, so all are refused.
        """
        if run_id in self._runs:
            raise RuntimeError("a run id is used once")
        path = playback_path(channel)
        if before := self._channels.get(path):
            before.close()
        stream = LiveStream(
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
            stream.release_late()
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
            response = self._multivariant(request)
        else:
            response = await self._below_run(request)
        return answers.without_body(response) if request.method == "HEAD" else response

    def _multivariant(self, request: Request) -> Response:
        stream = self._channels.get(request.path)
        if stream is None or not stream.is_live():
            return answers.error(
                request,
                HTTPStatus.NOT_FOUND,
                code="transcode_does_not_exist",
                text="the channel is not live",
                max_age_s=UNKNOWN_MAX_AGE_S,
            )
        if stream.private:
            return answers.error(
                request,
                HTTPStatus.FORBIDDEN,
                code="invalid_playback_auth_token",
                text="the channel is private, and this server does not take tokens yet",
                max_age_s=None,
            )
        if self._is_full(request, stream):
            return answers.error(
                request,
                HTTPStatus.TOO_MANY_REQUESTS,
                code="concurrent_viewers_exceeded",
                text="as many viewers as the quota allows are watching",
                max_age_s=None,
            )
        gzipped = answers.accepts_gzip(request)
        with_all = _allows_audio_only(request.query)
        body = stream.multivariant(self._now_ms(), with_all=with_all)
        # A cached copy's SERVER-TIME would set players' clocks wrong by its age.
        return answers.playlist(
            compress(body) if gzipped else body, gzipped=gzipped, max_age_s=None
        )

    def _is_full(self, request: Request, stream: LiveStream) -> bool:
        """Whether one more viewer would be too many for the account and region."""
        scope, _, _ = request.path.partition(".channel.")
        streams = [one for path, one in self._channels.items() if path.startswith(f"{scope}.")]
        if sum(one.viewer_count() for one in streams) < self._concurrent_views:
            return False
        return not stream.viewers.knows(*_client(request))

    async def _below_run(self, request: Request) -> Response:
        path = request.path.removeprefix(MEDIA_PREFIX)
        run_id, _, rest = path[:_MAX_PATH_LENGTH].partition("/")
        name, _, file = rest.partition("/")
        stream = self._runs.get(run_id)
        rendition = stream.rendition(name) if stream and len(path) <= _MAX_PATH_LENGTH else None
        if stream is None or rendition is None:
            return _not_found(request, UNKNOWN_MAX_AGE_S)
        if file == PLAYLIST_NAME:
            return await _playlist(request, stream, rendition)
        if match := _INIT.fullmatch(file):
            body = rendition.window.init_payload(int(match[1]))
            return _media(request, stream, rendition, body, answers.INIT_TYPE)
        match = _MEDIA.fullmatch(file)
        if match is None or match[3] != extension(rendition.plan):
            return _not_found(request, rendition.plan.target_duration_s)
        if match[2] is None:
            return await _segment(request, stream, rendition, int(match[1]))
        return await _part(request, stream, rendition, int(match[1]), int(match[2]))


def _client(request: Request) -> tuple[str, str]:
    return request.client_address, request.header("user-agent") or ""


def _allows_audio_only(query: str) -> bool:
    try:
        fields = parse_qsl(query, max_num_fields=MAX_QUERY_FIELDS)
    except ValueError:  # too many: none of ours
        return False
    return ("allow_audio_only", "true") in fields


async def _playlist(request: Request, stream: LiveStream, rendition: Rendition) -> Response:
    window, target_duration_s = rendition.window, rendition.plan.target_duration_s
    stream.viewers.saw(*_client(request))
    directives = Directives()
    if not window.ended:
        try:
            directives = parse_directives(request.query)
        except PeerError as refusal:
            return _bad_request(
                request, str(refusal), BLOCKING_ERROR_MAX_AGE_TARGET_DURATIONS * target_duration_s
            )
    blocking = directives.msn is not None
    verdict = decide(window, directives)
    if verdict is Verdict.TOO_FAR:
        # Not cached: what is too far ahead now is asked for rightly a little later.
        msn, index = window.next_part()
        return _bad_request(request, f"part {index} of segment {msn} is not there yet", None)
    if verdict is Verdict.WAIT:
        gave_up = await rendition.room.wait_until(
            lambda: decide(window, directives) is not Verdict.WAIT,
            timeout_s=BLOCK_TARGET_DURATIONS * target_duration_s,
            disconnected=request.disconnected,
        )
        if gave_up is not None:
            return _gave_up(request, gave_up, rendition, blocking=blocking)
    gzipped = answers.accepts_gzip(request)
    if blocking:
        max_age_s = BLOCKING_MAX_AGE_TARGET_DURATIONS * target_duration_s
    else:
        max_age_s = target_duration_s // 2
    body = stream.media_playlist(rendition, skip=directives.skip, gzipped=gzipped)
    return answers.playlist(body, gzipped=gzipped, max_age_s=max_age_s, shared_only=blocking)


async def _segment(
    request: Request, stream: LiveStream, rendition: Rendition, msn: int
) -> Response:
    """A segment: complete, or as it is made; one that is named ahead is waited for."""
    window = rendition.window
    gave_up = await rendition.room.wait_until(
        lambda: msn not in window.prefetched() or window.growing_segment(msn) is not None,
        timeout_s=BLOCK_TARGET_DURATIONS * rendition.plan.target_duration_s,
        disconnected=request.disconnected,
    )
    segment = window.growing_segment(msn)
    if gave_up is None and segment is not None and rendition.room.is_full():
        gave_up = GaveUp.CROWDED
    if gave_up is not None:
        return _gave_up(request, gave_up, rendition, blocking=False)
    if window.never_came(msn):
        return _never_came(request)
    if segment is None:
        return _kept_media(request, stream, rendition, msn, window.segment_payload(msn))
    return answers.growing_media(
        None if request.method == "HEAD" else _follow(rendition, segment, request.disconnected),
        content_type=answers.MEDIA_TYPES[extension(rendition.plan)],
        etag=_etag(stream),
    )


async def _follow(
    rendition: Rendition, segment: SegmentRow, disconnected: Callable[[], Awaitable[None]] | None
) -> AsyncGenerator[bytes, None]:
    """The parts of a segment, those there at once and the others as they come.

    Without a timeout: the segment ends at the latest with the stream, and ending earlier
    would pass for its end.
    """
    sent = 0

    def has_news() -> bool:
        return sent < len(segment.parts) or segment.duration_ms is not None

    with Place(rendition.room, disconnected) as place:
        while has_news() or await place.until(has_news, timeout_s=math.inf) is None:
            if sent == len(segment.parts):
                return
            yield segment.part_payload(sent) or b""
            sent += 1


async def _part(
    request: Request, stream: LiveStream, rendition: Rendition, msn: int, index: int
) -> Response:
    """A part of a segment; the one that the playlist hints at is waited for."""
    window = rendition.window
    gave_up = await rendition.room.wait_until(
        lambda: not window.is_hinted(msn, index),
        timeout_s=BLOCK_TARGET_DURATIONS * rendition.plan.target_duration_s,
        disconnected=request.disconnected,
    )
    if gave_up is not None:
        return _gave_up(request, gave_up, rendition, blocking=False)
    return _kept_media(request, stream, rendition, msn, window.part_payload(msn, index))


def _kept_media(
    request: Request, stream: LiveStream, rendition: Rendition, msn: int, body: bytes | None
) -> Response:
    if body is None and rendition.window.is_forgotten(msn):
        return _expired(request, rendition.plan.target_duration_s)
    content_type = answers.MEDIA_TYPES[extension(rendition.plan)]
    return _media(request, stream, rendition, body, content_type)


def _media(
    request: Request,
    stream: LiveStream,
    rendition: Rendition,
    body: bytes | None,
    content_type: str,
) -> Response:
    if body is None:
        return _not_found(request, rendition.plan.target_duration_s)
    return answers.media(request, body, content_type=content_type, etag=_etag(stream))


def _etag(stream: LiveStream) -> str:
    """The run id is tag enough: within a run, a URL's bytes never change."""
    return f'"{stream.run_id}"'


def _gave_up(request: Request, reason: GaveUp, rendition: Rendition, *, blocking: bool) -> Response:
    if reason is GaveUp.LEFT:
        return answers.client_left()
    if reason is GaveUp.CROWDED:
        return answers.error(
            request,
            HTTPStatus.TOO_MANY_REQUESTS,
            code="too_many_waiting_requests",
            text="too many requests wait on this rendition",
            max_age_s=None,
            headers=(("retry-after", "1"),),
        )
    target_durations = BLOCKING_ERROR_MAX_AGE_TARGET_DURATIONS if blocking else 1
    return answers.error(
        request,
        HTTPStatus.SERVICE_UNAVAILABLE,
        code="media_is_late",
        text="the encoder has sent nothing new for too long",
        max_age_s=target_durations * rendition.plan.target_duration_s,
    )


def _never_came(request: Request) -> Response:
    # Seen on the IVS player: after a 404 it stops with an error; after a 503 it looks at the
    # playlist again, finds the end there and plays up to it.
    return answers.error(
        request,
        HTTPStatus.SERVICE_UNAVAILABLE,
        code="stream_has_ended",
        text="the stream ended before this segment",
        max_age_s=UNKNOWN_MAX_AGE_S,
    )


def _bad_request(request: Request, text: str, max_age_s: int | None) -> Response:
    return answers.error(
        request,
        HTTPStatus.BAD_REQUEST,
        code="invalid_delivery_directive",
        text=text,
        max_age_s=max_age_s,
    )


def _not_found(request: Request, max_age_s: int) -> Response:
    return answers.error(
        request,
        HTTPStatus.NOT_FOUND,
        code="media_does_not_exist",
        text="there is no such media",
        max_age_s=max_age_s,
    )


def _expired(request: Request, max_age_s: int) -> Response:
    return answers.error(
        request,
        HTTPStatus.NOT_FOUND,
        code="media_has_expired",
        text="this media has left the live window",
        max_age_s=max_age_s,
    )
