"""What streams were like, second by second, for the last KEPT_S: charts are made of it.

    broadcasts --once a second--> SeriesLog --> one Series for each stream

A second of a stream takes 19 bytes: three hours of it 205 kB, and with the slack and what
arrays hold in reserve a stream never has more than 250 kB. Series of streams that are over
stay until they are KEPT_S old, or until there is too much of them. `history` keeps them over a
restart.

Pure: the time is given. Seconds are Unix time; only those that are over are kept.
"""

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from headwater.core.encoded import Kind
from headwater.media.measure import Reading, Second
from headwater.shapes.scalars import StreamHealth
from headwater.store.records import ChannelRecord, Scope

KEPT_S = 3 * 3600
"""CloudWatch keeps data of a second for so long."""
SLACK_S = 600
"""A full series is shortened by so much at a time: moving it costs something."""
MAX_ENDED = 2000
"""Series of streams that are over: encoders that come and go make many short ones."""
MAX_ENDED_S = 2_000_000
"""Their seconds together: about 40 MB."""

HEALTHY, STARVING, UNKNOWN = 1, 2, 3
CODES: Mapping[str, int] = {
    "HEALTHY": HEALTHY,
    "STARVING": STARVING,
    "UNKNOWN": UNKNOWN,
}
HEALTH_BITS = 0x0F
"""Of a row's state: one of CODES while the stream is live, else 0."""
HAS_VIDEO = 0x10
HAS_AUDIO = 0x20
IS_RECORDED = 0x40

_MAX_16 = 0xFFFF
_MAX_32 = 0xFFFFFFFF


class Row(Struct, frozen=True, kw_only=True):
    """One second of one stream."""

    video_bytes: int = 0
    audio_bytes: int = 0
    frames: int = 0  # pictures
    keyframe_ms: int = 0  # the longest interval that ended in it; 0: none did
    viewers: int = 0
    state: int = 0  # HEALTH_BITS, HAS_VIDEO, HAS_AUDIO, IS_RECORDED


class Series:
    """One stream's seconds without a gap, oldest first."""

    __slots__ = (
        "audio_bytes",
        "channel_id",
        "delivered_s",
        "first_s",
        "frames",
        "keyframe_ms",
        "live_s",
        "recorded_s",
        "saved_s",
        "scope",
        "state",
        "stream_id",
        "video_bytes",
        "viewers",
    )

    def __init__(self, scope: Scope, channel_id: str, stream_id: str, first_s: int) -> None:
        self.scope = scope
        self.channel_id = channel_id
        self.stream_id = stream_id
        self.first_s = first_s  # of what is still there
        self.saved_s = first_s  # what is before it is on the disk
        self.video_bytes = array("I")
        self.audio_bytes = array("I")
        self.frames = array("H")
        self.keyframe_ms = array("I")
        self.viewers = array("I")
        self.state = array("B")
        # Since it began, whatever is still there:
        self.live_s = 0
        self.delivered_s = 0  # to all viewers together
        self.recorded_s = 0

    def __len__(self) -> int:
        """Seconds that are there."""
        return len(self.state)

    @property
    def end_s(self) -> int:
        """The second behind its last."""
        return self.first_s + len(self)

    def push(self, row: Row) -> None:
        """The next second; what is out of all proportion is cut off."""
        self.video_bytes.append(min(row.video_bytes, _MAX_32))
        self.audio_bytes.append(min(row.audio_bytes, _MAX_32))
        self.frames.append(min(row.frames, _MAX_16))
        self.keyframe_ms.append(min(row.keyframe_ms, _MAX_32))
        self.viewers.append(min(row.viewers, _MAX_32))
        self.state.append(row.state)
        if row.state & HEALTH_BITS:
            self.live_s += 1
            self.delivered_s += row.viewers
            self.recorded_s += bool(row.state & IS_RECORDED)
        if len(self) >= KEPT_S + SLACK_S:
            self.forget(SLACK_S)

    def forget(self, seconds: int) -> None:
        """The oldest are no longer wanted."""
        for column in self._columns():
            del column[:seconds]
        self.first_s += seconds

    def rows(self, first_s: int, end_s: int) -> slice:
        """Which of its rows lie in that time."""
        begin = min(max(0, first_s - self.first_s), len(self))
        return slice(begin, min(max(begin, end_s - self.first_s), len(self)))

    def columns_since(self, first_s: int) -> tuple[bytes, ...]:
        """Its rows from then on, each column's bytes."""
        rows = self.rows(first_s, self.end_s)
        return tuple(column[rows].tobytes() for column in self._columns())

    @staticmethod
    def fits(columns: Sequence[bytes]) -> bool:
        """Whether they are whole columns of equally many rows."""
        lengths = [*map(len, columns)]
        rows = lengths[-1] // _SIZES[-1] if lengths else 0
        return lengths == [rows * size for size in _SIZES]

    def extend(self, columns: Sequence[bytes]) -> None:
        """Add rows that `columns_since` gave, which follow its last."""
        for column, added in zip(self._columns(), columns, strict=True):
            column.frombytes(added)
        if len(self) >= KEPT_S + SLACK_S:
            self.forget(len(self) - KEPT_S)
        self.saved_s = self.end_s

    def _columns(self) -> "tuple[array[int], ...]":
        return (
            self.video_bytes,
            self.audio_bytes,
            self.frames,
            self.keyframe_ms,
            self.viewers,
            self.state,
        )


_SIZES = tuple(array(code).itemsize for code in "IIHIIB")
"""Bytes of a number in each column."""


class Stream(Protocol):
    """What is asked of a broadcast."""

    @property
    def channel(self) -> ChannelRecord:
        """The channel as it was when the encoder was let in."""

    @property
    def stream_id(self) -> str:
        """No other stream has it."""

    @property
    def is_live(self) -> bool:
        """Viewers can be served."""

    @property
    def is_recorded(self) -> bool:
        """What comes is being recorded."""

    def health(self) -> StreamHealth:
        """How the encoder keeps up."""

    def viewer_count(self) -> int:
        """Viewers watching now."""

    def measured(self) -> dict[Kind, Reading]:
        """What each track is, second by second."""


class SeriesLog:
    """The series of every stream that is on, or was lately."""

    def __init__(self) -> None:
        self._on: dict[str, Series] = {}  # by stream
        self._ended: dict[str, Series] = {}  # the oldest end first
        self._ended_s = 0

    def look(self, streams: Iterable[Stream], now_ms: int) -> None:
        """Write down what the seconds brought that are over by now; about once a second."""
        on = {}
        for stream in streams:
            measured = stream.measured()
            if not measured:
                continue  # nothing came yet
            series = self._on.pop(stream.stream_id, None) or _begun(stream, measured)
            _follow(series, stream, measured, now_ms // 1000)
            on[stream.stream_id] = series
        for series in self._on.values():
            self._end(series)
        self._on = on
        self._forget(now_ms // 1000 - KEPT_S)

    def restore(self, ended: Iterable[Series], now_ms: int) -> None:
        """Take over series of an earlier run; its streams are over."""
        for series in sorted(ended, key=lambda each: each.end_s):
            self._end(series)
        self._forget(now_ms // 1000 - KEPT_S)

    def series(self, scope: Scope) -> list[Series]:
        """All of a scope, in no certain order."""
        return [each for each in self if each.scope == scope]

    def of(self, stream_id: str) -> Series | None:
        """A stream's, while it is on."""
        return self._on.get(stream_id)

    def __iter__(self) -> Iterator[Series]:
        """All."""
        yield from self._on.values()
        yield from self._ended.values()

    def _end(self, series: Series) -> None:
        self._ended[series.stream_id] = series
        self._ended_s += len(series)

    def _forget(self, before_s: int) -> None:
        while self._ended:
            oldest = next(iter(self._ended.values()))
            too_much = len(self._ended) > MAX_ENDED or self._ended_s > MAX_ENDED_S
            if oldest.end_s > before_s and not too_much:
                break
            del self._ended[oldest.stream_id]
            self._ended_s -= len(oldest)


def _begun(stream: Stream, measured: Mapping[Kind, Reading]) -> Series:
    channel = stream.channel
    first_s = min(each.since_ms for each in measured.values()) // 1000
    return Series(channel.scope, channel.id, stream.stream_id, first_s)


def _state(stream: Stream, measured: Mapping[Kind, Reading]) -> int:
    state = CODES[stream.health()] if stream.is_live else 0
    state |= HAS_VIDEO * ("video" in measured) | HAS_AUDIO * ("audio" in measured)
    return state | IS_RECORDED * stream.is_recorded


def _follow(series: Series, stream: Stream, measured: Mapping[Kind, Reading], now_s: int) -> None:
    """Push the seconds that are over."""
    if now_s - series.end_s > KEPT_S:  # somebody has set the clock, or the machine slept
        series.forget(len(series))
        series.first_s = now_s - 1
    video, audio = _by_start(measured.get("video")), _by_start(measured.get("audio"))
    state = _state(stream, measured)
    viewers = stream.viewer_count() if stream.is_live else 0
    for second_s in range(series.end_s, now_s):
        picture, sound = video.get(second_s), audio.get(second_s)
        series.push(
            Row(
                video_bytes=picture.payload_bytes if picture else 0,
                audio_bytes=sound.payload_bytes if sound else 0,
                frames=picture.frames if picture else 0,
                keyframe_ms=(picture.keyframe_interval_ms or 0) if picture else 0,
                viewers=viewers,
                state=state,
            )
        )


def _by_start(reading: Reading | None) -> dict[int, Second]:
    return {each.start_ms // 1000: each for each in reading.seconds} if reading else {}
