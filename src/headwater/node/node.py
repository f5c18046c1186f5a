"""One running server: opens everything in order, joins the stages, closes in reverse."""

import asyncio
import secrets
import socket
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import structlog
from msgspec import Struct

from headwater.api.app import Api
from headwater.api.settings import ApiSettings
from headwater.delivery.http import Delivery
from headwater.ingest.server import RtmpServer
from headwater.media.transcode.wire import EncoderSettings
from headwater.node.broadcast import Ladders
from headwater.node.capacity import Capacity, known_units, measure
from headwater.node.certificate import Certificate, CertificateFiles, certificate_files
from headwater.node.destinations import Destinations
from headwater.node.http_server import HttpServer
from headwater.node.keys import (
    ensure_root_key,
    lock_data_dir,
    open_store,
    prepare_data_dir,
    server_id,
)
from headwater.node.listen import listen, port_of
from headwater.node.live import LiveRegistry, Packaging
from headwater.node.quotas import quotas_of
from headwater.node.routes import Pages, Routes
from headwater.node.sessions import SessionLog
from headwater.node.settings import Settings
from headwater.store import Store
from headwater.store.identities import AccessKeyRecord

TICK_S = 1.0
CERTIFICATE_LOOK_S = 10.0
"""Between looks at the certificate's files."""
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
        self._stack = AsyncExitStack()
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
        rtmp_sock, rtmps_sock, http_sock, https_sock = [
            self._stack.enter_context(listen(address, port, name))
            for name, address, port in (
                ("rtmp.port", settings.rtmp.bind_address, settings.rtmp.port),
                ("rtmp.tls_port", settings.rtmp.bind_address, settings.rtmp.tls_port),
                ("http.port", settings.http.bind_address, settings.http.port),
                ("http.tls_port", settings.http.bind_address, settings.http.tls_port),
            )
        ]
        self.endpoints = _endpoints(
            settings,
            [port_of(sock) for sock in (http_sock, https_sock, rtmp_sock, rtmps_sock)],
        )
        data_dir = prepare_data_dir(settings)
        lock = self._stack.enter_context(lock_data_dir(data_dir))
        certificate = self._certificate(data_dir)
        self.store = await open_store(settings)
        self._stack.push_async_callback(self.store.close)
        self.new_key = await ensure_root_key(self.store, settings.server.account_id)

        quotas = quotas_of(settings.quotas)
        delivery = Delivery(
            now_s=time.monotonic,
            now_ms=now_ms,
            window_ms=settings.packaging.window_ms,
            concurrent_views=quotas.concurrent_views,
        )
        capacity = await self._capacity()
        sessions = SessionLog(self.store, server=server_id(lock), now_ms=now_ms)
        await sessions.start()
        self._stack.push_async_callback(sessions.close)
        self.live = self._make_registry(delivery, sessions, capacity)
        self._stack.push_async_callback(self.live.close)
        destinations = Destinations(data_dir, self.store)
        self._stack.push_async_callback(destinations.settle)
        self.api = await self._make_api(destinations)
        routes = Routes(api=self.api, delivery=delivery, pages=self._pages, store=self.store)
        https = self._http_server(https_sock, routes, certificate.files)
        rtmps = self._rtmp_server()
        http, rtmp = self._http_server(http_sock, routes, None), self._rtmp_server()
        # All at once: each gives what is under way up to a second.
        self._stack.push_async_callback(_all, http.stop, https.stop, rtmp.close, rtmps.close)
        http.start()
        https.start()
        await rtmp.start(rtmp_sock, self.live)
        await rtmps.start(rtmps_sock, self.live, ssl_context=certificate.context)
        for work in (
            _tick(delivery, self.live),
            _watch(certificate, https),
            self._measure(capacity),
        ):
            self._stack.callback(asyncio.create_task(work).cancel)

    def _http_server(
        self, sock: socket.socket, routes: Routes, certificate: CertificateFiles | None
    ) -> HttpServer:
        return HttpServer(
            sock,
            routes.respond,
            max_body_bytes=self._settings.http.max_body_bytes,
            certificate=certificate,
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

    def _make_registry(
        self, delivery: Delivery, sessions: SessionLog, capacity: Capacity
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
            quotas=quotas_of(self._settings.quotas),
            random_bytes=secrets.token_bytes,
            now_ms=now_ms,
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
            settings=ApiSettings(
                ingest_host=public.ingest_host or self.endpoints.ingest_host,
                srt_host=public.srt_host or self.endpoints.ingest_host,
                playback_base_url=self.endpoints.playback_base_url,
                quotas=quotas_of(self._settings.quotas),
                max_body_bytes=self._settings.http.max_body_bytes,
            ),
            random_bytes=secrets.token_bytes,
            now_ms=now_ms,
            token_secret=token_secret,
        )


def now_ms() -> int:
    """Wall clock in Unix milliseconds."""
    return time.time_ns() // 1_000_000


def _endpoints(settings: Settings, ports: list[int]) -> Endpoints:
    http_port, https_port, rtmp_port, rtmps_port = ports
    host = _reachable(settings.http.bind_address)
    return Endpoints(
        host=host,
        ingest_host=_reachable(settings.rtmp.bind_address),
        http_port=http_port,
        https_port=https_port,
        rtmp_port=rtmp_port,
        rtmps_port=rtmps_port,
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


async def _all(*actions: Callable[[], Awaitable[None]]) -> None:
    await asyncio.gather(*(action() for action in actions))


async def _tick(delivery: Delivery, live: LiveRegistry) -> None:
    while True:
        await asyncio.sleep(TICK_S)
        delivery.expire()
        live.look()
