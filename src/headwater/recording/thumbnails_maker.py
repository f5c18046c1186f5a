"""The thumbnails of one recording: key frames in, JPEG files out, in the order of time.

A picture that cannot be made is left out, and gets no number: SEQUENTIAL thumbnails have no
gaps, as IVS's have none.
"""

import asyncio
from collections.abc import Awaitable, Callable

from headwater.recording.layout import LATEST_THUMBNAIL_KEY, ThumbnailSize, thumbnail_key
from headwater.recording.pictures import (
    KeyFrame,
    Put,
    ThumbnailerFactory,
    ThumbnailWishes,
)
from headwater.recording.thumbnails import (
    ThumbnailPlan,
    ThumbnailSchedule,
    thumbnail_plan,
    thumbnail_source,
)

Draw = Callable[[bytes, ThumbnailSize], Awaitable[bytes | None]]
"""Makes a JPEG of that size of the key frame that the media begins with (MPEG-TS, or MP4 with
its init segment); None: it cannot be had. One that is asked for earlier is done earlier."""


def thumbnailers(draw: Draw) -> ThumbnailerFactory:
    """What the recorder makes its thumbnailers with."""

    def make(wishes: ThumbnailWishes, put: Put) -> ThumbnailMaker | None:
        plan = thumbnail_plan(wishes.configuration)
        if plan is None or not wishes.sources:
            return None
        return ThumbnailMaker(plan, wishes, draw=draw, put=put)

    return make


class ThumbnailMaker:
    """A recording's Thumbnailer."""

    def __init__(
        self, plan: ThumbnailPlan, wishes: ThumbnailWishes, *, draw: Draw, put: Put
    ) -> None:
        """No key frame has come; `wishes` has at least one source."""
        self._plan = plan
        self._draw = draw
        self._put = put
        source, self._size = thumbnail_source(plan.resolution, wishes.sources)
        self._rendition = source.name
        self._schedule = ThumbnailSchedule(plan.interval_ms, wishes.next_at_ms)
        self._number = wishes.first_number
        self._last: asyncio.Task[None] | None = None

    def push(self, frame: KeyFrame) -> None:
        """Begin a thumbnail of it if one is due."""
        if frame.rendition != self._rendition or not self._schedule.wants(frame.at_ms):
            return
        self._last = asyncio.create_task(self._make(frame, self._last))

    def sequential(self) -> ThumbnailSize | None:
        """The size of the numbered ones."""
        return self._size if self._plan.sequential else None

    def latest(self) -> ThumbnailSize | None:
        """The size of the one that is overwritten."""
        return self._size if self._plan.latest else None

    async def close(self) -> None:
        """Wait for what is being made; its time has a bound."""
        if self._last is not None:
            await asyncio.wait([self._last])

    async def _make(self, frame: KeyFrame, before: "asyncio.Task[None] | None") -> None:
        jpeg = await self._draw((frame.init or b"") + frame.payload, self._size)
        if before is not None:
            await asyncio.wait([before])
        if jpeg is None:
            return
        if self._plan.sequential:
            self._put(thumbnail_key(self._number), jpeg)
            self._number += 1
        if self._plan.latest:
            self._put(LATEST_THUMBNAIL_KEY, jpeg)
