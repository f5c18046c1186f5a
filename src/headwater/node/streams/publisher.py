"""One encoder's connection, as the stream that it publishes to sees it.

    candidate --(its tracks are known, and fit)--> publisher -> gone
    publisher (the first, or one that comes back) -> gone

What it sends is repaired here, by its own clock: encoders that follow each other share none.
A candidate wants to take a stream over. It is no part of it, and cannot do it any harm, until
its first tracks are known: only then does `Stream.receive` get anything of it.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

from headwater.core.encoded import CodecConfig, EncodedFrame, EncoderMetadata
from headwater.core.errors import MediaError, PeerError
from headwater.core.packet import Packet
from headwater.core.track import TrackSet
from headwater.media.pace import Pace
from headwater.media.timeline import Timeline

log = structlog.get_logger(__name__)


class Stream(Protocol):
    """Where publishers' media goes."""

    stream_id: str

    def receive(
        self,
        publisher: "Publisher",
        sent: CodecConfig | EncodedFrame,
        items: Sequence[TrackSet | Packet],
        now_ms: int,
    ) -> None:
        """What came, and what was decided by it; raises PeerError if it cannot be taken."""

    def unusable(self, publisher: "Publisher", error: PeerError) -> None:
        """What it sends cannot be taken; its end follows."""

    def describe(self, publisher: "Publisher") -> None:
        """It says something else of itself now."""

    def left(self, publisher: "Publisher", reason: str, *, on_purpose: bool) -> None:
        """Its connection is over."""


class Publisher:
    """Ingest's Publisher."""

    def __init__(
        self, stream: Stream, *, stop: Callable[[str], None], priority: int, now_ms: int
    ) -> None:
        """Nothing has come yet.

        Args:
            stream: that it publishes to, or wants to.
            stop: ends the connection.
            priority: that it came with; 0: none.
            now_ms: the time (Unix ms).
        """
        self.disconnect = stop
        self.priority = priority
        self.metadata = EncoderMetadata(values={})
        self.last_seen_ms = now_ms  # media, or its connection
        self.began_ms: int | None = None  # when the first frame came that a decoder can begin with
        self._stream = stream
        self._pace = Pace()
        self._timeline = Timeline()

    def receive(self, item: CodecConfig | EncodedFrame | EncoderMetadata, now_ms: int) -> None:
        """Take what the encoder sent; raises PeerError if it cannot be used."""
        if isinstance(item, EncoderMetadata):
            self.metadata = item
            self._stream.describe(self)
            return
        self.last_seen_ms = now_ms
        try:
            paced = self._paced(item, now_ms)
            items = self._timeline.push(paced)
        except PeerError as error:
            self._stream.unusable(self, error)
            raise
        self._stream.receive(self, paced, items, now_ms)

    def refused(self, error: MediaError) -> None:
        """The encoder sent media of a kind that nobody here takes; the end follows."""
        self._stream.unusable(self, error)

    def ended(self, reason: str, *, on_purpose: bool) -> None:
        """The connection is over."""
        self._stream.left(self, reason, on_purpose=on_purpose)

    def _paced(self, item: CodecConfig | EncodedFrame, now_ms: int) -> CodecConfig | EncodedFrame:
        """The same, with a time that can be used."""
        if isinstance(item, CodecConfig):
            self._pace.configure(item)
            return item
        if self.began_ms is None and item.kind == "video" and item.keyframe:
            self.began_ms = now_ms
        trusted = not self._pace.by_arrival
        frame = self._pace.pass_on(item, now_ms)
        if trusted and self._pace.by_arrival:
            log.warning(
                "encoder's clock runs at a wrong rate: times of arrival are used",
                stream=self._stream.stream_id,
            )
        return frame
