"""The picture's way: one decoder, then a chain of renditions, each in a thread of its own.

    decode -> 720p: scale, encode -> 480p: scale, encode -> 360p ... (largest first)

Each rendition is scaled from the next larger one, which costs half of scaling each from the
input, and hands its scaled frame on before it encodes it.
"""

import queue
import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter

from headwater.core.packet import Packet
from headwater.core.track import VideoTrack
from headwater.media.codec import h264
from headwater.media.ladder import Rendition
from headwater.media.transcode.cadence import Cadence, KeyFrames
from headwater.media.transcode.captions import Captions, with_captions
from headwater.media.transcode.decoder import VideoDecoder
from headwater.media.transcode.encoders import (
    PIXEL_FORMAT,
    Look,
    look_of,
    open_encoder,
    orientation_sei,
    preset_at,
    video_track,
)
from headwater.media.transcode.policy import Policy
from headwater.media.transcode.waiting import PacketQueue
from headwater.media.transcode.wire import EncoderSettings

MAX_WAITING_FRAMES = 4  # for each rendition: 12 MB at 1080p
SCALER = Interpolation.BICUBIC


class Picture(NamedTuple):
    """A decoded frame on its way."""

    frame: VideoFrame
    key: bool
    kept: frozenset[int]  # for which `every` it is not left out
    look: Look
    captions: bytes  # its own, and those of frames before it that nobody needed


class VideoSink(Protocol):
    """Where encoded pictures go."""

    def video_track(self, index: int, track: VideoTrack) -> None:
        """A rendition's configuration, before its first picture."""

    def video(self, index: int, packet: Packet) -> None:
        """A rendition's next picture."""


class Stage:
    """One rendition: scales, hands on, encodes. `run` is its thread."""

    def __init__(
        self,
        place: tuple[int, Rendition],
        settings: EncoderSettings,
        policy: Policy,
        sink: VideoSink,
        following: "Stage | None",
    ) -> None:
        """`place`: the rendition and its index; `following`: the next smaller one."""
        self._index, self._rendition = place
        self._settings = settings
        self._policy = policy
        self._sink = sink
        self._following = following
        self._queue: queue.Queue[Picture | None] = queue.Queue(MAX_WAITING_FRAMES)
        self._scaler = VideoReformatter()
        self._encoder: VideoCodecContext | None = None
        self._preset = ""
        self._rotation_degrees = 0
        self._passed_by = Captions()  # of frames that were not put into the queue
        self._captions = Captions()  # for the next frame that is encoded
        self._captions_at: dict[int, bytes] = {}  # of frames that are in the encoder
        self._left_out = False  # the frame before this one, at the policy's last step
        self.is_largest = False
        self.encoded_pts: int | None = None
        self.dropped = 0  # frames, at the policy's last step
        self._everys: frozenset[int] = frozenset({self._rendition.every})
        if following is not None:
            self._everys |= following.everys

    @property
    def everys(self) -> frozenset[int]:
        """Which frames this rendition and the smaller ones need."""
        return self._everys

    @property
    def waiting(self) -> int:
        """Frames that wait."""
        return self._queue.qsize()

    def put(self, picture: Picture | None) -> None:
        """Hand over the next frame, or None after the last. Waits for room."""
        if picture is None:
            self._queue.put(None)
            return
        self._passed_by.add(picture.captions)
        if picture.kept & self._everys:
            self._queue.put(picture._replace(captions=self._passed_by.take_all()))

    def run(self) -> None:
        """Work until the end has come through."""
        while (picture := self._queue.get()) is not None:
            self._take(picture)
        if self._following is not None:
            self._following.put(None)
        self._drain(None)

    def _take(self, picture: Picture) -> None:
        rendition = self._rendition
        frame = self._scaler.reformat(
            picture.frame,
            rendition.width,
            rendition.height,
            PIXEL_FORMAT,
            interpolation=SCALER,
            threads=1,
        )
        if self._following is not None:
            self._following.put(picture._replace(frame=frame))
        self._captions.add(picture.captions)
        if rendition.every in picture.kept and not self._is_left_out(picture):
            self._encode(frame, picture)

    def _is_left_out(self, picture: Picture) -> bool:
        """The policy's last step: every other frame of the largest rendition."""
        halved = self.is_largest and self._policy.level == "half the frames"
        self._left_out = halved and not picture.key and not self._left_out
        self.dropped += self._left_out
        return self._left_out

    def _encode(self, frame: VideoFrame, picture: Picture) -> None:
        preset = preset_at(self._settings, self._policy.level)
        self._rotation_degrees = picture.look.rotation_degrees
        if self._encoder is None or (picture.key and preset != self._preset):
            self._drain(None)
            self._encoder = open_encoder(self._rendition, self._settings, picture.look, preset)
            self._preset = preset
            self._sink.video_track(self._index, video_track(self._encoder, self._rendition))
        if captions := self._captions.take():
            self._captions_at[frame.pts or 0] = captions
        self._drain(frame)

    def _drain(self, frame: VideoFrame | None) -> None:
        """Encode a frame; None: give what is left."""
        if self._encoder is None:
            return
        for packet in self._encoder.encode(frame):
            pts = packet.pts or 0
            nals = h264.split_annex_b(bytes(packet))
            if packet.is_keyframe:
                nals = orientation_sei(self._rotation_degrees) + nals
            if pts in self._captions_at:
                nals = with_captions(nals, self._captions_at.pop(pts))
            encoded = Packet(
                kind="video",
                dts=pts,
                pts=pts,
                keyframe=packet.is_keyframe,
                data=h264.join_avcc(nals),
            )
            self._sink.video(self._index, encoded)
            self.encoded_pts = pts


class VideoLine:
    """The decoder and its chain; `run` is the decoder's thread."""

    def __init__(
        self,
        track: VideoTrack,
        renditions: Sequence[tuple[int, Rendition]],
        settings: EncoderSettings,
        policy: Policy,
        sink: VideoSink,
    ) -> None:
        """`renditions`: those with a picture, each with its index; at least one."""
        self.waiting = PacketQueue(track.timescale, live=settings.live)
        self.decoder = VideoDecoder(track, settings.decoder_threads)
        self.decoded_pts: int | None = None
        self.policy = policy
        self._live = settings.live
        self._keys = KeyFrames(settings.keyframe_interval_ms)
        self._cadence = Cadence([rendition for _, rendition in renditions])
        self._look: Look | None = None  # of the latest key frame
        self.stages: list[Stage] = []
        following: Stage | None = None
        for place in sorted(renditions, key=lambda each: each[1].width * each[1].height):
            following = Stage(place, settings, policy, sink, following)
            self.stages.insert(0, following)
        self.stages[0].is_largest = True

    def run(self, now_s: Callable[[], float]) -> None:
        """Decode until the queue is closed; `now_s` is a steady clock."""
        while (packet := self.waiting.get()) is not None:
            if self._live:
                self.policy.update(now_s(), self.waiting.waiting_ms)
            self._decode(packet)
        self._decode(None)
        self.stages[0].put(None)

    def _decode(self, packet: Packet | None) -> None:
        for frame, source_key, captions in self.decoder.decode(packet):
            pts = frame.pts or 0
            key = self._keys.decide(pts, source_key=source_key)
            # The decoder's types would be taken as orders by the encoders.
            frame.pict_type = PictureType.I if key else PictureType.NONE
            self.decoded_pts = pts
            if source_key or self._look is None:
                self._look = look_of(frame, self.decoder.sample_aspect_ratio)
            kept = self._cadence.keep(pts, key=key)
            self.stages[0].put(Picture(frame, key, kept, self._look, captions))

    def threads(self, now_s: Callable[[], float]) -> list[threading.Thread]:
        """All threads of the line, not started."""
        return [
            threading.Thread(target=self.run, args=(now_s,), name="decoder"),
            *(
                threading.Thread(target=stage.run, name=f"stage {number}")
                for number, stage in enumerate(self.stages)
            ),
        ]
