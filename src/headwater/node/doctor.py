"""What `headwater doctor` looks at: would a server with these settings run well here?

Nothing is made that is not there. A database of an older version is brought up to date, as
every command does.
"""

import ctypes
import os
import shutil
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from cryptography import x509
from msgspec import Struct

from headwater.core.errors import OperatorError
from headwater.node.certificate import RENEW_DAYS, CertificateFiles, server_context
from headwater.node.keys import DATABASE_FILE, LOCK_FILE, lock_data_dir, opened_store
from headwater.node.listen import listen
from headwater.node.settings import Settings
from headwater.node.streams.capacity import Probed, probe

LITTLE_DISK_BYTES = 1 << 30
"""Less room than this is little: the database must never meet a full disk."""
RELEASED = datetime(2026, 11, 1, tzinfo=UTC)
"""No clock that is right shows an earlier time."""
USUAL_STREAM_UNITS = 2.2
"""What a 1080p30 stream costs on a STANDARD channel."""

_TIME_ERROR = 5  # linux/timex.h: the clock is not synchronised
_TIMEX_BYTES = 256  # struct timex has 208

State = Literal["ok", "note", "problem"]


class Finding(Struct, frozen=True, kw_only=True):
    """One thing that was looked at."""

    what: str
    state: State
    text: str
    advice: str = ""  # what to do, where there is something to do


async def examine(settings: Settings) -> list[Finding]:
    """Look at everything."""
    running = _is_running(settings)
    return [
        *_ports(settings, running=running),
        _clock(),
        _disk(settings),
        _certificate(settings),
        await _database(settings),
        *await _transcoding(settings),
    ]


def _is_running(settings: Settings) -> bool:
    data_dir = Path(settings.server.data_dir)
    if not (data_dir / LOCK_FILE).exists():
        return False
    try:
        lock_data_dir(data_dir).close()
    except (OperatorError, OSError):
        return True
    return False


def _ports(settings: Settings, *, running: bool) -> list[Finding]:
    ports = [
        ("http.port", settings.http.bind_address, settings.http.port),
        ("http.tls_port", settings.http.bind_address, settings.http.tls_port),
        ("rtmp.port", settings.rtmp.bind_address, settings.rtmp.port),
        ("rtmp.tls_port", settings.rtmp.bind_address, settings.rtmp.tls_port),
    ]
    return [_port(name, address, port, running=running) for name, address, port in ports]


def _port(name: str, address: str, port: int, *, running: bool) -> Finding:
    shown = f"{name} = {port} on {address}"
    try:
        listen(address, port, name).close()
    except OperatorError as error:
        if running and "is taken" in str(error):
            return Finding(what="port", state="ok", text=f"{shown}: the running server has it")
        return Finding(what="port", state="problem", text=str(error))
    return Finding(what="port", state="ok", text=f"{shown}: free")


def _clock() -> Finding:
    now = datetime.now(UTC)
    shown = now.strftime("%Y-%m-%d %H:%M:%S UTC")
    if now < RELEASED:
        return Finding(
            what="clock",
            state="problem",
            text=f"{shown} is in the past",
            advice="set it: signed requests are refused when clocks differ by 5 minutes",
        )
    if _is_unsynchronised():
        return Finding(
            what="clock",
            state="note",
            text=f"{shown}; not synchronised, says the kernel",
            advice="run chrony or systemd-timesyncd, unless the host of this machine does it",
        )
    return Finding(what="clock", state="ok", text=shown)


def _is_unsynchronised() -> bool:
    """Whether Linux says so; elsewhere nobody is asked."""
    try:
        adjtimex = ctypes.CDLL(None).adjtimex
    except (OSError, AttributeError):
        return False
    return bool(adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES)) == _TIME_ERROR)


def _disk(settings: Settings) -> Finding:
    wanted = Path(settings.server.data_dir).absolute()
    there = next(path for path in (wanted, *wanted.parents) if path.exists())
    if not os.access(there, os.W_OK | os.X_OK) or not there.is_dir():
        return Finding(
            what="disk",
            state="problem",
            text=f"server.data_dir = {str(wanted)!r}: {there} cannot be written",
            advice="give it to the user who runs the server, or set server.data_dir to another",
        )
    free_bytes = shutil.disk_usage(there).free
    text = f"{free_bytes / (1 << 30):.1f} GiB free for {wanted}"
    if free_bytes < LITTLE_DISK_BYTES:
        return Finding(
            what="disk",
            state="problem",
            text=text,
            advice="make room, or set server.data_dir to a larger disk",
        )
    return Finding(what="disk", state="ok", text=text)


def _certificate(settings: Settings) -> Finding:
    tls = settings.tls
    if not tls.certificate_file:
        return Finding(
            what="certificate",
            state="note",
            text="self-signed: browsers and encoders warn of it",
            advice="set tls.certificate_file and tls.key_file for viewers outside this machine",
        )
    files = CertificateFiles(Path(tls.certificate_file), Path(tls.key_file))
    try:
        server_context(files)
    except OperatorError as error:
        return Finding(what="certificate", state="problem", text=str(error))
    expires = x509.load_pem_x509_certificate(files.certificate.read_bytes()).not_valid_after_utc
    text = f"{tls.certificate_file}: good until {expires:%Y-%m-%d}"
    left = expires - datetime.now(UTC)
    if left < timedelta(0):
        return Finding(
            what="certificate",
            state="problem",
            text=f"{tls.certificate_file}: expired on {expires:%Y-%m-%d}",
            advice="renew it; a running server notices the new files by itself",
        )
    if left < timedelta(days=RENEW_DAYS):
        return Finding(
            what="certificate", state="note", text=text, advice="see to it that it is renewed"
        )
    return Finding(what="certificate", state="ok", text=text)


async def _database(settings: Settings) -> Finding:
    file = Path(settings.server.data_dir) / DATABASE_FILE
    if not settings.store.url and not file.exists():
        return Finding(what="database", state="ok", text=f"{file}: made at the first start")
    started_s = time.monotonic()
    try:
        async with opened_store(settings) as store, store.read() as work:
            await work.setting("none")
    except OperatorError as error:
        return Finding(what="database", state="problem", text=str(error))
    took_ms = (time.monotonic() - started_s) * 1000
    shown = "store.url" if settings.store.url else str(file)
    return Finding(what="database", state="ok", text=f"{shown}: answers within {took_ms:.0f} ms")


async def _transcoding(settings: Settings) -> Sequence[Finding]:
    transcode = settings.transcode
    if transcode.mode == "off":
        return [
            Finding(
                what="transcoding",
                state="note",
                text="off: every channel has one rendition, its input",
                advice="set transcode.mode = on where the machine can take it",
            )
        ]
    probed = await probe(transcode.encoder, transcode.preset)
    if probed is None:
        return [
            Finding(
                what="transcoding",
                state="problem",
                text="the transcoder does not run",
                advice="install Headwater again: PyAV (the package `av`) may be missing; or set "
                "transcode.mode = off",
            )
        ]
    return [*_encoders(probed, transcode.encoder), _capacity(settings, probed)]


def _encoders(probed: Probed, chosen: str) -> list[Finding]:
    findings = []
    for name, found in probed.encoders.items():
        is_chosen = name == chosen
        if found.opens:
            text = f"{name}: works" + (", and is used" if is_chosen else "")
            findings.append(Finding(what="encoder", state="ok", text=text))
        elif is_chosen:
            findings.append(
                Finding(
                    what="encoder",
                    state="problem",
                    text=f"{name}: {found.reason}",
                    advice="set transcode.encoder = x264, which needs no hardware",
                )
            )
        else:
            findings.append(Finding(what="encoder", state="ok", text=f"{name}: not here"))
    return findings


def _capacity(settings: Settings, probed: Probed) -> Finding:
    units = settings.transcode.capacity_units or probed.capacity_units
    text = (
        f"{probed.capacity_units:.1f} units measured on {probed.cores} cores; a 1080p30 stream "
        f"takes {USUAL_STREAM_UNITS}"
    )
    if settings.transcode.capacity_units:
        text += f"; transcode.capacity_units = {settings.transcode.capacity_units} is in force"
    if units < USUAL_STREAM_UNITS:
        return Finding(
            what="capacity",
            state="note",
            text=text,
            advice="use BASIC channels, a faster transcode.preset, or more cores",
        )
    return Finding(what="capacity", state="ok", text=text)
