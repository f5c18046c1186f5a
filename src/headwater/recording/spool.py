"""The spool: a recording on the local disk until it is stored, with a journal.

    <spool>/<recording session>/journal
                                <rendition>/<N>.ts     as below the recording's media/hls
                                objects/<number>       init segments and thumbnails

A live part is written when it comes, then told in the journal: a server that is killed loses
nothing of what it had written, and reads it again at its next start. Once a second both are
forced to the disk, so that a machine that loses its power loses about as much.

What cannot be kept, because the disk or the spool is full, is told as lost, with the reason;
later parts are tried again. All of this blocks: it runs in threads, one at a time for each
recording.
"""

import os
import shutil
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from headwater.core.segment import MediaEvent, StreamPlan
from headwater.recording import layout
from headwater.recording.joiner import Init, Joiner, Placed, target_duration_s
from headwater.recording.layout import RecordedRendition
from headwater.recording.manifest import Manifest, manifest_of
from headwater.recording.playlists import RecordedSegment
from headwater.recording.records import (
    Cut,
    Described,
    End,
    Joined,
    Kept,
    Left,
    Opened,
    Piece,
    Record,
    Stored,
    line,
    parse,
)

JOURNAL = "journal"
OBJECTS = "objects"
SYNC_S = 1.0
"""Between two times that a recording is forced to the disk: what a loss of power may cost."""
REWRITE_S = 1.0
"""Between two tries to write a journal whose disk is full."""
MAX_UNWRITTEN = 200_000
"""Records of a journal whose disk is full, about 50 MB; hours of a stream."""
SPOOL_FULL = "the spool was full"
CUT_OFF = "the machine went down before it was on the disk"


class Budget:
    """The bytes that all recordings of a server may have in the spool."""

    def __init__(self, max_bytes: int) -> None:
        """Nothing is used."""
        self._max_bytes = max_bytes
        self._used_bytes = 0
        self._lock = threading.Lock()

    @property
    def used_bytes(self) -> int:
        """In the spool now."""
        return self._used_bytes

    def take(self, size_bytes: int) -> bool:
        """Use so many more; False: they would be too many."""
        with self._lock:
            if self._used_bytes + size_bytes > self._max_bytes:
                return False
            self._used_bytes += size_bytes
            return True

    def find(self, size_bytes: int) -> None:
        """So many are there already, whether they are too many or not."""
        with self._lock:
            self._used_bytes += size_bytes

    def give_back(self, size_bytes: int) -> None:
        """So many are in the spool no more."""
        with self._lock:
            self._used_bytes -= size_bytes


class Ready(Struct, frozen=True, kw_only=True):
    """An object that is complete, and can be stored."""

    key: str  # below the recording's prefix
    path: Path
    size_bytes: int
    rendition: str = ""  # of a segment
    segment: RecordedSegment | None = None
    complete_s: float = 0.0  # when (monotonic)


class Offer(Struct, frozen=True, kw_only=True):
    """A rendition that is to come, as far as it is known before its plan."""

    name: str
    position: int  # from 0, best first
    automatic: bool


class Spool:
    """One recording's folder."""

    def __init__(self, folder: Path, budget: Budget) -> None:
        """Made by `create` or `recover`."""
        self.folder = folder
        self.manifest = Manifest()
        self._budget = budget
        self._files: dict[str, int] = {}  # descriptors of open segments, by rendition
        self._journal = -1
        self._journal_bytes = 0
        self._unwritten: list[Record] = []  # the journal's disk is full
        self._rewrite_s = 0.0
        self._losing: dict[str, str] = {}  # renditions of which a part is lost, and why
        self._offers: dict[str, Offer] = {}
        self._joiner = Joiner()
        self._synced_s = 0.0
        self._objects = 0

    @classmethod
    def create(cls, folder: Path, budget: Budget, opened: Opened) -> "Spool":
        """A new recording's.

        Raises:
            OSError: the disk takes nothing.
        """
        spool = cls(folder, budget)
        (folder / OBJECTS).mkdir(parents=True, mode=0o700)
        spool._open_journal()
        spool._record(opened)
        spool._sync(force=True)
        return spool

    @classmethod
    def recover(cls, folder: Path, budget: Budget) -> tuple["Spool", list[Ready]]:
        """What a server that ended left, and what of it is to be stored.

        Segments that were open end with the last part that was told.

        Raises:
            JournalError: the journal cannot be read.
            OSError: likewise.
        """
        spool = cls(folder, budget)
        records, used_bytes = parse((folder / JOURNAL).read_bytes())
        spool.manifest = manifest_of(records)
        spool._open_journal()
        os.ftruncate(spool._journal, used_bytes)
        spool._journal_bytes = used_bytes
        spool._objects = sum(isinstance(each, Kept) for each in records)
        for track in spool.manifest.ordered():
            if track.open is not None:
                spool._repair(track.rendition.path)
                spool._record(End(rendition=track.rendition.path))
        budget.find(spool._size_bytes())
        return spool, spool._left_over()

    # A stream.

    def join(self, stream_id: str, at_ms: int, offers: Sequence[Offer]) -> None:
        """A stream's media follows."""
        manifest = self.manifest
        inits = {
            path: 1 + max((each.init_number or 0 for each in track.segments), default=-1)
            for path, track in manifest.tracks.items()
            if track.rendition.container == "FRAGMENTED_MP4"
        }
        self._joiner = Joiner(first_number=manifest.next_number(), next_inits=inits)
        self._losing.clear()
        self._offers = {each.name: each for each in offers}
        self._record(Joined(stream_id=stream_id, at_ms=at_ms))

    def push(self, events: Sequence[tuple[str, MediaEvent]], *, lost: str = "") -> list[Ready]:
        """Take the next events of its renditions; the objects that they complete.

        Args:
            events: a rendition's name and its event.
            lost: why their media cannot be kept.
        """
        ready: list[Ready] = []
        for name, event in events:
            if isinstance(event, StreamPlan):
                self._describe(name, event)
            for step in self._joiner.push(name, event):
                match step:
                    case Placed():
                        self._record(self._append(step.piece, step.payload, lost))
                    case Init():
                        name_ = layout.init_name(step.number)
                        ready += self._keep(layout.media_key(step.rendition, name_), step.data)
                    case End():
                        ready += self._end(step)
                    case _:
                        self._record(step)
        self._sync(force=False)
        return ready

    def leave(self, at_ms: int) -> list[Ready]:
        """The stream is over."""
        ready: list[Ready] = []
        for track in self.manifest.ordered():
            if track.open is not None:
                ready += self._end(End(rendition=track.rendition.path))
        self.note(Left(at_ms=at_ms))
        return ready

    # Objects.

    def put(self, key: str, body: bytes) -> list[Ready]:
        """Keep an object that is no segment until it is stored; nothing, if that cannot be."""
        return self._keep(key, body)

    def note(self, record: Record) -> None:
        """Tell something else of the recording."""
        self._record(record)
        self._sync(force=True)

    def stored(self, ready: Ready) -> None:
        """It is where it belongs: the spool needs it no more."""
        self._record(Stored(key=ready.key))
        self.drop(ready)

    def drop(self, ready: Ready) -> None:
        """It is not needed any more."""
        ready.path.unlink(missing_ok=True)
        self._budget.give_back(ready.size_bytes)
        if self._unwritten:
            self._write()  # there is room now

    def is_whole(self, ready: Ready) -> bool:
        """Whether its file is as it was written."""
        try:
            return ready.path.stat().st_size == ready.size_bytes
        except OSError:
            return False

    def remove(self) -> None:
        """The recording is over, and all of it is stored."""
        size_bytes = self._size_bytes()
        self.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        self._budget.give_back(size_bytes)

    def set_aside(self, folder: Path) -> None:
        """Move what could not be stored away, for people to look at."""
        size_bytes = self._size_bytes()
        self.close()
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.folder.rename(folder / self.folder.name)
        self._budget.give_back(size_bytes)

    def close(self) -> None:
        """Let go of the files; they stay as they are."""
        if self._unwritten:
            self._write()
        for descriptor in (*self._files.values(), self._journal):
            if descriptor >= 0:
                os.close(descriptor)
        self._files.clear()
        self._journal = -1

    # Within.

    def _describe(self, name: str, plan: StreamPlan) -> None:
        if name in self.manifest.tracks:
            return
        offer = self._offers[name]
        rendition = RecordedRendition(
            path=name,
            codecs=plan.codecs,
            width=plan.width,
            height=plan.height,
            frame_rate=plan.frame_rate,
            container=plan.container,
            target_duration_s=target_duration_s(plan),
        )
        self._record(
            Described(rendition=rendition, position=offer.position, automatic=offer.automatic)
        )

    def _append(self, piece: Piece, payload: bytes, lost: str) -> Piece:
        """Write a part behind the open segment's; what became of it.

        Behind one that is lost nothing can be played before the next key frame.
        """
        if not piece.begins_range:
            lost = lost or self._losing.get(piece.rendition, "")
        lost = lost or self._reason_against(piece, payload)
        if not lost:
            self._losing.pop(piece.rendition, None)
            return piece
        self._losing[piece.rendition] = lost
        return replace(piece, length_bytes=0, lost=lost)

    def _reason_against(self, piece: Piece, payload: bytes) -> str:
        """Why a part could not be written; "": it is."""
        if not self._budget.take(len(payload)):
            return SPOOL_FULL
        try:
            self._write_part(piece.rendition, payload)
        except OSError as error:
            self._budget.give_back(len(payload))
            return _reason(error)
        return ""

    def _write_part(self, path: str, payload: bytes) -> None:
        track = self.manifest.tracks[path]
        if track.open is None:
            raise RuntimeError("a part comes after the beginning of its segment")
        descriptor = self._files.get(path)
        if descriptor is None:
            file = self._path(track.segment_key(track.open.begin.number))
            file.parent.mkdir(exist_ok=True, mode=0o700)
            descriptor = self._files[path] = _open(file)
        _write_all(descriptor, payload, at_bytes=track.open.size_bytes)

    def _end(self, end: End) -> list[Ready]:
        descriptor = self._files.pop(end.rendition, None)
        if descriptor is not None:
            with suppress(OSError):  # what is not there is found out before it is stored
                os.fdatasync(descriptor)
            os.close(descriptor)
        segment = self._record(end)
        if segment is None or not segment.size_bytes:
            return []  # all of it is lost
        return [self._ready(end.rendition, segment)]

    def _ready(self, path: str, segment: RecordedSegment) -> Ready:
        key = self.manifest.tracks[path].segment_key(segment.number)
        return Ready(
            key=key,
            path=self._path(key),
            size_bytes=segment.size_bytes,
            rendition=path,
            segment=segment,
            complete_s=time.monotonic(),
        )

    def _keep(self, key: str, body: bytes) -> list[Ready]:
        if not self._budget.take(len(body)):
            return []
        number, self._objects = self._objects, self._objects + 1
        name = f"{OBJECTS}/{number}"
        try:
            (self.folder / name).write_bytes(body)
        except OSError:
            self._budget.give_back(len(body))
            return []
        self._record(Kept(key=key, size_bytes=len(body), file=name))
        return [Ready(key=key, path=self.folder / name, size_bytes=len(body))]

    def _path(self, key: str) -> Path:
        return self.folder / key.removeprefix(f"{layout.HLS_PATH}/")

    # The journal.

    def _open_journal(self) -> None:
        self._journal = _open(self.folder / JOURNAL)

    def _record(self, record: Record) -> RecordedSegment | None:
        """Tell it, now or when the disk takes it; the segment that it completes."""
        if len(self._unwritten) < MAX_UNWRITTEN:
            self._unwritten.append(record)
        if len(self._unwritten) == 1 or time.monotonic() >= self._rewrite_s:
            self._write()
        return self.manifest.apply(record)

    def _write(self) -> None:
        data = b"".join(map(line, self._unwritten))
        try:
            _write_all(self._journal, data, at_bytes=self._journal_bytes)
        except OSError:
            self._rewrite_s = time.monotonic() + REWRITE_S
            return
        self._journal_bytes += len(data)
        self._unwritten.clear()

    def _sync(self, *, force: bool) -> None:
        now_s = time.monotonic()
        if not force and now_s - self._synced_s < SYNC_S:
            return
        self._synced_s = now_s
        for descriptor in (*self._files.values(), self._journal):
            with suppress(OSError):  # what is not there is found out before it is stored
                os.fdatasync(descriptor)

    # After a kill.

    def _repair(self, path: str) -> None:
        """Let the open segment's file and the journal say the same."""
        track = self.manifest.tracks[path]
        if track.open is None:
            return
        file = self._path(track.segment_key(track.open.begin.number))
        have_bytes = file.stat().st_size if file.exists() else 0
        if have_bytes < track.open.size_bytes:
            self._record(Cut(rendition=path, size_bytes=have_bytes, lost=CUT_OFF))
        if have_bytes > track.open.size_bytes:
            os.truncate(file, track.open.size_bytes)

    def _left_over(self) -> list[Ready]:
        """What is not stored yet, in the order in which it was made."""
        ready = []
        for track in self.manifest.ordered():
            path = track.rendition.path
            for segment in list(track.segments):
                each = self._ready(path, segment)
                if each.key in self.manifest.stored or not each.size_bytes:
                    continue
                if self.is_whole(each):
                    ready.append((segment.number, each))
                else:
                    self.manifest.lose(path, segment.number, CUT_OFF)
        kept = [
            Ready(key=each.key, path=self.folder / each.file, size_bytes=each.size_bytes)
            for each in self.manifest.kept.values()
        ]
        ready.sort(key=lambda item: item[0])
        return [each for each in kept if self.is_whole(each)] + [each for _, each in ready]

    def _size_bytes(self) -> int:
        files = (file for file in self.folder.rglob("*") if file.is_file())
        return sum(file.stat().st_size for file in files if file.name != JOURNAL)


def _open(file: Path) -> int:
    return os.open(file, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _write_all(descriptor: int, data: bytes, *, at_bytes: int) -> None:
    """Write at a place; where that fails, nothing is behind it."""
    left, at = memoryview(data), at_bytes
    try:
        while left:
            written = os.pwrite(descriptor, left, at)
            left, at = left[written:], at + written
    except OSError:
        with suppress(OSError):
            os.ftruncate(descriptor, at_bytes)
        raise


def _reason(error: OSError) -> str:
    return f"the spool could not be written: {error.strerror or type(error).__name__}"
