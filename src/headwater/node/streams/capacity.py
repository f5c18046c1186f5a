"""How much transcoding this machine can take, in cost units (1: encoding 720p30).

A stream takes its units when its ladder is known and gives them back at its end; a stream
that doesn't fit is refused, so that those that run stay in time. The machine is measured
once for each way of encoding, by a process that ends; the figure is kept in the database.
Until there is one, every stream is let in.
"""

import asyncio
import os
import sys

import msgspec
import structlog
from msgspec import Struct

from headwater import __version__
from headwater.media.transcode.wire import EncoderName
from headwater.store import Store

STORED_AS = "transcode-capacity"
PROBE_S = 30.0
"""A machine on which measuring takes longer is not one to transcode on."""

log = structlog.get_logger(__name__)


class Encoder(Struct, frozen=True, kw_only=True):
    """Whether an encoder can be used here."""

    offered: bool  # PyAV has it
    opens: bool
    reason: str  # why it does not open


class Probed(Struct, frozen=True, kw_only=True):
    """What the transcoder says of this machine."""

    encoders: dict[str, Encoder]
    capacity_units: float
    cores: int


class _Measured(Struct, frozen=True, kw_only=True):
    encoder: str
    preset: str
    cores: int | None
    version: str
    units: float


class Capacity:
    """The units of one machine."""

    def __init__(self, units: float | None) -> None:
        """All free; None: not known yet."""
        self.units = units
        self.used = 0.0

    def take(self, units: float) -> bool:
        """Take so many, if there are as many; one stream always fits."""
        fits = self.units is None or not units or not self.used or self.used + units <= self.units
        self.used += units if fits else 0.0
        return fits

    def give_back(self, units: float) -> None:
        """They are free again."""
        self.used = max(0.0, self.used - units)


async def probe(encoder: EncoderName, preset: str) -> Probed | None:
    """Ask a transcoder what this machine can do; None: it cannot say."""
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "headwater.media.transcode", "--probe"),
            *("--encoder", encoder, "--preset", preset),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError:
        return None
    try:
        out, _ = await asyncio.wait_for(process.communicate(), PROBE_S)
        return msgspec.json.decode(out, type=Probed)
    except (TimeoutError, msgspec.MsgspecError):
        return None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def known_units(store: Store, encoder: EncoderName, preset: str) -> float | None:
    """What was measured at an earlier start, if the same would be measured now."""
    async with store.read() as work:
        kept = await work.setting(STORED_AS)
    try:
        measured = msgspec.json.decode(kept or b"", type=_Measured)
    except msgspec.MsgspecError:
        return None
    same = _Measured(
        encoder=encoder,
        preset=preset,
        cores=os.cpu_count(),
        version=__version__,
        units=measured.units,
    )
    return measured.units if measured == same else None


async def measure(capacity: Capacity, store: Store, encoder: EncoderName, preset: str) -> None:
    """Measure this machine and keep what came out."""
    probed = await probe(encoder, preset)
    if probed is None:
        log.error("transcoding cannot be measured: is PyAV installed?", encoder=encoder)
        return
    capacity.units = probed.capacity_units
    log.info("transcode capacity measured", units=round(probed.capacity_units, 1))
    measured = _Measured(
        encoder=encoder,
        preset=preset,
        cores=os.cpu_count(),
        version=__version__,
        units=probed.capacity_units,
    )
    async with store.write() as work:
        await work.put_setting(STORED_AS, msgspec.json.encode(measured))
