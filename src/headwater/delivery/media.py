"""Answers below a run: the playlists and the media of one rendition, maybe after waiting.

Whether the viewer may have it is asked before, and again when the answer was waited for.

Source: RFC 8216, draft-pantos-hls-rfc8216bis §6.2.5 (blocking) and Apple's cache times for
low-latency HLS; segments that playlists name before they are complete are answered while they
are made, as IVS does. A run id is random, so one URL means the same bytes for ever.
"""

import math
from collections.abc import AsyncGenerator, Callable, Coroutine
from http import HTTPStatus
from typing import Any

from msgspec import Struct

from headwater.core.errors import PeerError
from headwater.core.http import Request, Response
from headwater.delivery import answers
from headwater.delivery.admission import Admission, Denied
from headwater.delivery.blocking import Directives, Verdict, decide, parse_directives
from headwater.delivery.paths import File
from headwater.delivery.playlist import extension
from headwater.delivery.sessions import ViewerSession
from headwater.delivery.stream import LiveStream, Rendition
from headwater.delivery.waiting import GaveUp, Place
from headwater.delivery.window import SegmentRow

BLOCK_TARGET_DURATIONS = 3  # rfc8216bis §6.2.5.2: then 503
BLOCKING_MAX_AGE_TARGET_DURATIONS = 6
BLOCKING_ERROR_MAX_AGE_TARGET_DURATIONS = 4
UNKNOWN_MAX_AGE_S = 1
"""Shields the server from polling; a channel that goes live is seen a second later."""

_SHARED = Denied(
    status=HTTPStatus.FORBIDDEN,
    code="viewer_session_is_shared",
    text="too many clients have used this viewer session: it is over",
)


class Asked(Struct, frozen=True):
    """A request for something of a rendition."""

    request: Request
    stream: LiveStream
    rendition: Rendition
    session: ViewerSession | None  # None: media that all viewers share
    admission: Admission

    def denied(self) -> Denied | None:
        """Why the viewer may not have it, or not any more."""
        session = self.session
        if session is None:
            return None
        if session.is_over:
            return _SHARED
        return self.admission.denies(self.request, self.stream.channel, session.grant)

    def is_refused(self) -> bool:
        """Whether there is a reason."""
        return self.denied() is not None

    @property
    def audience(self) -> answers.Audience:
        """Who may see the answer."""
        return self.session.audience if self.session else answers.EVERYONE


def answer(asked: Asked, file: File) -> Coroutine[Any, Any, Response]:
    """What is answered for a file, to a viewer who may have it."""
    if file.kind == "playlist":
        return _playlist(asked)
    if file.kind == "init":
        return _init(asked, file.number)
    if file.kind == "unknown" or file.extension != extension(asked.rendition.plan):
        return _missing(asked)
    if file.kind == "segment":
        return _segment(asked, file.number)
    return _part(asked, file.number, file.index)


async def _missing(asked: Asked) -> Response:
    return not_found(asked.request, asked.rendition.plan.target_duration_s)


async def _init(asked: Asked, number: int) -> Response:
    return _media(asked, asked.rendition.window.init_payload(number), answers.INIT_TYPE)


async def _playlist(asked: Asked) -> Response:
    """The rendition's playlist, when it has what the request asks for."""
    request, rendition = asked.request, asked.rendition
    window, target_duration_s = rendition.window, rendition.plan.target_duration_s
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
        gave_up = await _wait(asked, lambda: decide(window, directives) is not Verdict.WAIT)
        if gave_up is not None:
            return _gave_up(asked, gave_up, blocking=blocking)
    gzipped = answers.accepts_gzip(request)
    if blocking:
        max_age_s = BLOCKING_MAX_AGE_TARGET_DURATIONS * target_duration_s
    else:
        max_age_s = target_duration_s // 2
    body = asked.stream.media_playlist(rendition, skip=directives.skip, gzipped=gzipped)
    return answers.playlist(
        body,
        gzipped=gzipped,
        max_age_s=max_age_s,
        audience=asked.audience,
        is_blocking=blocking,
    )


async def _segment(asked: Asked, msn: int) -> Response:
    """A segment: complete, or as it is made; one that is named ahead is waited for."""
    request, rendition, window = asked.request, asked.rendition, asked.rendition.window

    def is_decided() -> bool:
        return msn not in window.prefetched() or window.growing_segment(msn) is not None

    if not is_decided() and (gave_up := await _wait(asked, is_decided)):
        return _gave_up(asked, gave_up, blocking=False)
    segment = window.growing_segment(msn)
    if segment is not None and rendition.room.is_full():
        return _gave_up(asked, GaveUp.CROWDED, blocking=False)
    if window.never_came(msn):
        return _never_came(request)
    if segment is None:
        return _kept_media(asked, msn, window.segment_payload(msn))
    return answers.growing_media(
        None if request.method == "HEAD" else _follow(asked, segment),
        content_type=answers.MEDIA_TYPES[extension(rendition.plan)],
        etag=_etag(asked.stream),
        audience=asked.audience,
    )


async def _follow(asked: Asked, segment: SegmentRow) -> AsyncGenerator[bytes, None]:
    """The parts of a segment, those there at once and the others as they come.

    Without a timeout: the segment ends at the latest with the stream, and ending earlier
    would pass for its end. Only a viewer who is refused from now on gets no more.
    """
    room, sent = asked.rendition.room, 0

    def has_news() -> bool:
        return sent < len(segment.parts) or segment.duration_ms is not None

    with Place(room, asked.request.disconnected, asked.is_refused) as place:
        while has_news() or await place.until(has_news, timeout_s=math.inf) is None:
            if sent == len(segment.parts) or asked.is_refused():
                return
            yield segment.part_payload(sent) or b""
            sent += 1


async def _part(asked: Asked, msn: int, index: int) -> Response:
    """A part of a segment; the one that the playlist hints at is waited for."""
    window = asked.rendition.window
    if window.is_hinted(msn, index):
        gave_up = await _wait(asked, lambda: not window.is_hinted(msn, index))
        if gave_up is not None:
            return _gave_up(asked, gave_up, blocking=False)
    return _kept_media(asked, msn, window.part_payload(msn, index))


def _wait(asked: Asked, ready: Callable[[], bool]) -> Coroutine[Any, Any, GaveUp | None]:
    return asked.rendition.room.wait_until(
        ready,
        timeout_s=BLOCK_TARGET_DURATIONS * asked.rendition.plan.target_duration_s,
        disconnected=asked.request.disconnected,
        refused=asked.is_refused,
    )


def _kept_media(asked: Asked, msn: int, body: bytes | None) -> Response:
    plan = asked.rendition.plan
    if body is None and asked.rendition.window.is_forgotten(msn):
        return _expired(asked.request, plan.target_duration_s)
    return _media(asked, body, answers.MEDIA_TYPES[extension(plan)])


def _media(asked: Asked, body: bytes | None, content_type: str) -> Response:
    if body is None:
        return not_found(asked.request, asked.rendition.plan.target_duration_s)
    return answers.media(
        asked.request,
        body,
        content_type=content_type,
        etag=_etag(asked.stream),
        audience=asked.audience,
    )


def _etag(stream: LiveStream) -> str:
    """The run id is tag enough: within a run, a URL's bytes never change."""
    return f'"{stream.run_id}"'


def _gave_up(asked: Asked, reason: GaveUp, *, blocking: bool) -> Response:
    request = asked.request
    if reason is GaveUp.LEFT:
        return answers.client_left()
    if reason is GaveUp.REFUSED and (denied := asked.denied()):
        return answers.denied(request, denied)
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
        max_age_s=target_durations * asked.rendition.plan.target_duration_s,
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


def not_found(request: Request, max_age_s: int = UNKNOWN_MAX_AGE_S) -> Response:
    """There is no such thing below any run."""
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
