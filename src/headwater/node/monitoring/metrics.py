"""Prometheus metrics: how streams and the server do, for whoever may know.

Names are those of IVS's CloudWatch metrics, with units. Only streams that are on have series
of their own (label `channel`), so there are never more than there may be streams; a counter
begins anew with each stream, which `rate` and `increase` know how to read.

Who may read is decided by a bearer token. Without one set, only this machine itself may, and
no proxy on it: what a proxy passes on comes from anywhere.
Source: Prometheus, "Exposition formats", "Writing client libraries".
"""

import ipaddress
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from hmac import compare_digest
from http import HTTPStatus
from typing import Protocol

from prometheus_client import CollectorRegistry, Metric, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

from headwater.core.http import Request, Response
from headwater.core.secret import Secret
from headwater.media.measure import Reading
from headwater.node.monitoring.series import CODES, SeriesLog, Stream
from headwater.node.recording.recorder import Recorder
from headwater.node.streams.capacity import Capacity
from headwater.node.streams.transcoder import Transcoding

PATH = "/metrics"
LAG_S = 60
"""Seconds that the event loop's longest lag is shown for: more than between two scrapes."""
OPENMETRICS = "application/openmetrics-text"
FORWARDED = frozenset({"forwarded", "via", "x-forwarded-for", "x-real-ip"})
"""Headers that proxies add."""


class Shown(Stream, Protocol):
    """What is asked of a broadcast."""

    def waiting_count(self) -> int:
        """Requests that wait for what comes next."""

    def transcoding(self) -> Transcoding | None:
        """How its transcoder does; None where there is none, or nothing is known yet."""


class Live(Protocol):
    """Where the broadcasts are."""

    def broadcasts(self) -> Sequence[Shown]:
        """All, connected or live."""


class Lag:
    """How late the event loop was, at most, in the last seconds."""

    def __init__(self) -> None:
        self._late_s: deque[float] = deque(maxlen=LAG_S)

    def note(self, late_s: float) -> None:
        """By how much something came too late; once a second."""
        self._late_s.append(max(0.0, late_s))

    @property
    def longest_s(self) -> float:
        """Of the last LAG_S."""
        return max(self._late_s, default=0.0)


class Metrics(Collector):
    """Everything there is to say, made when it is asked for; and the page that says it."""

    def __init__(
        self,
        live: Live,
        series: SeriesLog,
        capacity: Capacity,
        lag: Lag,
        token: Secret,
        *,
        recorder: Recorder | None = None,
    ) -> None:
        """Nothing is measured here.

        Args:
            live: the streams that are on.
            series: what they were like.
            capacity: of the transcoders.
            lag: of the event loop.
            token: of those who may read; empty: this machine may.
            recorder: of the streams that are recorded.
        """
        self._recorder = recorder
        self._live = live
        self._series = series
        self._capacity = capacity
        self._lag = lag
        self._token = token
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def respond(self, request: Request) -> Response | None:
        """The page; None for every other path."""
        if request.path != PATH:
            return None
        if request.method not in {"GET", "HEAD"}:
            return Response(
                status=HTTPStatus.METHOD_NOT_ALLOWED.value, headers=[("Allow", "GET, HEAD")]
            )
        if self._token.reveal():
            if not _has_token(request, self._token):
                return Response(
                    status=HTTPStatus.UNAUTHORIZED.value,
                    headers=[("WWW-Authenticate", 'Bearer realm="metrics"')],
                )
        elif not _is_local(request):
            return Response(
                status=HTTPStatus.FORBIDDEN.value,
                headers=[("Content-Type", "text/plain")],
                body=b"Metrics are for this machine only until metrics.secret_token is set.\n",
            )
        return self._page(request)

    def collect(self) -> Iterable[Metric]:
        """For prometheus_client."""
        broadcasts = self._live.broadcasts()
        yield from _of_streams(broadcasts)
        yield from _of_ingest(broadcasts)
        yield from self._of_series(broadcasts)
        yield from self._of_server(broadcasts)
        if self._recorder is not None:
            yield from _of_recordings(self._recorder)

    def _page(self, request: Request) -> Response:
        if OPENMETRICS in (request.header("accept") or ""):
            content_type, body = (
                openmetrics.CONTENT_TYPE_LATEST,
                openmetrics.generate_latest(self._registry),  # type: ignore[no-untyped-call]
            )
        else:
            content_type, body = CONTENT_TYPE_PLAIN_0_0_4, generate_latest(self._registry)
        return Response(
            status=HTTPStatus.OK.value,
            headers=[("Content-Type", content_type), ("Cache-Control", "no-store")],
            body=b"" if request.method == "HEAD" else body,
        )

    def _of_series(self, broadcasts: Sequence[Shown]) -> Iterator[Metric]:
        found = [
            (each.channel.id, series)
            for each in broadcasts
            if (series := self._series.of(each.stream_id)) is not None
        ]
        yield _counter(
            "ivs_live_input_seconds",
            "Time that the stream has been live.",
            ((channel, series.live_s) for channel, series in found),
        )
        yield _counter(
            "ivs_live_delivered_seconds",
            "Time that its viewers have watched, all together.",
            ((channel, series.delivered_s) for channel, series in found),
        )
        yield _counter(
            "ivs_recorded_seconds",
            "Time of it that was recorded.",
            ((channel, series.recorded_s) for channel, series in found),
        )

    def _of_server(self, broadcasts: Sequence[Shown]) -> Iterator[Metric]:
        figures = (
            (
                "headwater_waiting_requests",
                "Requests of viewers that wait for what comes next.",
                sum(each.waiting_count() for each in broadcasts),
            ),
            (
                "headwater_transcoders",
                "Processes that encode renditions.",
                sum(each.transcoding() is not None for each in broadcasts),
            ),
            (
                "headwater_transcode_units_used",
                "Taken of the transcoding capacity; 1 is 1280x720 at 30 frames a second.",
                self._capacity.used,
            ),
            (
                "headwater_transcode_units",
                "The transcoding capacity, once it is known.",
                self._capacity.units,
            ),
            (
                "headwater_event_loop_lag_seconds",
                f"The longest that the event loop came late in the last {LAG_S} s.",
                self._lag.longest_s,
            ),
        )
        for name, help_text, value in figures:
            if value is not None:
                yield GaugeMetricFamily(name, help_text, value=value)


def _of_recordings(recorder: Recorder) -> Iterator[Metric]:
    figures = recorder.figures
    yield GaugeMetricFamily(
        "headwater_spool_bytes",
        "Recorded media on the local disk that is not stored yet.",
        value=recorder.budget.used_bytes,
    )
    for name, help_text, value in (
        (
            "headwater_recorded_objects",
            "Segments, init segments and thumbnails stored.",
            figures.stored,
        ),
        ("headwater_recorded_bytes", "Their bytes.", figures.stored_bytes),
        ("headwater_recording_failures", "Tries to store something that failed.", figures.failures),
    ):
        yield CounterMetricFamily(name, help_text, value=value)


def _of_streams(broadcasts: Iterable[Shown]) -> Iterator[Metric]:
    live = [each for each in broadcasts if each.is_live]
    healths = [each.health() for each in live]
    by_health = GaugeMetricFamily(
        "ivs_concurrent_streams", "Streams that are live, by their health.", labels=["health"]
    )
    for health in CODES:
        by_health.add_metric([health], sum(each == health for each in healths))
    yield by_health
    yield _gauge(
        "ivs_concurrent_views",
        "Viewers watching.",
        ((each.channel.id, each.viewer_count()) for each in live),
    )


def _of_ingest(broadcasts: Iterable[Shown]) -> Iterator[Metric]:
    video: list[tuple[str, Reading]] = []
    audio: list[tuple[str, Reading]] = []
    for each in broadcasts:
        measured = each.measured()
        video += [(each.channel.id, measured["video"])] if "video" in measured else []
        audio += [(each.channel.id, measured["audio"])] if "audio" in measured else []
    yield _gauge(
        "ivs_ingest_video_bitrate_bps",
        "Bits of pictures that arrived, a second.",
        ((channel, reading.bitrate_bps) for channel, reading in video),
    )
    yield _gauge(
        "ivs_ingest_audio_bitrate_bps",
        "Bits of sound that arrived, a second.",
        ((channel, reading.bitrate_bps) for channel, reading in audio),
    )
    yield _gauge(
        "ivs_ingest_framerate",
        "Pictures that arrived, a second.",
        ((channel, reading.frame_rate) for channel, reading in video),
    )
    yield _gauge(
        "ivs_keyframe_interval_seconds",
        "Between the two latest key frames.",
        (
            (channel, reading.keyframe_interval_ms / 1000)
            for channel, reading in video
            if reading.keyframe_interval_ms is not None
        ),
    )


def _gauge(name: str, help_text: str, values: Iterable[tuple[str, float]]) -> Metric:
    family = GaugeMetricFamily(name, help_text, labels=["channel"])
    for channel, value in values:
        family.add_metric([channel], value)
    return family


def _counter(name: str, help_text: str, values: Iterable[tuple[str, float]]) -> Metric:
    family = CounterMetricFamily(name, help_text, labels=["channel"])
    for channel, value in values:
        family.add_metric([channel], value)
    return family


def _has_token(request: Request, token: Secret) -> bool:
    scheme, _, sent = (request.header("authorization") or "").partition(" ")
    return scheme.lower() == "bearer" and compare_digest(
        sent.strip().encode(), token.reveal().encode()
    )


def _is_local(request: Request) -> bool:
    if any(name in FORWARDED for name, _ in request.headers):
        return False
    try:
        address = ipaddress.ip_address(request.client_address.strip("[]"))
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback
