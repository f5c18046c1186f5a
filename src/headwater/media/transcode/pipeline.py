"""One input configuration's decoders, encoders and threads, put together.

running --(finish)--> finishing --(every thread is through)--> over
"""

import threading
import time
from collections.abc import Callable

from headwater.core.packet import Packet
from headwater.core.track import AudioTrack, TrackSet
from headwater.media.ladder import Rendition
from headwater.media.transcode.audio import AudioLine, encoded_track
from headwater.media.transcode.output import Output
from headwater.media.transcode.policy import Policy
from headwater.media.transcode.video import VideoLine
from headwater.media.transcode.wire import Answer, EncoderSettings, Progress


class Pipeline:
    """Takes packets, sends Tracks and Encoded."""

    def __init__(
        self,
        source: TrackSet,
        renditions: tuple[Rendition, ...],
        settings: EncoderSettings,
        policy: Policy,
        send: Callable[[Answer], None],
    ) -> None:
        """`send` is called from many threads and may block."""
        self._received_pts: int | None = None
        output = Output(send, _lanes(source, renditions), source=source)
        pictures = [(index, each) for index, each in enumerate(renditions) if each.width]
        self._policy = policy
        self._video: VideoLine | None = None
        self._audio: AudioLine | None = None
        self._threads: list[threading.Thread] = []
        if source.video is not None and pictures:
            self._video = VideoLine(source.video, pictures, settings, policy, output)
            self._threads += self._video.threads(time.monotonic)
        if source.audio is not None:
            self._audio = AudioLine(source.audio, renditions, output, live=settings.live)
            self._threads.append(threading.Thread(target=self._audio.run, name="sound"))
        for thread in self._threads:
            thread.daemon = True  # the process may always exit
            thread.start()

    def put(self, packet: Packet, timeout_s: float) -> bool:
        """Take a packet; False when there was no room for so long (never when live)."""
        line = self._video if packet.kind == "video" else self._audio
        if line is None:
            return True
        if not line.waiting.put(packet, timeout_s):
            return False
        if packet.kind == "video":
            self._received_pts = max(packet.pts, self._received_pts or 0)
        return True

    def finish(self, timeout_s: float) -> bool:
        """Let all that is in come out; whether that is done after so long."""
        for line in (self._video, self._audio):
            if line is not None:
                line.waiting.close()
        deadline_s = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, deadline_s - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def progress(self) -> Progress:
        """Where everything is, with the counts of this pipeline."""
        video, audio = self._video, self._audio
        stages = video.stages if video else []
        encoded = [stage.encoded_pts for stage in stages]
        known = [pts for pts in encoded if pts is not None]
        return Progress(
            received_pts=self._received_pts,
            decoded_pts=video.decoded_pts if video else None,
            encoded_pts=min(known) if known and len(known) == len(encoded) else None,
            waiting_packets=sum(len(line.waiting) for line in (video, audio) if line),
            waiting_frames=sum(stage.waiting for stage in stages),
            dropped_frames=sum(stage.dropped for stage in stages),
            dropped_packets=sum(line.waiting.dropped for line in (video, audio) if line)
            + (video.decoder.skipped if video else 0),
            broken_packets=sum(line.decoder.broken for line in (video, audio) if line),
            level=self._policy.level,
            cpu_s=time.process_time(),
        )


def _lanes(
    source: TrackSet, renditions: tuple[Rendition, ...]
) -> list[tuple[bool, AudioTrack | None]]:
    """For each rendition whether it has a picture, and its sound."""
    return [
        (source.video is not None and each.width > 0, _sound(source.audio, each))
        for each in renditions
    ]


def _sound(source: AudioTrack | None, rendition: Rendition) -> AudioTrack | None:
    if source is None or rendition.audio_bps is None:
        return source
    return encoded_track(source, rendition.audio_bps)
