"""The encoder's clock: wire milliseconds to positions that never jump.

Seen on real encoders: wraps at 2**32, 2**31 and 2**24 ms, a top bit that is sometimes
set, resets to 0, steps of hours, tracks that start 10**6 ms apart.

Every track has its own last wire time and position. What follows it within bounds is
continuous. What does not either follows the other track over a jump it made before, or
ends a pause that the other track filled, or is a jump: the position goes on right behind
what is there already, and the caller learns of it.
"""

from msgspec import Struct

from headwater.core.encoded import Kind

WIRE_PERIOD_MS = 1 << 31  # compared in 31 bits: covers wraps at 2**31, 2**32, a stray top bit
SHORT_PERIOD_MS = 1 << 24  # encoders that lose the extended timestamp
BACKWARD_MS = 250  # a step back up to this is jitter of the encoder, not a new timeline
FORWARD_MS = 1500  # 1 frame a second is still continuous
SLOW_FRAME_MS = 10_000  # frame intervals up to this are remembered as the track's normal pace
INTERLEAVE_MS = 5000  # how far tracks of one timeline may lie apart
DEFAULT_INTERVAL_MS = 33


class Placed(Struct, frozen=True, kw_only=True):
    """Where a frame lies."""

    position_ms: int  # of its decode time; may step back by up to BACKWARD_MS
    jumped: bool  # the encoder's times do not continue what came before


class _Track(Struct, kw_only=True):
    wire_ms: int  # of the latest frame so far
    position_ms: int
    interval_ms: int = DEFAULT_INTERVAL_MS
    epoch: int = 0  # how many jumps this track has followed or made


class EncoderClock:
    """Places the frames of both tracks on one line of positions that starts at 0."""

    def __init__(self) -> None:
        self._tracks: dict[Kind, _Track] = {}

    def place(self, kind: Kind, timestamp_ms: int) -> Placed:
        """The position of the next frame of a track, in the order of arrival."""
        own = self._tracks.get(kind)
        other = self._tracks.get("audio" if kind == "video" else "video")
        if own is None:
            return self._first(kind, timestamp_ms, other)
        step_ms = _step_ms(own, timestamp_ms)
        if _follows(own, step_ms):
            return self._advance(own, timestamp_ms, own.position_ms + step_ms)
        if other is not None:
            apart_ms = _step_ms(other, timestamp_ms)
            behind_a_jump = other.epoch > own.epoch and abs(apart_ms) <= INTERLEAVE_MS
            forward = other.position_ms + apart_ms > own.position_ms
            after_a_pause = step_ms > 0 and forward and abs(apart_ms) <= FORWARD_MS
            if behind_a_jump or after_a_pause:
                own.epoch = max(own.epoch, other.epoch)
                return self._advance(own, timestamp_ms, other.position_ms + apart_ms)
        return self._jump(own, other, timestamp_ms, step_ms)

    def _first(self, kind: Kind, timestamp_ms: int, other: _Track | None) -> Placed:
        position_ms = 0
        if other is not None:
            apart_ms = _step_ms(other, timestamp_ms)
            # Further apart they run on two clocks: all one can do is start them together.
            position_ms = other.position_ms + (apart_ms if abs(apart_ms) <= INTERLEAVE_MS else 0)
        self._tracks[kind] = _Track(
            wire_ms=timestamp_ms, position_ms=position_ms, epoch=other.epoch if other else 0
        )
        return Placed(position_ms=position_ms, jumped=False)

    def _advance(self, own: _Track, timestamp_ms: int, position_ms: int) -> Placed:
        if position_ms > own.position_ms:
            own.interval_ms = min(position_ms - own.position_ms, SLOW_FRAME_MS)
            own.wire_ms, own.position_ms = timestamp_ms, position_ms
        # Else keep the latest: steps back that add up become a jump.
        return Placed(position_ms=position_ms, jumped=False)

    def _jump(self, own: _Track, other: _Track | None, timestamp_ms: int, step_ms: int) -> Placed:
        following_ms = own.position_ms + own.interval_ms
        own.position_ms = max(following_ms, other.position_ms if other else following_ms)
        own.epoch = max(own.epoch, other.epoch if other else 0) + 1
        own.wire_ms = timestamp_ms
        if 0 < step_ms <= SLOW_FRAME_MS:  # perhaps its normal pace from here on
            own.interval_ms = step_ms
        return Placed(position_ms=own.position_ms, jumped=True)


def _follows(track: _Track, step_ms: int) -> bool:
    return -BACKWARD_MS <= step_ms <= max(FORWARD_MS, 2 * track.interval_ms)


def _step_ms(track: _Track, timestamp_ms: int) -> int:
    """Signed way from the track's latest wire time, over wraps."""
    step_ms = _signed(timestamp_ms - track.wire_ms, WIRE_PERIOD_MS)
    if not _follows(track, step_ms):
        short_ms = _signed(timestamp_ms - track.wire_ms, SHORT_PERIOD_MS)
        if -BACKWARD_MS <= short_ms <= FORWARD_MS:
            return short_ms
    return step_ms


def _signed(difference_ms: int, period_ms: int) -> int:
    return (difference_ms + period_ms // 2) % period_ms - period_ms // 2
