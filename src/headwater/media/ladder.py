"""Which renditions a channel gets of which input: Amazon IVS's ladders as a pure table.

Source: Amazon IVS user guide, "Channel types" and "Transcode presets"; names and sizes as
seen in live playlists and recordings. What those leave open is decided here:

- A rendition's number is its short edge, so portrait and square inputs get the same steps;
  the long edge follows the input's shape, rounded down to even (480p of 16:9 is 852x480).
  Shapes within one per cent of 16:9 count as that.
- Steps above the input's short edge are left out: nothing is ever scaled up.
- An input below 480p that lies between two steps is encoded at its own size first, at the
  bitrate of the step above in proportion to the pixels.
- Frames are left out evenly: the rate is divided by the smallest whole number that brings
  it to 30 or 60 (and a tenth above, for encoders that count badly). 50 becomes 25 in a
  "30" step and stays 50 in a "60" step, 25 and 24 stay as they are.
- A rendition with `audio_bps` None carries the input's own sound.
"""

from fractions import Fraction
from math import ceil
from typing import Literal

from msgspec import Struct

from headwater.core.track import TrackSet

ChannelType = Literal["BASIC", "STANDARD", "ADVANCED_SD", "ADVANCED_HD"]
Preset = Literal["", "HIGHER_BANDWIDTH_DELIVERY", "CONSTRAINED_BANDWIDTH_DELIVERY"]

AUDIO_ONLY = "audio_only"
AUDIO_ONLY_BPS = 64_000
ADVANCED_KEYFRAME_INTERVAL_MS = 2000
"""The ADVANCED types make key frames of their own, at most this far apart."""

_RATE_MARGIN = 1.1  # a "30" encoder that sends 31 frames a second is not halved
_USUAL_RATES = tuple(
    Fraction(rate) for rate in (24, 25, 30, 48, 50, 60, "24000/1001", "30000/1001", "60000/1001")
)
_SAME_RATE = Fraction(1, 2500)  # 30 and 29.97 are 1/1000 apart; a float's error is far less
_MAX_RATE_DENOMINATOR = 1001
_PIXELS_PER_UNIT_S = 1280 * 720 * 30
_DECODE_SHARE = 0.2  # of what encoding as many pixels costs, measured with veryfast


class FrameRate(Struct, frozen=True, order=True):
    """Frames per second as an exact fraction, e.g. 30000/1001."""

    numerator: int
    denominator: int = 1

    def __float__(self) -> float:
        return self.numerator / self.denominator


class Source(Struct, frozen=True, kw_only=True):
    """What is known of an input before its renditions are chosen."""

    width: int  # pixels; 0 when there is no picture
    height: int
    frame_rate: float | None  # frames per second; None: unknown, taken as 30 or less
    has_audio: bool = True


class Rendition(Struct, frozen=True, kw_only=True):
    """One quality of a stream."""

    name: str  # as IVS spells it, also the GROUP-ID: "720p60", "480p30", "audio_only"
    width: int  # pixels, even where encoded; 0 when there is no picture
    height: int
    frame_rate: FrameRate | None  # of the rendition; None: unknown, or no picture
    video_bps: int | None = None  # target; None: the input's picture, or no picture
    audio_bps: int | None = None  # target; None: the input's sound, if there is any
    every: int = 1  # of the input's frames, one in so many is kept

    @property
    def is_audio_only(self) -> bool:
        """Whether it has no picture."""
        return self.width == 0

    @property
    def is_passthrough(self) -> bool:
        """Whether nothing in it is encoded: it can be made without a transcoder."""
        return self.video_bps is None and self.audio_bps is None


# Bits per second of (short edge, frame rate class).
_Rates = dict[tuple[int, int], int]
_STANDARD: _Rates = {
    (720, 60): 3_400_000,
    (720, 30): 2_400_000,
    (480, 30): 1_400_000,
    (360, 30): 630_000,
    (160, 30): 230_000,
}
_ADVANCED: dict[Preset, _Rates] = {
    "HIGHER_BANDWIDTH_DELIVERY": {
        (720, 60): 3_000_000,
        (720, 30): 2_300_000,
        (480, 30): 1_300_000,
        (360, 30): 700_000,
        (160, 30): 270_000,
    },
    "CONSTRAINED_BANDWIDTH_DELIVERY": {
        (720, 60): 2_200_000,
        (720, 30): 1_900_000,
        (480, 30): 800_000,
        (360, 30): 400_000,
        (160, 30): 220_000,
    },
}
_EDGES = (720, 480, 360, 160)
_HD_EDGE = 720
_SD_EDGE = 480


def source_of(tracks: TrackSet, frame_rate: float | None) -> Source:
    """The input that these tracks are, with a frame rate from the bitstream or measured."""
    video = tracks.video
    return Source(
        width=video.width if video else 0,
        height=video.height if video else 0,
        frame_rate=frame_rate if video else None,
        has_audio=tracks.audio is not None,
    )


def ladder(
    channel_type: ChannelType, preset: Preset, source: Source, *, allow_audio_only: bool = False
) -> tuple[Rendition, ...]:
    """The renditions of a stream, best first.

    Args:
        channel_type: of the channel.
        preset: of the channel, for the ADVANCED types; "" is HIGHER_BANDWIDTH_DELIVERY.
        source: the input.
        allow_audio_only: add the audio-only rendition on BASIC and STANDARD too (the
            ADVANCED types always have it). It has the input's sound there.

    Returns:
        At least one. Without a picture: audio only. Audio only is never made without sound.
    """
    advanced = channel_type in {"ADVANCED_SD", "ADVANCED_HD"}
    audio_only = Rendition(
        name=AUDIO_ONLY,
        width=0,
        height=0,
        frame_rate=None,
        audio_bps=AUDIO_ONLY_BPS if advanced and source.has_audio else None,
    )
    if source.width == 0:
        return (audio_only,)
    if channel_type == "BASIC":
        pictures = [_passthrough(source)]
    else:
        rates = _ADVANCED[preset or "HIGHER_BANDWIDTH_DELIVERY"] if advanced else _STANDARD
        pictures = _encoded(channel_type, rates, source)
        if channel_type == "STANDARD" and min(source.width, source.height) > _HD_EDGE:
            pictures.insert(0, _passthrough(source))
    if source.has_audio and (advanced or allow_audio_only):
        pictures.append(audio_only)
    return tuple(pictures)


def _encoded(channel_type: ChannelType, rates: _Rates, source: Source) -> list[Rendition]:
    short = min(source.width, source.height)
    top = _SD_EDGE if channel_type == "ADVANCED_SD" else _HD_EDGE
    steps = [
        (edge, rates[edge, _rate_class(source, 60 if edge == _HD_EDGE else 30)])
        for edge in _EDGES
        if edge <= min(short, top)
    ]
    if channel_type == "ADVANCED_HD" and _SD_EDGE < short < _HD_EDGE:
        steps.insert(0, (short, rates[_HD_EDGE, 30]))
    if short < _SD_EDGE and short not in _EDGES:
        above = min(edge for edge in _EDGES if edge > short)
        share = rates[above, 30] * short * short // (above * above)
        steps.insert(0, (short, max(share, steps[0][1] if steps else 0)))
    return [_step(channel_type, edge, video_bps, source) for edge, video_bps in steps]


def _step(channel_type: ChannelType, edge: int, video_bps: int, source: Source) -> Rendition:
    limit = _rate_class(source, 60 if edge == _HD_EDGE else 30)
    width, height = _size(source, edge)
    every = _divisor(source, limit)
    return Rendition(
        name=f"{edge}p{limit}",
        width=width,
        height=height,
        frame_rate=_frame_rate(source, every),
        video_bps=video_bps,
        audio_bps=_audio_bps(channel_type, edge) if source.has_audio else None,
        every=every,
    )


def _audio_bps(channel_type: ChannelType, edge: int) -> int | None:
    if edge <= _EDGES[3]:
        return 48_000
    if edge <= _EDGES[2]:
        return 64_000
    if channel_type == "STANDARD":
        return None
    return 128_000 if edge >= _SD_EDGE else 64_000


def _passthrough(source: Source) -> Rendition:
    return Rendition(
        name=f"{min(source.width, source.height)}p{_rate_class(source, 60)}",
        width=source.width,
        height=source.height,
        frame_rate=_frame_rate(source, 1),
    )


def _rate_class(source: Source, limit: int) -> int:
    """The number behind the "p": 30 or 60."""
    fast = source.frame_rate is not None and source.frame_rate > 30 * _RATE_MARGIN
    return 60 if fast and limit > 30 else 30  # noqa: PLR2004 - IVS's two classes


def _size(source: Source, edge: int) -> tuple[int, int]:
    """Pixels of the step with this short edge: the input's shape, both sides even."""
    wide, high = source.width, source.height
    if edge == min(wide, high):
        return _even(wide), _even(high)
    long, short = max(wide, high), min(wide, high)
    if abs(9 * long - 16 * short) * 100 < 16 * short:  # 854x480 or 852x480 is 16:9
        long, short = 16, 9
    scaled = min(_even(long * edge // short), _even(max(wide, high)))
    return (scaled, _even(edge)) if wide >= high else (_even(edge), scaled)


def _even(pixels: int) -> int:
    return max(2, pixels - pixels % 2)


def _divisor(source: Source, limit: int) -> int:
    return max(1, ceil((source.frame_rate or 0) / (limit * _RATE_MARGIN)))


def _frame_rate(source: Source, every: int) -> FrameRate | None:
    if source.frame_rate is None:
        return None
    return exact_frame_rate(source.frame_rate / every)


def exact_frame_rate(frames_per_s: float) -> FrameRate:
    """The fraction that a frame rate above 0 stands for: 29.97 is 30000/1001."""
    measured = Fraction(frames_per_s)
    nearest = min(_USUAL_RATES, key=lambda rate: abs(rate - measured))
    if abs(nearest - measured) > nearest * _SAME_RATE:
        nearest = measured.limit_denominator(_MAX_RATE_DENOMINATOR)
    return FrameRate(nearest.numerator or 1, nearest.denominator)


def cost_units(renditions: tuple[Rendition, ...], source: Source) -> float:
    """What transcoding costs, where encoding 1280x720 at 30 frames a second is 1.

    Decoding counts as a share of encoding as many pixels. 0 when no picture is encoded:
    sound costs too little to count.
    """
    pixels_per_s = [
        each.width * each.height * (float(each.frame_rate) if each.frame_rate else 30.0)
        for each in renditions
        if each.video_bps is not None
    ]
    if not pixels_per_s:
        return 0.0
    decoded = source.width * source.height * (source.frame_rate or 30.0)
    return (sum(pixels_per_s) + _DECODE_SHARE * decoded) / _PIXELS_PER_UNIT_S
