"""Which decoded frames become key frames, and which are left out. Pure.

Both are decided once for all renditions, so that they agree to the tick.
"""

from collections.abc import Iterable

from headwater.core.track import VIDEO_TIMESCALE
from headwater.media.ladder import Rendition

_ROUNDING_TICKS = VIDEO_TIMESCALE // 1000  # RTMP's times are whole milliseconds
_DEFAULT_INTERVAL_TICKS = VIDEO_TIMESCALE // 30


class KeyFrames:
    """Where key frames go.

    Without an interval: exactly where the input has them. With one, as far apart at most;
    the input's are taken where at least half of it has passed since the last, so that an
    input whose GOP is just above it does not give pairs of key frames.
    """

    def __init__(self, interval_ms: int | None) -> None:
        self._interval = None if interval_ms is None else interval_ms * VIDEO_TIMESCALE // 1000
        self._last_key: int | None = None
        self._last_pts: int | None = None
        self._frame = _DEFAULT_INTERVAL_TICKS

    def decide(self, pts: int, *, source_key: bool) -> bool:
        """Whether the frame at `pts` (ticks; frames come in this order) is a key frame."""
        if self._last_pts is not None:
            self._frame = pts - self._last_pts
        self._last_pts = pts
        key = self._is_key(pts, source_key=source_key)
        if key:
            self._last_key = pts
        return key

    def _is_key(self, pts: int, *, source_key: bool) -> bool:
        if self._last_key is None or self._interval is None:
            return source_key or self._last_key is None
        since = pts - self._last_key
        if source_key and 2 * since >= self._interval:
            return True
        return since + self._frame > self._interval + _ROUNDING_TICKS


class Cadence:
    """Leaves frames out evenly. Key frames always stay and start the count anew.

    It goes by time, not by number, so that a frame lost on the way does not turn the
    pattern into a limp.
    """

    def __init__(self, renditions: Iterable[Rendition]) -> None:
        self._shortest: dict[int, int] = {}  # every -> ticks between frames that are kept
        for each in renditions:
            interval = _DEFAULT_INTERVAL_TICKS
            if each.frame_rate is not None:
                source_rate = float(each.frame_rate) * each.every
                interval = round(VIDEO_TIMESCALE / source_rate)
            self._shortest[each.every] = (2 * each.every - 1) * interval // 2
        self._kept: dict[int, int] = {}

    def keep(self, pts: int, *, key: bool) -> frozenset[int]:
        """For which `every` the frame at `pts` is kept."""
        kept = frozenset(
            every
            for every, shortest in self._shortest.items()
            if key or every == 1 or every not in self._kept or pts - self._kept[every] >= shortest
        )
        for every in kept:
            self._kept[every] = pts
        return kept
