"""Parts of a transport stream: PAT, PMT, ID3 tags, then video and sound in order of time.

Source: ISO/IEC 13818-1 §2.4; RFC 8216 §3.2 (MPEG-2 TS in HLS); "Timed
Metadata for HTTP Live Streaming" (ID3 in PES packets). Every part starts with
both tables and holds whole PES packets, so it can be read alone; continuity counters go
on over parts, so parts joined are one stream.
"""

from collections.abc import Callable, Iterator, Sequence

from headwater.core.timebase import rescale
from headwater.core.track import VIDEO_TIMESCALE, TrackSet
from headwater.media.codec import aac, h264
from headwater.media.sample import Sample, TimedTag
from headwater.media.ts import psi
from headwater.media.ts.packets import (
    STREAM_ID_AUDIO,
    STREAM_ID_PRIVATE,
    STREAM_ID_VIDEO,
    PidWriter,
    adaptation_field,
    pes_header,
)

OFFSET_TICKS = 90_000
"""Added to every time: the clock reference runs ahead of the first frame, above 0."""

CLOCK_LEAD_TICKS = 63_000
"""How long before its decode time a frame's clock reference is: 0.7 s to fill buffers."""

AUDIO_FRAMES_PER_PES = 8  # about 170 ms: one header for all, still well interleaved
MAX_AUDIO_PES_BYTES = 56_000  # with one frame more (8 kB) its 16-bit length still holds


class TsWriter:
    """Writes parts; tables and counters live as long as the stream."""

    def __init__(self) -> None:
        self._pat = psi.pat()
        self._pmt = b""
        self._version = -1
        self._pat_pid = PidWriter(0)
        self._pmt_pid = PidWriter(psi.PMT_PID)
        self._video_pid = PidWriter(psi.VIDEO_PID)
        self._audio_pid = PidWriter(psi.AUDIO_PID)
        self._metadata_pid = PidWriter(psi.METADATA_PID)
        self._parameter_sets = b""
        self._audio_rate_hz = 0
        self._adts: Callable[[int], bytes] = bytes
        self._audio_only = False

    def set_tracks(self, tracks: TrackSet) -> bytes | None:
        """No init segment: the tables and parameter sets are in every part."""
        self._version = (self._version + 1) % 32
        self._pmt = psi.pmt(tracks, self._version)
        self._audio_only = tracks.video is None
        if tracks.video is not None:
            config = h264.parse_config(tracks.video.config)
            self._parameter_sets = h264.parameter_sets_annex_b(config)
        if tracks.audio is not None:
            self._audio_rate_hz = tracks.audio.sample_rate_hz
            self._adts = aac.adts_writer(aac.parse_config(tracks.audio.config))
        return None

    def write_part(
        self, video: Sequence[Sample], audio: Sequence[Sample], tags: Sequence[TimedTag] = ()
    ) -> bytes:
        """A whole number of 188-byte packets that begins with PAT, PMT and the tags."""
        pieces = self._pat_pid.write(self._pat) + self._pmt_pid.write(self._pmt)
        for tag in tags:
            pieces += self._tag_pes(tag)
        groups = list(self._audio_groups(audio))
        for index, sample in enumerate(video):
            while groups and groups[0][0] <= sample.packet.dts:
                pieces += self._audio_pes(*groups.pop(0))
            pieces += self._video_pes(sample, first=index == 0)
        for ticks, frames in groups:
            pieces += self._audio_pes(ticks, frames)
        return b"".join(pieces)

    def _tag_pes(self, tag: TimedTag) -> list[bytes]:
        pts = tag.pts + OFFSET_TICKS
        header = pes_header(STREAM_ID_PRIVATE, pts=pts, dts=pts, payload_bytes=len(tag.data))
        return self._metadata_pid.write(header + tag.data)

    def _video_pes(self, sample: Sample, *, first: bool) -> list[bytes]:
        packet = sample.packet
        # Players that turn parts into MP4 (Shaka, video.js) look for them in every part.
        sets = self._parameter_sets if first or packet.keyframe else b""
        before = h264.ACCESS_UNIT_DELIMITER + sets
        header = pes_header(
            STREAM_ID_VIDEO,
            pts=packet.pts + OFFSET_TICKS,
            dts=packet.dts + OFFSET_TICKS,
            payload_bytes=len(before) + len(packet.data),
        )
        clock = packet.dts + OFFSET_TICKS - CLOCK_LEAD_TICKS
        adaptation = adaptation_field(pcr_ticks=clock, random_access=packet.keyframe)
        return self._video_pid.write(h264.to_annex_b(packet.data, header + before), adaptation)

    def _audio_groups(self, audio: Sequence[Sample]) -> Iterator[tuple[int, list[bytes]]]:
        """Frames that go into one PES, with the first one's time in 90 kHz.

        Only the first frame of a PES has a time: a gap needs a new one.
        """
        frames: list[bytes] = []
        start = following = size_bytes = 0
        for sample in audio:
            packet = sample.packet
            full = len(frames) >= 2 * AUDIO_FRAMES_PER_PES or size_bytes > MAX_AUDIO_PES_BYTES
            if frames and (full or packet.dts != following):
                yield rescale(start, self._audio_rate_hz, VIDEO_TIMESCALE), frames
                frames, size_bytes = [], 0
            if not frames:
                start = packet.dts
            frames += (self._adts(len(packet.data)), packet.data)
            size_bytes += len(packet.data) + aac.ADTS_BYTES
            following = packet.dts + aac.SAMPLES_PER_FRAME
        if frames:
            yield rescale(start, self._audio_rate_hz, VIDEO_TIMESCALE), frames

    def _audio_pes(self, ticks: int, frames: list[bytes]) -> list[bytes]:
        payload = b"".join(frames)
        pts = ticks + OFFSET_TICKS
        header = pes_header(STREAM_ID_AUDIO, pts=pts, dts=pts, payload_bytes=len(payload))
        clock = pts - CLOCK_LEAD_TICKS if self._audio_only else None
        adaptation = adaptation_field(pcr_ticks=clock, random_access=True)
        return self._audio_pid.write(header + payload, adaptation)
