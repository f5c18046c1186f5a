"""One MP4 of a recording: its segments are fetched one by one and joined by a child process.

Nothing is encoded. The file appears under its name when it is complete; until then it has
another one beside it, which is removed when something fails.
"""

import asyncio
import contextlib
import json
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from msgspec import Struct
from obstore.store import ObjectStore

from headwater.core.errors import OperatorError, PeerError
from headwater.node.child import Child, start_child
from headwater.recording.archive import Archived, read_object
from headwater.recording.event_file import HlsEntry, RenditionEntry
from headwater.recording.playlist_reader import Entry, MediaPlaylist, parse_media

COMMAND = (sys.executable, "-m", "headwater.recording.export_child")
UNFINISHED = ".part"
"""Added to the file's name until it is complete."""

Tell = Callable[[float, float], None]
"""Told how many seconds of how many are written."""


class Exported(Struct, frozen=True, kw_only=True):
    """What was written."""

    rendition: str
    duration_s: float
    size_bytes: int
    missing_s: float  # as the recording itself says
    left_out: int  # packets that could not be placed
    is_over: bool  # else the recording goes on


async def export(
    store: ObjectStore,
    recording: Archived,
    output: Path,
    *,
    rendition: str | None = None,
    tell: Tell = lambda _done, _all: None,
) -> Exported:
    """Write one MP4.

    Args:
        store: the bucket that has it.
        recording: what is to be exported.
        output: the file; one that is there is replaced.
        rendition: its name; None: the first, which is the best.
        tell: told of the progress.

    Raises:
        OperatorError: it cannot be exported, or not written there.
    """
    hls, chosen = _chosen(recording, rendition)
    folder = f"{recording.place.prefix}/{hls.path}/{chosen.path}"
    try:
        playlist = parse_media(await read_object(store, f"{folder}/{chosen.playlist}"))
    except FileNotFoundError:
        raise OperatorError(f"{chosen.path}/{chosen.playlist} is missing") from None
    except PeerError as error:
        raise OperatorError(f"{chosen.path}/{chosen.playlist}: {error}") from None
    unfinished = output.with_name(output.name + UNFINISHED)
    _begin(unfinished)
    try:
        last = await _joined(store, folder, playlist, unfinished, tell)
        size_bytes = unfinished.stat().st_size
        unfinished.replace(output)
    finally:
        unfinished.unlink(missing_ok=True)
    return Exported(
        rendition=chosen.path,
        duration_s=last["end_s"],
        size_bytes=size_bytes,
        missing_s=sum(entry.duration_s for entry in playlist.entries if entry.is_gap),
        left_out=last["left_out"],
        is_over=recording.is_over,
    )


def _begin(file: Path) -> None:
    try:
        file.touch()
    except OSError as error:
        raise OperatorError(f"{file} cannot be written: {error.strerror}") from None


def _chosen(recording: Archived, name: str | None) -> tuple[HlsEntry, RenditionEntry]:
    if recording.event is None:
        raise OperatorError(f"{recording.event_key}: {recording.problem}")
    hls = recording.event.media.hls
    if hls is None or not hls.renditions:
        raise OperatorError("the recording has no renditions, only thumbnails at most")
    for each in hls.renditions:
        if name in {None, each.path}:
            return hls, each
    known = ", ".join(each.path for each in hls.renditions)
    raise OperatorError(f"--rendition {name!r}: the recording has {known}")


async def _joined(
    store: ObjectStore, folder: str, playlist: MediaPlaylist, output: Path, tell: Tell
) -> dict[str, Any]:
    """Have the file written; the last answer."""
    total_s = playlist.duration_s()
    inits: dict[str, bytes] = {}
    broken = False
    with tempfile.TemporaryDirectory(prefix="headwater-export-") as work:
        async with _joiner() as joiner:
            await joiner.ask(output=str(output))
            tell(0.0, total_s)
            piece = Path(work) / "segment"
            for entry in playlist.entries:
                broken = broken or entry.discontinuity
                if entry.is_gap:
                    continue
                _write(piece, await _segment(store, folder, entry, inits))
                answer = await joiner.ask(segment=str(piece), discontinuity=broken)
                broken = False
                tell(answer["end_s"], total_s)
            return await joiner.finish()


def _write(piece: Path, media: bytes) -> None:
    try:
        piece.write_bytes(media)
    except OSError as error:
        raise OperatorError(f"{piece.parent}, for one segment: {error.strerror}") from None


async def _segment(store: ObjectStore, folder: str, entry: Entry, inits: dict[str, bytes]) -> bytes:
    try:
        init = b""
        if entry.init_uri is not None:
            if entry.init_uri not in inits:
                inits[entry.init_uri] = await read_object(store, f"{folder}/{entry.init_uri}")
            init = inits[entry.init_uri]
        return init + await read_object(store, f"{folder}/{entry.uri}")
    except FileNotFoundError:
        raise OperatorError(
            f"{entry.uri} or its init segment is missing; `headwater recording verify` tells more"
        ) from None


class _Joiner:
    def __init__(self, process: Child) -> None:
        self._process = process

    async def ask(self, **order: str | bool) -> dict[str, Any]:
        """Give an order; the answer."""
        with contextlib.suppress(OSError):  # it says why, or nothing
            self._process.give(json.dumps(order).encode() + b"\n")
            await self._process.taken()
        return await self._answer()

    async def finish(self) -> dict[str, Any]:
        """Let it complete the file."""
        self._process.close_input()
        return await self._answer()

    async def _answer(self) -> dict[str, Any]:
        line = await self._process.stdout.readline()
        if not line:
            raise OperatorError("the process that joins the segments has crashed")
        answer: dict[str, Any] = json.loads(line)
        if "failed" in answer:
            raise OperatorError(f"cannot be exported: {answer['failed']}")
        return answer


@contextlib.asynccontextmanager
async def _joiner() -> AsyncIterator[_Joiner]:
    process = await start_child(COMMAND, stderr=asyncio.subprocess.DEVNULL)
    try:
        yield _Joiner(process)
    finally:
        await process.kill()
