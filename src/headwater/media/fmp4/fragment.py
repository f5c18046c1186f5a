"""A part: event messages, then one moof and one mdat with the samples of both tracks.

Source: ISO/IEC 14496-12 §8.8 (movie fragments), §8.8.12 (tfdt), §8.8.3.1 (sample flags).
"""

from collections.abc import Iterator, Sequence
from struct import pack
from typing import NamedTuple

from msgspec import structs

from headwater.core.timebase import rescale
from headwater.core.track import VIDEO_TIMESCALE, TrackSet
from headwater.media.codec import h264
from headwater.media.codec.aac import SAMPLES_PER_FRAME
from headwater.media.fmp4.box import BOX_HEADER_BYTES, FULL_BOX_HEADER_BYTES, box, full_box
from headwater.media.fmp4.emsg import id3_boxes
from headwater.media.fmp4.init import AUDIO_TRACK_ID, VIDEO_TRACK_ID, init_segment
from headwater.media.sample import Sample, TimedTag

_SYNC_SAMPLE = 0x0200_0000  # depends on no other
_NON_SYNC_SAMPLE = 0x0101_0000  # depends on others, is no sync sample

_BASE_IS_MOOF = 0x02_0000
_DEFAULT_DURATION, _DEFAULT_FLAGS = 0x08, 0x20
_DATA_OFFSET, _DURATION, _SIZE, _FLAGS, _COMPOSITION = 0x001, 0x100, 0x200, 0x400, 0x800
_MFHD_BYTES = FULL_BOX_HEADER_BYTES + 4
_TFDT_BYTES = FULL_BOX_HEADER_BYTES + 8
_TRUN_FIXED_BYTES = FULL_BOX_HEADER_BYTES + 8  # sample count and data offset


class Fmp4Writer:
    """Writes fragments that count on from 1."""

    def __init__(self) -> None:
        self._sequence = 0
        self._events = 0
        self._audio_scale = 1
        self._first_config: bytes | None = None  # of the picture
        self._parameter_sets = b""  # to be written in front of key frames

    def set_tracks(self, tracks: TrackSet) -> bytes | None:
        """The init segment of these tracks.

        Once there is a second one, parameter sets stand in front of key frames, too: ffmpeg
        reads no init segment but the first.
        """
        if tracks.audio is not None:
            self._audio_scale = tracks.audio.timescale
        if tracks.video is not None:
            config = tracks.video.config
            self._first_config = self._first_config or config
            if self._parameter_sets or config != self._first_config:
                self._parameter_sets = h264.parameter_sets_avcc(h264.parse_config(config))
        return init_segment(tracks)

    def write_part(
        self, video: Sequence[Sample], audio: Sequence[Sample], tags: Sequence[TimedTag] = ()
    ) -> bytes:
        """The tags and one fragment. `tfdt` is each track's first decode time: times go on."""
        self._sequence += 1
        if self._parameter_sets:
            video = [_with_prefix(sample, self._parameter_sets) for sample in video]
        fragment = write_fragment(self._sequence, video, audio)
        return b"".join([*self._boxes(video, audio, tags), fragment]) if tags else fragment

    def _boxes(
        self, video: Sequence[Sample], audio: Sequence[Sample], tags: Sequence[TimedTag]
    ) -> Iterator[bytes]:
        shown = [sample.packet.pts for sample in video]
        shown += [rescale(s.packet.pts, self._audio_scale, VIDEO_TIMESCALE) for s in audio[:1]]
        for tag in tags:
            yield id3_boxes(tag.data, pts=tag.pts, fragment_pts=min(shown), number=self._events)
            self._events += 1


def _with_prefix(sample: Sample, parameter_sets: bytes) -> Sample:
    packet = sample.packet
    if not packet.keyframe:
        return sample
    packet = structs.replace(packet, data=parameter_sets + packet.data)
    return structs.replace(sample, packet=packet)


def write_fragment(sequence: int, video: Sequence[Sample], audio: Sequence[Sample]) -> bytes:
    """A moof and its mdat. A track without samples is left out."""
    runs = []
    if video:
        runs.append(_video_run(video))
    if audio:
        runs.append(_audio_run(audio))
    moof_bytes = BOX_HEADER_BYTES + _MFHD_BYTES + sum(map(_traf_bytes, runs))
    offset = moof_bytes + BOX_HEADER_BYTES
    trafs, data = [], []
    for run in runs:
        trafs.append(_traf(run, offset))
        data += run.data
        offset += sum(map(len, run.data))
    moof = box(b"moof", full_box(b"mfhd", 0, 0, pack(">I", sequence)), *trafs)
    return b"".join([moof, (offset - moof_bytes).to_bytes(4, "big"), b"mdat", *data])


class _Run(NamedTuple):
    tfhd: bytes
    first_dts: int
    flags: int  # of the trun: which fields each row has
    rows: bytes
    data: list[bytes]


def _traf_bytes(run: _Run) -> int:
    return BOX_HEADER_BYTES + len(run.tfhd) + _TFDT_BYTES + _TRUN_FIXED_BYTES + len(run.rows)


def _traf(run: _Run, offset: int) -> bytes:
    return box(
        b"traf",
        run.tfhd,
        full_box(b"tfdt", 1, 0, pack(">Q", run.first_dts)),
        # Version 1: composition offsets are signed.
        full_box(b"trun", 1, run.flags, pack(">Ii", len(run.data), offset), run.rows),
    )


def _video_run(samples: Sequence[Sample]) -> _Run:
    fields: list[int] = []
    for sample in samples:
        packet = sample.packet
        fields += (
            sample.duration,
            len(packet.data),
            _SYNC_SAMPLE if packet.keyframe else _NON_SYNC_SAMPLE,
            packet.pts - packet.dts,
        )
    return _Run(
        tfhd=full_box(b"tfhd", 0, _BASE_IS_MOOF, pack(">I", VIDEO_TRACK_ID)),
        first_dts=samples[0].packet.dts,
        flags=_DATA_OFFSET | _DURATION | _SIZE | _FLAGS | _COMPOSITION,
        rows=pack(f">{len(fields)}I", *fields),
        data=[sample.packet.data for sample in samples],
    )


def _audio_run(samples: Sequence[Sample]) -> _Run:
    data = [sample.packet.data for sample in samples]
    flags, fields = _DATA_OFFSET | _SIZE, list(map(len, data))
    if any(sample.duration != SAMPLES_PER_FRAME for sample in samples):
        flags |= _DURATION
        fields = [
            field for sample in samples for field in (sample.duration, len(sample.packet.data))
        ]
    defaults = pack(">3I", AUDIO_TRACK_ID, SAMPLES_PER_FRAME, _SYNC_SAMPLE)
    return _Run(
        tfhd=full_box(b"tfhd", 0, _BASE_IS_MOOF | _DEFAULT_DURATION | _DEFAULT_FLAGS, defaults),
        first_dts=samples[0].packet.dts,
        flags=flags,
        rows=pack(f">{len(fields)}I", *fields),
        data=data,
    )
