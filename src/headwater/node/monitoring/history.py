"""The series on the disk, so that a restart keeps the charts.

    SeriesLog --every WRITE_S, and at the end--> <data directory>/metrics/<Unix ms>.series
    ... --at the next start--> SeriesLog

A file is a run of chunks, each its length and some seconds of one stream in MessagePack. What
a kill cut off ends its file; what comes later is in another one. Who is killed lacks the last
WRITE_S. Numbers are in this machine's byte order, like the series: the files are its own.
"""

import asyncio
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from threading import Lock

import msgspec
import structlog
from msgspec import Struct, field

from headwater.node.monitoring.series import KEPT_S, Series, SeriesLog
from headwater.store.records import Scope

FOLDER = "metrics"
"""In the data directory."""
WRITE_S = 20.0
"""A hundred streams write 45 kB each time."""
START_S = 0.3
"""A start waits no longer for what there is. That of fifty streams for three hours is read by then,
more is there a moment later."""
FILE_S = 1800
"""After it a new file begins, so that old ones can go. There are eight at most, 34 MB of a
hundred streams."""

_SUFFIX = ".series"
_LENGTH_BYTES = 4
_MODE = 0o600  # they name streams, and the data directory is its owner's alone

log = structlog.get_logger(__name__)


class Chunk(Struct, frozen=True, array_like=True):
    """Some seconds of one stream."""

    account: str
    region: str
    channel_id: str
    stream_id: str
    first_s: int
    columns: tuple[bytes, ...]  # as `Series.columns_since` gives them


class _Run(Struct):
    """A stream's chunks that follow each other: joined at once, for there are thousands."""

    chunks: list[Chunk] = field(default_factory=list)
    end_s: int = 0

    def series(self) -> Series:
        first = self.chunks[0]
        scope = Scope(first.account, first.region)
        series = Series(scope, first.channel_id, first.stream_id, first.first_s)
        columns = zip(*(chunk.columns for chunk in self.chunks), strict=True)
        series.extend([*map(b"".join, columns)])
        return series


class Files:
    """The files of one folder. Not for an event loop: it waits for the disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = Lock()  # a write that is under way at the end comes before the last one
        self._path: Path | None = None
        self._began_s = 0

    def read(self) -> list[Series]:
        """Every stream's seconds, as far as they can be read."""
        runs: dict[str, _Run] = {}
        for path in sorted(self._all(), key=_began_ms):
            for chunk in _chunks(path.read_bytes()):
                run = runs.get(chunk.stream_id)
                if run is None or run.end_s != chunk.first_s:
                    run = runs[chunk.stream_id] = _Run()
                run.chunks.append(chunk)
                run.end_s = chunk.first_s + len(chunk.columns[-1])  # a byte a second
        return [run.series() for run in runs.values()]

    def write(self, chunks: Iterable[Chunk], now_ms: int) -> None:
        """Add chunks; remove what is too old for charts."""
        with self._lock:
            now_s = now_ms // 1000
            data = b"".join(map(_framed, chunks))
            if data:
                self._folder.mkdir(mode=0o700, exist_ok=True)
                if self._path is None or now_s - self._began_s >= FILE_S:
                    self._path = self._folder / f"{now_ms}{_SUFFIX}"
                    self._began_s = now_s
                descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, _MODE)
                with os.fdopen(descriptor, "ab") as file:
                    file.write(data)
            for path in self._all():
                if now_s - _began_ms(path) // 1000 > KEPT_S + FILE_S:
                    path.unlink()

    def _all(self) -> list[Path]:
        return [path for path in self._folder.glob(f"*{_SUFFIX}") if path.stem.isdecimal()]


class History:
    """Keeps a log's series while it runs. Start it once, before streams are let in."""

    def __init__(self, series: SeriesLog, data_dir: Path, *, now_ms: Callable[[], int]) -> None:
        """Nothing is read yet; `now_ms` gives the time (Unix ms)."""
        self._series = series
        self._files = Files(data_dir / FOLDER)
        self._now_ms = now_ms
        self._restored = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Take over what earlier runs left, then go on writing."""
        self._task = asyncio.create_task(self._run())
        with suppress(TimeoutError):
            await asyncio.wait_for(self._restored.wait(), START_S)

    async def close(self) -> None:
        """Write what is left."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            await self._write()

    async def _run(self) -> None:
        await self._restore()
        while True:
            await asyncio.sleep(WRITE_S)
            await self._write()

    async def _restore(self) -> None:
        try:
            self._series.restore(await asyncio.to_thread(self._files.read), self._now_ms())
        except OSError as trouble:
            log.warning("charts begin anew: their files cannot be read", reason=str(trouble))
        self._restored.set()

    async def _write(self) -> None:
        chunks = [_chunk(each) for each in self._series if each.end_s > each.saved_s]
        try:
            await asyncio.to_thread(self._files.write, chunks, self._now_ms())
        except OSError as trouble:  # these seconds are in memory all the same
            log.warning("charts of the last seconds are not kept", reason=str(trouble))


def _chunk(series: Series) -> Chunk:
    """What is not written yet, which counts as written from now on."""
    first_s = max(series.first_s, series.saved_s)
    columns = series.columns_since(first_s)
    series.saved_s = series.end_s
    return Chunk(
        series.scope.account,
        series.scope.region,
        series.channel_id,
        series.stream_id,
        first_s,
        columns,
    )


def _framed(chunk: Chunk) -> bytes:
    data = msgspec.msgpack.encode(chunk)
    return len(data).to_bytes(_LENGTH_BYTES, "big") + data


def _chunks(data: bytes) -> Iterator[Chunk]:
    """Those of a file, up to the first that is not whole."""
    decode = msgspec.msgpack.Decoder(Chunk).decode
    place = 0
    with suppress(msgspec.DecodeError):  # zeros or half a chunk: the machine lost its power
        while place < len(data):
            begin = place + _LENGTH_BYTES
            place = begin + int.from_bytes(data[place:begin], "big")
            chunk = decode(data[begin:place])
            if not Series.fits(chunk.columns):
                return
            yield chunk


def _began_ms(path: Path) -> int:
    return int(path.stem)
