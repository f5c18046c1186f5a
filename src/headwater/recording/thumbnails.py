"""Which pictures of a recording become thumbnails, and how large they are. Pure.

Source: IVS API reference, ThumbnailConfiguration; "Auto-Record to Amazon S3" of the IVS user
guide (thumbnails are taken at key frames; SEQUENTIAL ones are numbered from 0, LATEST is one
object that is overwritten).
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from msgspec import Struct

from headwater.recording.layout import ThumbnailSize
from headwater.recording.pictures import PictureSource

RESOLUTIONS: Mapping[str, tuple[int, int]] = MappingProxyType(
    {
        "LOWEST_RESOLUTION": (1, 360),
        "SD": (361, 480),
        "HD": (481, 720),
        "FULL_HD": (721, 1080),
    }
)
"""The shorter edge in pixels, from and to, of each resolution's name."""

DEFAULT_INTERVAL_S = 60


class ThumbnailPlan(Struct, frozen=True, kw_only=True):
    """What a recording configuration wants."""

    interval_ms: int
    sequential: bool  # each as an object of its own
    latest: bool  # the newest as one object
    resolution: str | None  # a name of RESOLUTIONS; None: the largest picture, as it is


def thumbnail_plan(configuration: Mapping[str, Any]) -> ThumbnailPlan | None:
    """What a thumbnailConfiguration wants; None: no thumbnails.

    Args:
        configuration: with the API's names; what is missing has the API's defaults.
    """
    if configuration.get("recordingMode", "INTERVAL") == "DISABLED":
        return None
    storage = configuration.get("storage") or ["SEQUENTIAL"]
    return ThumbnailPlan(
        interval_ms=1000 * configuration.get("targetIntervalSeconds", DEFAULT_INTERVAL_S),
        sequential="SEQUENTIAL" in storage,
        latest="LATEST" in storage,
        resolution=configuration.get("resolution"),
    )


def thumbnail_source(
    resolution: str | None, sources: Sequence[PictureSource]
) -> tuple[PictureSource, ThumbnailSize]:
    """The rendition that thumbnails are taken of, and their size.

    The largest rendition within the resolution; else a smaller copy of the nearest one above
    it; else, where all are smaller, the largest there is. LOWEST_RESOLUTION is the smallest
    rendition, made no larger than the name allows.

    Args:
        resolution: a name of RESOLUTIONS; None: the largest picture, as it is.
        sources: at least one, in any order.
    """
    by_size = sorted(sources, key=_edge)
    if resolution is None:
        return by_size[-1], _size(by_size[-1], _edge(by_size[-1]))
    least, most = RESOLUTIONS[resolution]
    fitting = [each for each in by_size if least <= _edge(each) <= most]
    larger = [each for each in by_size if _edge(each) > most]
    if resolution == "LOWEST_RESOLUTION":
        chosen = by_size[0]
    else:
        chosen = [*by_size, *larger[:1], *fitting][-1]
    return chosen, _size(chosen, most)


class ThumbnailSchedule:
    """Says of each key frame whether it becomes a thumbnail.

    One is due at the first key frame at or behind each interval's end: a late one does not
    put the later ones off.
    """

    def __init__(self, interval_ms: int, first_due_ms: int = 0) -> None:
        """No key frame has come.

        Args:
            interval_ms: 1000 to 60_000.
            first_due_ms: when the first one is due, by the clock of `wants`.
        """
        self._interval_ms = interval_ms
        self._due_ms = first_due_ms

    def wants(self, at_ms: int) -> bool:
        """Whether the key frame of this time, which never goes back, becomes a thumbnail."""
        late_ms = at_ms - self._due_ms
        if late_ms < 0:
            return False
        self._due_ms += (late_ms // self._interval_ms + 1) * self._interval_ms
        return True


def _edge(source: PictureSource) -> int:
    return min(source.width, source.height)


def _size(source: PictureSource, most: int) -> ThumbnailSize:
    """With a shorter edge of at most `most`, in the same shape; a smaller copy has even sides."""
    edge = _edge(source)
    if edge <= most:
        return ThumbnailSize(width=source.width, height=source.height)
    width, height = (
        max(2, 2 * round(side * most / edge / 2)) for side in (source.width, source.height)
    )
    return ThumbnailSize(width=width, height=height)
