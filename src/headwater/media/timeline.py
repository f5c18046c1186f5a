"""From what the encoder sent to tracks and packets in ticks.

    starting --(tracks decided)--> running --(jump, other codec, new track)--> starting

While starting, frames are held until it is known which tracks there are: metadata may
promise audio that never comes. Then a TrackSet goes out, and what was held after it.
A stream with video starts at a key frame, and so does everything after a change; what
comes before it is dropped and counted.

Times: the encoder's milliseconds come from EncoderClock. Video decode times are lowered
by a constant (the most negative composition offset seen while starting), so that
pts >= dts holds without moving pictures against the sound. Audio lies on AudioGrid.
"""

from msgspec import Struct

from headwater.core.encoded import CodecConfig, EncodedFrame, Kind
from headwater.core.errors import PeerError
from headwater.core.packet import Packet
from headwater.core.track import VIDEO_TIMESCALE, AudioTrack, TrackSet, VideoTrack
from headwater.media.audiogrid import AudioGrid
from headwater.media.clock import EncoderClock
from headwater.media.codec import aac, h264

TRACK_WAIT_MS = 1000  # of media: how long a second track may take to show up
KEYFRAME_WAIT_MS = 5000  # of media: how long sound waits for the first key frame
CHANGE_WAIT_MS = 3000  # of media: how long a change of audio waits for a key frame
PROBE_FRAMES = 8  # video frames looked at for negative composition offsets
MAX_HELD_FRAMES = 1000  # 5 s of 60 fps video and 96 kHz audio, with room
MAX_HELD_BYTES = 32 << 20  # 5 s at 50 Mb/s
MAX_BROKEN_IN_A_ROW = 100  # frames; one broken frame is an accident, 100 are no video

_TICKS_PER_MS = VIDEO_TIMESCALE // 1000
_FRAME_MS = 33  # a frame's length where nothing is known


class Dropped(Struct, kw_only=True):
    """How many frames were thrown away, by reason."""

    without_config: int = 0
    before_keyframe: int = 0
    broken: int = 0
    late: int = 0  # sound that lies before what is out already


class _Frame(Struct, frozen=True, kw_only=True, gc=False):
    kind: Kind
    position_ms: int
    composition_offset_ms: int
    keyframe: bool
    data: bytes


class _Held:
    """Frames that wait for the tracks to be decided; each look at them costs the same."""

    def __init__(self) -> None:
        self.frames: list[_Frame] = []
        self.counts: dict[Kind, int] = {"video": 0, "audio": 0}
        self._bytes = 0
        self._video_ms: int | None = None  # position of the first picture
        self._latest_ms = 0

    def clear(self) -> None:
        """Forget all."""
        self._keep([])

    def forget(self, kind: Kind) -> None:
        """Forget one track's."""
        self._keep([frame for frame in self.frames if frame.kind != kind])

    def add(self, frame: _Frame) -> None:
        """Hold one more."""
        self.frames.append(frame)
        self._bytes += len(frame.data)
        self.counts[frame.kind] += 1
        if frame.kind == "video" and self._video_ms is None:
            self._video_ms = frame.position_ms
        first = len(self.frames) == 1
        self._latest_ms = frame.position_ms if first else max(self._latest_ms, frame.position_ms)

    def _keep(self, frames: list[_Frame]) -> None:
        self.frames = []
        self.counts = {"video": 0, "audio": 0}
        self._bytes = 0
        self._video_ms = None
        for frame in frames:
            self.add(frame)

    @property
    def is_full(self) -> bool:
        """Whether no more may be held."""
        return len(self.frames) >= MAX_HELD_FRAMES or self._bytes >= MAX_HELD_BYTES

    @property
    def is_settled(self) -> bool:
        """Whether this is enough to name the tracks of a stream with video."""
        if self._video_ms is None:
            return False
        both = self.counts["audio"] > 0 and self.counts["video"] >= PROBE_FRAMES
        return both or self._latest_ms - self._video_ms >= TRACK_WAIT_MS


class Timeline:
    """Turns one encoder's CodecConfig and EncodedFrame into TrackSet and Packet."""

    def __init__(self) -> None:
        self.dropped = Dropped()
        self.edge_pts = 0  # the newest picture, or sound where there is none; 90 kHz
        self._clock = EncoderClock()
        self._video: VideoTrack | None = None  # as the encoder configured it last
        self._audio: AudioTrack | None = None
        self._avc: h264.AvcConfig | None = None
        self._tracks: TrackSet | None = None  # as announced
        self._starting = True
        self._held = _Held()
        self._start_ms: int | None = None  # position at which starting began
        self._keyframe_needed = True
        self._change_ms: int | None = None  # position at which a change was first seen
        self._base_ms = 0  # added to positions
        self._shift_ms = 0  # taken from decode times of video
        self._grid = AudioGrid(1, 0)
        self._last_dts = -1
        self._last_interval = _FRAME_MS * _TICKS_PER_MS
        self._broken_in_a_row = 0

    def push(self, item: CodecConfig | EncodedFrame) -> list[TrackSet | Packet]:
        """Take what the encoder sent next; give what is decided by now, in order.

        Raises:
            PeerError: a configuration is not supported, or frame after frame is broken.
        """
        if isinstance(item, CodecConfig):
            self._configure(item)
            return []
        frame = self._read(item)
        if frame is None:
            return []
        if self._starting:
            return self._hold(frame)
        return self._run(frame)

    # Configurations.

    def _configure(self, item: CodecConfig) -> None:
        if item.codec == "h264":
            self._set_avc(h264.parse_config(item.data))
            return
        config = aac.parse_config(item.data)
        if self._audio is not None and aac.parse_config(self._audio.config) == config:
            return
        self._audio = AudioTrack(
            config=item.data,
            codec_string=config.codec_string,
            sample_rate_hz=config.sample_rate_hz,
            channels=config.channels,
        )
        self._held.forget("audio")  # they would be decoded with the wrong configuration

    def _set_avc(self, config: h264.AvcConfig) -> None:
        self._avc = config
        track = VideoTrack(
            config=h264.build_config(config),
            codec_string=h264.codec_string(config.info),
            width=config.info.width,
            height=config.info.height,
            frame_rate=config.info.frame_rate,
        )
        if track != self._video:
            self._video = track
            self._held.forget("video")

    # Frames.

    def _read(self, item: EncodedFrame) -> _Frame | None:
        if (self._video if item.kind == "video" else self._audio) is None:
            self.dropped.without_config += 1
            return None
        placed = self._clock.place(item.kind, item.timestamp_ms)
        if placed.jumped:
            self._restart()
        try:
            data, keyframe = self._payload(item)
        except PeerError:
            self.dropped.broken += 1
            self._broken_in_a_row += 1
            if self._broken_in_a_row >= MAX_BROKEN_IN_A_ROW:
                raise
            return None
        if not data:
            self.dropped.broken += 1
            return None
        self._broken_in_a_row = 0
        return _Frame(
            kind=item.kind,
            position_ms=placed.position_ms,
            composition_offset_ms=item.composition_offset_ms,
            keyframe=keyframe,
            data=data,
        )

    def _payload(self, item: EncodedFrame) -> tuple[bytes, bool]:
        """The frame's clean bytes (empty: nothing to show) and whether it is a key frame."""
        if item.kind == "audio":
            return aac.raw_frame(item.data) or b"", True
        if self._avc is None:
            return b"", False
        unit = h264.read_access_unit(item.data, self._avc, claimed_key=item.keyframe)
        if unit is None:
            return b"", False
        if unit.keyframe and unit.sps and unit.sps != self._avc.sps:
            # Seen on real encoders: new parameters inside the frame, no new header.
            self._set_avc(h264.with_parameter_sets(self._avc, unit.sps, unit.pps))
            unit = h264.read_access_unit(unit.data, _four_bytes(self._avc), claimed_key=True)
        return (unit.data, unit.keyframe) if unit else (b"", False)

    # Starting.

    def _restart(self) -> None:
        """Start again at the next key frame, behind everything that is out."""
        self._starting = True
        self._held.clear()
        self._start_ms = None
        self._change_ms = None
        self._keyframe_needed = True

    def _hold(self, frame: _Frame) -> list[TrackSet | Packet]:
        if self._start_ms is None:
            self._start_ms = frame.position_ms
        waited_ms = frame.position_ms - self._start_ms
        if frame.kind == "video" and not frame.keyframe and not self._held.counts["video"]:
            if self._keyframe_needed:
                self.dropped.before_keyframe += 1
                return self._start_late(waited_ms)
            self._keyframe_needed = True
        self._held.add(frame)
        if self._held.is_full:
            return self._start()
        if self._held.counts["video"]:
            return self._start() if self._held.is_settled else []
        return self._start_late(waited_ms)

    def _start_late(self, waited_ms: int) -> list[TrackSet | Packet]:
        """No key frame came in time: go on without one, or without video."""
        if waited_ms < (KEYFRAME_WAIT_MS if self._video else TRACK_WAIT_MS):
            return []
        announced = self._tracks.video if self._tracks else None
        if announced is not None and announced == self._video:
            # The same pictures as before (intra refresh): a decoder can go on anywhere.
            self._keyframe_needed = False
            return []
        return self._start() if self._held.counts["audio"] else []

    def _start(self) -> list[TrackSet | Packet]:
        frames = self._held.frames
        video = [frame for frame in frames if frame.kind == "video"]
        shift_ms = max(0, -min((frame.composition_offset_ms for frame in video), default=0))
        start_ms = video[0].position_ms - shift_ms if video else frames[0].position_ms
        end_ms = self._end_ms()
        if self._tracks is None:
            self._base_ms = -start_ms
        else:
            self._base_ms += max(0, end_ms - (start_ms + self._base_ms))
        self._shift_ms = shift_ms
        audio = self._audio if self._held.counts["audio"] else None
        self._tracks = TrackSet(
            video=self._video if video else None,
            audio=audio,
            discontinuity=self._tracks is not None,
        )
        if audio is not None:
            self._grid = AudioGrid(audio.sample_rate_hz, start_ms + self._base_ms)
        self._held.clear()
        self._starting = False
        packets = [packet for frame in frames if (packet := self._packet(frame))]
        return [self._tracks, *packets]

    def _end_ms(self) -> int:
        """Where everything that is out ends; 0 at first."""
        if self._tracks is None:
            return 0
        video_end = -(-(self._last_dts + self._last_interval) // _TICKS_PER_MS)
        return max(
            video_end if self._last_dts >= 0 else 0,
            self._grid.end_ms if self._tracks.audio else 0,
        )

    # Running.

    def _run(self, frame: _Frame) -> list[TrackSet | Packet]:
        tracks = self._tracks
        if tracks is None:
            return []
        if frame.kind == "video":
            stale = tracks.video != self._video
            if frame.keyframe and (stale or self._change_ms is not None):
                self._restart()
                return self._hold(frame)
            if stale:  # cannot be decoded before its key frame
                self.dropped.before_keyframe += 1
                return []
        elif tracks.audio != self._audio:
            return self._await_change(frame, tracks)
        packet = self._packet(frame)
        return [packet] if packet else []

    def _await_change(self, frame: _Frame, tracks: TrackSet) -> list[TrackSet | Packet]:
        """Sound with another configuration, or for the first time: it joins at a key frame."""
        if self._change_ms is None:
            self._change_ms = frame.position_ms
        waited_ms = frame.position_ms - self._change_ms
        if tracks.video is None or waited_ms >= CHANGE_WAIT_MS:
            self._restart()
            return self._hold(frame)
        self.dropped.before_keyframe += 1
        return []

    def _packet(self, frame: _Frame) -> Packet | None:
        position_ms = frame.position_ms + self._base_ms
        if frame.kind == "video":
            return self._video_packet(frame, position_ms)
        dts = self._grid.place(position_ms)
        if dts is None:
            self.dropped.late += 1
            return None
        if self._tracks is not None and self._tracks.video is None:
            self.edge_pts = max(self.edge_pts, position_ms * _TICKS_PER_MS)
        return Packet(kind="audio", dts=dts, pts=dts, keyframe=True, data=frame.data)

    def _video_packet(self, frame: _Frame, position_ms: int) -> Packet:
        pts = (position_ms + frame.composition_offset_ms) * _TICKS_PER_MS
        dts = min((position_ms - self._shift_ms) * _TICKS_PER_MS, pts)
        if self._last_dts >= 0:
            dts = max(dts, self._last_dts + 1)
            self._last_interval = dts - self._last_dts
        dts = max(dts, 0)
        self._last_dts = dts
        self.edge_pts = max(self.edge_pts, pts)
        return Packet(
            kind="video", dts=dts, pts=max(pts, dts), keyframe=frame.keyframe, data=frame.data
        )


def _four_bytes(config: h264.AvcConfig) -> h264.AvcConfig:
    """The configuration as it applies to cleaned access units."""
    return h264.AvcConfig(
        length_size=h264.LENGTH_SIZE,
        sps=config.sps,
        pps=config.pps,
        extension=config.extension,
        info=config.info,
    )
