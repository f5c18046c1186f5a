"""The way out: answers from all threads into one pipe, each rendition's in the right order.

held --(both tracks known: Tracks, then what was held)--> open
"""

import os
import threading
from collections.abc import Callable

from msgspec import Struct

from headwater.core.packet import Packet
from headwater.core.track import AudioTrack, TrackSet, VideoTrack
from headwater.media.transcode.wire import Answer, Encoded, Tracks, write_message

MAX_HELD_PACKETS = 1000  # of sound, 20 s: no picture within that never comes


class Pipe:
    """Writes whole messages, whoever calls. Blocks while the node does not read."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()

    def send(self, message: Answer) -> None:
        """Write one.

        Raises:
            BrokenPipeError: nobody reads any more.
        """
        data = memoryview(write_message(message))
        with self._lock:
            while data:
                data = data[os.write(self._descriptor, data) :]


class _Lane(Struct, kw_only=True):
    """One rendition's way."""

    video: VideoTrack | None = None
    audio: AudioTrack | None
    needs_video: bool
    is_open: bool = False
    held: list[Packet]


class Output:
    """Puts Tracks before packets, for each rendition."""

    def __init__(
        self,
        send: Callable[[Answer], None],
        lanes: list[tuple[bool, AudioTrack | None]],
        *,
        source: TrackSet,
    ) -> None:
        """`lanes`: for each rendition whether it has a picture, and its sound."""
        self._send = send
        self._lock = threading.Lock()
        self._source = source
        self._lanes = [
            _Lane(audio=audio, needs_video=needs_video, held=[]) for needs_video, audio in lanes
        ]
        for index, lane in enumerate(self._lanes):
            if not lane.needs_video:
                self._open(index, lane)

    def video_track(self, index: int, track: VideoTrack) -> None:
        """The rendition's picture has this configuration from here on."""
        with self._lock:
            lane = self._lanes[index]
            if lane.video == track:
                return
            lane.video = track
            self._open(index, lane)

    def _open(self, index: int, lane: _Lane) -> None:
        tracks = TrackSet(
            video=lane.video,
            audio=lane.audio,
            discontinuity=self._source.discontinuity or lane.is_open,
            times_go_on=self._source.times_go_on and not lane.is_open,
        )
        self._send(Tracks(renditions=(index,), tracks=tracks))
        lane.is_open = True
        for packet in lane.held:
            self._send(Encoded(renditions=(index,), packet=packet))
        lane.held.clear()

    def video(self, index: int, packet: Packet) -> None:
        """A rendition's next picture, behind its track."""
        self._send(Encoded(renditions=(index,), packet=packet))

    def audio(self, indices: tuple[int, ...], packet: Packet) -> None:
        """The next sound of these renditions."""
        with self._lock:
            ready = tuple(index for index in indices if self._lanes[index].is_open)
            for index in indices:
                lane = self._lanes[index]
                if not lane.is_open and len(lane.held) < MAX_HELD_PACKETS:
                    lane.held.append(packet)
            if ready:
                self._send(Encoded(renditions=ready, packet=packet))
