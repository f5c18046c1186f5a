"""One stream's requests, in order: which pipeline is at work, and what Progress says.

idle --Begin--> working --Configure--> working (a new pipeline) --End--> over
"""

import time

import msgspec

from headwater.core.errors import PeerError
from headwater.core.packet import Packet
from headwater.media.ladder import Rendition
from headwater.media.transcode.encoders import LIBRARY_NAMES, Look, open_encoder
from headwater.media.transcode.output import Pipe
from headwater.media.transcode.pipeline import Pipeline
from headwater.media.transcode.policy import HARDWARE_LEVELS, LEVELS, Policy
from headwater.media.transcode.wire import (
    Begin,
    Configure,
    EncoderSettings,
    End,
    Finished,
    Media,
    Progress,
    Ready,
    Request,
)

PROGRESS_S = 1.0

_COUNTS = ("dropped_frames", "dropped_packets", "broken_packets")


class Session:
    """Does what the node asks for, one request after the other."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe
        self._pipeline: Pipeline | None = None
        self._settings = EncoderSettings()
        self._policy = Policy(LEVELS)
        self._before: Progress | None = None  # the last of the pipelines that are over
        self._next_progress_s = time.monotonic() + PROGRESS_S

    def handle(self, request: Request) -> bool:
        """Do it; whether more may come.

        Raises:
            PeerError: requests in a wrong order.
            EncoderError: the encoder does not open on this machine.
        """
        match request:
            case Media(packet=packet):
                self._put(packet)
            case Begin():
                self._begin(request)
            case Configure(source=source, renditions=renditions):
                self._finish()
                self._pipeline = Pipeline(
                    source, renditions, self._settings, self._policy, self._pipe.send
                )
            case End():
                self._finish()
                self._pipe.send(self._progress())
                self._pipe.send(Finished())
                return False
        return True

    def _begin(self, begin: Begin) -> None:
        if self._pipeline is not None:
            raise PeerError("a second Begin")
        settings = self._settings = begin.settings
        self._policy = Policy(LEVELS if settings.encoder == "x264" else HARDWARE_LEVELS)
        _try_encoder(begin.renditions, settings)
        self._pipe.send(Ready(encoder=LIBRARY_NAMES[settings.encoder]))
        self._pipeline = Pipeline(
            begin.source, begin.renditions, settings, self._policy, self._pipe.send
        )

    def _put(self, packet: Packet) -> None:
        if self._pipeline is None:
            raise PeerError("media before Begin")
        while not self._pipeline.put(packet, self.until_progress_s()):
            self.tick()

    def _finish(self) -> None:
        if self._pipeline is None:
            raise PeerError("Configure or End before Begin")
        while not self._pipeline.finish(self.until_progress_s()):
            self.tick()
        self._before = self._progress()
        self._pipeline = None

    def until_progress_s(self) -> float:
        """How long until the next Progress is due."""
        return max(0.0, self._next_progress_s - time.monotonic())

    def tick(self) -> None:
        """Send Progress if it is due."""
        now_s = time.monotonic()
        if now_s >= self._next_progress_s:
            self._next_progress_s = now_s + PROGRESS_S
            self._pipe.send(self._progress())

    def _progress(self) -> Progress:
        if self._pipeline is None:
            return self._before or Progress()
        now = self._pipeline.progress()
        if self._before is None:
            return now
        sums = {name: getattr(self._before, name) + getattr(now, name) for name in _COUNTS}
        return msgspec.structs.replace(now, **sums)


def _try_encoder(renditions: tuple[Rendition, ...], settings: EncoderSettings) -> None:
    """Open the largest rendition's encoder once: better to fail now than at a frame."""
    encoded = [each for each in renditions if each.video_bps is not None]
    if encoded:
        largest = max(encoded, key=lambda each: each.width * each.height)
        open_encoder(largest, settings, Look(), settings.preset)
