"""One running server: opens everything in order, joins the stages, closes in reverse."""

import asyncio
import secrets
import socket
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

import structlog
from msgspec import Struct

from headwater.api.app import Api
from headwater.api.settings import ApiSettings
from headwater.core.secret import Secret
from headwater.delivery.address import ChannelAddress
from headwater.delivery.http import Delivery
from headwater.delivery.quota import ViewQuota
from headwater.ingest.server import RtmpServer
from headwater.media.transcode.wire import EncoderSettings
from headwater.node.certificate import Certificate, CertificateFiles, certificate_files
from headwater.node.event_delivery import EventDelivery
from headwater.node.http_server import HttpServer
from headwater.node.keys import (
    ensure_root_key,
    lock_data_dir,
    open_store,
    prepare_data_dir,
    server_id,
)
from headwater.node.listen import listen, port_of
from headwater.node.monitoring.charts import Charts
from headwater.node.monitoring.history import History
from headwater.node.monitoring.metrics import Lag, Metrics
from headwater.node.monitoring.series import SeriesLog
from headwater.node.proxies import Proxies
from headwater.node.quotas import quotas_of
from headwater.node.recording.archive_site import ArchiveSite, shows_recordings
from headwater.node.recording.destinations import Destinations, buckets_of
from headwater.node.recording.recorder import Recorder
from headwater.node.recording.thumbnailer import ThumbnailProcess
from headwater.node.routes import Pages, Routes
from headwater.node.settings import Settings
from headwater.node.streams.capacity import Capacity, known_units, measure
from headwater.node.streams.limits import viewers_breach
from headwater.node.streams.live import LiveRegistry, Packaging
from headwater.node.streams.packager import Ladders
from headwater.node.streams.sessions import LIMIT_BREACH, SessionLog
from headwater.node.viewing.admission import PlaybackAdmission
from headwater.node.viewing.countries import CountryDatabase
from headwater.recording.thumbnails_maker import thumbnailers
from headwater.store import Store
from headwater.store.identities import AccessKeyRecord
from headwater.store.records import Scope

TICK_S = 1.0
CERTIFICATE_LOOK_S = 10.0
"""Between looks at the certificate's files."""
COUNTRIES_LOOK_S = 10.0
"""Between looks at the country database's file."""
MEASURE_AFTER_S = 10.0
"""Measuring takes all cores for a moment, once: not while a first start is being looked at."""
TOKEN_SECRET = "pagination-token-secret"  # noqa: S105 - the name of a stored setting
TOKEN_SECRET_BYTES = 32

log = structlog.get_logger(__name__)


class Endpoints(Struct, frozen=True, kw_only=True):
    """Where this node can be reached; ports are the real ones."""

    host: str
    ingest_host: str
    http_port: int
    https_port: int
    rtmp_port: int
    rtmps_port: int
    playback_base_url: str

    @property
    def api_url(self) -> str:
        """What to set as an AWS SDK's endpoint URL."""
        return f"http://{_bracketed(self.host)}:{self.http_port}"

    @property
    def rtmp_url(self) -> str:
        """Server field of an encoder; the stream key follows."""
        return f"rtmp://{_bracketed(self.ingest_host)}:{self.rtmp_port}/app/"

    @property
    def rtmps_url(self) -> str:
        """Server field of an encoder; the stream key follows."""
        return f"rtmps://{_bracketed(self.ingest_host)}:{self.rtmps_port}/app/"


class Node:
    """A server from start to stop. Start it once, from the event loop that will serve."""

    def __init__(self, settings: Settings, pages: Pages) -> None:
        self._settings = settings
        self._pages = pages
        self._quotas = quotas_of(settings.quotas)
        self._stack = AsyncExitStack()
        self._series = SeriesLog()
        self._lag = Lag()
        self.new_key: AccessKeyRecord | None = None  # made by this start
        self.endpoints: Endpoints
        self.live: LiveRegistry
        self.store: Store
        self.api: Api

    async def start(self) -> None:
        """Bind, open and serve; returns when everything answers.

        Raises:
            OperatorError: a setting, file or port is wrong; nothing is left open.
        """
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise

    async def stop(self) -> None:
        """End all streams and answers in progress, then close everything."""
        await self._stack.aclose()

    async def _start(self) -> None:
        settings = self._settings
        sockets = self._bind()
        data_dir = prepare_data_dir(settings)
        lock = self._stack.enter_context(lock_data_dir(data_dir))
        certificate = self._certificate(data_dir)
        self.store = await open_store(settings)
        self._stack.push_async_callback(self.store.close)
        self.new_key = await ensure_root_key(self.store, settings.server.account_id)
        history = History(self._series, data_dir, now_ms=now_ms)
        await history.start()
        self._stack.push_async_callback(history.close)

        capacity = await self._capacity()
        sessions = await self._make_sessions(server_id(lock))
        delivery = self._make_delivery(sessions)
        buckets = buckets_of(settings.recording, data_dir)
        destinations = Destinations(buckets, self.store)
        self._stack.push_async_callback(destinations.settle)
        recorder = await self._recorder(data_dir, destinations, sessions)
        self.live = self._make_registry(delivery, sessions, capacity, recorder)
        self._stack.push_async_callback(self.live.close)
        self.api = await self._make_api(destinations)
        routes = Routes(
            api=self.api,
            delivery=delivery,
            archive=ArchiveSite(
                store=self.store,
                buckets=buckets,
                is_on=shows_recordings(settings),
                now_s=time.monotonic,
                now=lambda: datetime.now(UTC),
            ),
            metrics=self._make_metrics(capacity, recorder),
            pages=self._pages,
            store=self.store,
        )
        https = await self._serve(sockets, routes, certificate)
        for work in (
            self._tick(delivery),
            _watch(certificate, https),
            self._measure(capacity),
        ):
            self._stack.callback(asyncio.create_task(work).cancel)

    def _bind(self) -> dict[str, socket.socket]:
        """The listening sockets, by the setting that names each one's port."""
        http, rtmp = self._settings.http, self._settings.rtmp
        sockets = {
            name: self._stack.enter_context(listen(address, port, name))
            for name, address, port in (
                ("rtmp.port", rtmp.bind_address, rtmp.port),
                ("rtmp.tls_port", rtmp.bind_address, rtmp.tls_port),
                ("http.port", http.bind_address, http.port),
                ("http.tls_port", http.bind_address, http.tls_port),
            )
        }
        ports = {name: port_of(sock) for name, sock in sockets.items()}
        self.endpoints = _endpoints(self._settings, ports)
        return sockets

    async def _make_sessions(self, server: str) -> SessionLog:
        events = EventDelivery(self._settings, self.store, server=server, now_ms=now_ms)
        await events.start()
        self._stack.push_async_callback(events.close)
        sessions = SessionLog(self.store, server=server, now_ms=now_ms, on_events=events.wake)
        await sessions.start()
        self._stack.push_async_callback(sessions.close)
        return sessions

    async def _serve(
        self, sockets: dict[str, socket.socket], routes: Routes, certificate: Certificate
    ) -> HttpServer:
        """Answer on all ports; returns the server of HTTPS, whose certificate is renewed."""
        http = self._http_server(sockets["http.port"], routes, None)
        https = self._http_server(sockets["http.tls_port"], routes, certificate.files)
        rtmp, rtmps = self._rtmp_server(), self._rtmp_server()
        # All at once: each gives what is under way up to a second.
        self._stack.push_async_callback(_all, http.stop, https.stop, rtmp.close, rtmps.close)
        # Before: a broken connection leaves a stream that waits for it.
        self._stack.callback(self.live.stop_all, "server is shutting down")
        http.start()
        https.start()
        await rtmp.start(sockets["rtmp.port"], self.live)
        await rtmps.start(sockets["rtmp.tls_port"], self.live, ssl_context=certificate.context)
        return https

    async def _tick(self, delivery: Delivery) -> None:
        """Let time pass for what has no clock of its own."""
        clock = asyncio.get_running_loop().time
        while True:
            due = clock() + TICK_S
            await asyncio.sleep(TICK_S)
            self._lag.note(clock() - due)
            delivery.expire()
            self.live.look()
            self._series.look(self.live.broadcasts(), now_ms())

    def _make_delivery(self, sessions: SessionLog) -> Delivery:
        limit = self._quotas.concurrent_views

        def breached(channel: ChannelAddress, views: int) -> None:
            breach = viewers_breach(limit, views)
            log.warning("limit breached", account=channel.account, reason=breach.text)
            scope = Scope(channel.account, channel.region)
            sessions.announce(scope, LIMIT_BREACH, now_ms(), breach.detail)

        return Delivery(
            now_s=time.monotonic,
            now_ms=now_ms,
            admission=self._make_admission(),
            random_bytes=secrets.token_bytes,
            quota=ViewQuota(limit, now_s=time.monotonic, breached=breached),
            window_ms=self._settings.packaging.window_ms,
        )

    def _make_admission(self) -> PlaybackAdmission:
        countries = CountryDatabase(self._settings.playback.country_database_file)
        admission = PlaybackAdmission(
            self.store,
            stream_id=lambda arn: self.live.stream_id(arn),  # noqa: PLW0108 - made later
            streaming=lambda: self.live.channels(),  # noqa: PLW0108 - likewise
            countries=countries,
            now_ms=now_ms,
        )
        for work in (admission.watch(), _renew(countries)):
            self._stack.callback(asyncio.create_task(work).cancel)
        return admission

    def _http_server(
        self, sock: socket.socket, routes: Routes, certificate: CertificateFiles | None
    ) -> HttpServer:
        return HttpServer(
            sock,
            routes.respond,
            max_body_bytes=self._settings.http.max_body_bytes,
            certificate=certificate,
            proxies=Proxies(self._settings.http.trusted_proxies),
        )

    def _rtmp_server(self) -> RtmpServer:
        return RtmpServer(
            max_connections=self._settings.rtmp.max_connections,
            proxy_protocol=self._settings.rtmp.proxy_protocol == "on",
        )

    async def _capacity(self) -> Capacity:
        """What is set, else what was measured at an earlier start."""
        transcode = self._settings.transcode
        if transcode.capacity_units:
            return Capacity(transcode.capacity_units)
        return Capacity(await known_units(self.store, transcode.encoder, transcode.preset))

    async def _measure(self, capacity: Capacity) -> None:
        transcode = self._settings.transcode
        if transcode.mode == "on" and capacity.units is None:
            await asyncio.sleep(MEASURE_AFTER_S)
            await measure(capacity, self.store, transcode.encoder, transcode.preset)

    async def _recorder(
        self, data_dir: Path, destinations: Destinations, sessions: SessionLog
    ) -> Recorder:
        thumbnailer = ThumbnailProcess()
        self._stack.push_async_callback(thumbnailer.close)
        recorder = Recorder(
            data_dir=data_dir,
            destinations=destinations,
            store=self.store,
            sessions=sessions,
            thumbnailers=thumbnailers(thumbnailer.draw),
            spool_max_bytes=self._settings.recording.spool_max_bytes,
            give_up_s=self._settings.recording.give_up_s,
            random_bytes=secrets.token_bytes,
            now_ms=now_ms,
        )
        await recorder.start()
        self._stack.push_async_callback(recorder.close)
        return recorder

    def _make_registry(
        self, delivery: Delivery, sessions: SessionLog, capacity: Capacity, recorder: Recorder
    ) -> LiveRegistry:
        packaging, transcode = self._settings.packaging, self._settings.transcode
        return LiveRegistry(
            store=self.store,
            sessions=sessions,
            delivery=delivery,
            packaging=Packaging(
                segment_target_ms=packaging.segment_target_ms,
                low_latency_segment_target_ms=packaging.low_latency_segment_target_ms,
                part_target_ms=packaging.part_target_ms,
                segment_tags=packaging.segment_tags == "on",
                metadata_text_frames=packaging.metadata_text_frames == "on",
            ),
            ladders=Ladders(
                is_on=transcode.mode == "on",
                settings=EncoderSettings(
                    encoder=transcode.encoder,
                    preset=transcode.preset,
                    encoder_threads=transcode.encoder_threads,
                    decoder_threads=transcode.decoder_threads,
                ),
                capacity=capacity,
            ),
            max_streams=self._settings.rtmp.max_streams,
            quotas=self._quotas,
            random_bytes=secrets.token_bytes,
            now_ms=now_ms,
            recorder=recorder,
        )

    def _certificate(self, data_dir: Path) -> Certificate:
        settings = self._settings
        addresses = {settings.http.bind_address, settings.rtmp.bind_address}
        hosts = sorted({"localhost", "127.0.0.1", "::1"} | addresses - {"0.0.0.0", "::"})  # noqa: S104
        files = certificate_files(
            certificate_file=settings.tls.certificate_file,
            key_file=settings.tls.key_file,
            data_dir=data_dir,
            hosts=hosts,
            second_certificate_file=settings.tls.second_certificate_file,
            second_key_file=settings.tls.second_key_file,
        )
        return Certificate(files)

    def _make_metrics(self, capacity: Capacity, recorder: Recorder) -> Metrics:
        token = Secret(self._settings.metrics.secret_token)
        return Metrics(self.live, self._series, capacity, self._lag, token, recorder=recorder)

    async def _make_api(self, destinations: Destinations) -> Api:
        async with self.store.write() as work:
            token_secret = await work.setting(TOKEN_SECRET)
            if token_secret is None:
                token_secret = secrets.token_bytes(TOKEN_SECRET_BYTES)
                await work.put_setting(TOKEN_SECRET, token_secret)
        public = self._settings.public
        return Api(
            store=self.store,
            control=self.live,
            destinations=destinations,
            metrics=Charts(self._series),
            settings=ApiSettings(
                ingest_host=public.ingest_host or self.endpoints.ingest_host,
                srt_host=public.srt_host or self.endpoints.ingest_host,
                playback_base_url=self.endpoints.playback_base_url,
                quotas=self._quotas,
                max_body_bytes=self._settings.http.max_body_bytes,
            ),
            random_bytes=secrets.token_bytes,
            now_ms=now_ms,
            token_secret=token_secret,
        )


def now_ms() -> int:
    """Wall clock in Unix milliseconds."""
    return time.time_ns() // 1_000_000


def _endpoints(settings: Settings, ports: dict[str, int]) -> Endpoints:
    host, http_port = _reachable(settings.http.bind_address), ports["http.port"]
    return Endpoints(
        host=host,
        ingest_host=_reachable(settings.rtmp.bind_address),
        http_port=http_port,
        https_port=ports["http.tls_port"],
        rtmp_port=ports["rtmp.port"],
        rtmps_port=ports["rtmp.tls_port"],
        playback_base_url=settings.public.playback_url or f"http://{_bracketed(host)}:{http_port}",
    )


def _reachable(address: str) -> str:
    """An address to connect to: a wildcard is reachable on loopback."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)  # noqa: S104


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


async def _watch(certificate: Certificate, https: HttpServer) -> None:
    """Notice a renewed certificate; RTMPS asks for the one in force at each handshake."""
    while True:
        await asyncio.sleep(CERTIFICATE_LOOK_S)
        if certificate.reload_if_changed():
            await https.renew_certificate()


async def _renew(countries: CountryDatabase) -> None:
    while True:
        await asyncio.sleep(COUNTRIES_LOOK_S)
        await asyncio.to_thread(countries.reload_if_changed)


async def _all(*actions: Callable[[], Awaitable[None]]) -> None:
    await asyncio.gather(*(action() for action in actions))
