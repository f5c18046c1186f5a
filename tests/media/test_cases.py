"""What encoders do with times and configurations, as whole streams through the timeline.

The ids are those of docs/reference/encoders.md.
"""

from itertools import pairwise

import pytest

from headwater.core.encoded import CodecConfig, EncodedFrame
from headwater.core.packet import Packet
from headwater.core.track import TrackSet
from headwater.media.timeline import Timeline
from media.encoders import encode
from media.nals import AUD, IDR, RECOVERY, SEI, SLICE, annex_b, avcc, record

H264 = CodecConfig(kind="video", codec="h264", data=record())
AAC = CodecConfig(kind="audio", codec="aac", data=bytes.fromhex("1190"))
AAC_MONO = CodecConfig(kind="audio", codec="aac", data=bytes.fromhex("1188"))
OTHER_SIZE = CodecConfig(kind="video", codec="h264", data=encode().video_config)


def video(time_ms, *, key=False, offset_ms=0, data=None):
    return EncodedFrame(
        kind="video",
        timestamp_ms=int(time_ms) % 2**32,
        composition_offset_ms=offset_ms,
        keyframe=key,
        data=avcc(IDR if key else SLICE) if data is None else data,
    )


def audio(time_ms):
    return EncodedFrame(
        kind="audio",
        timestamp_ms=int(time_ms) % 2**32,
        composition_offset_ms=0,
        keyframe=True,
        data=b"\x21\x10",
    )


def pictures(start_ms, seconds, *, fps=30, gop=30, step_ms=None, offsets=(0,)):
    step_ms = step_ms or 1000 / fps
    return [
        video(start_ms + n * step_ms, key=n % gop == 0, offset_ms=offsets[n % len(offsets)])
        for n in range(int(seconds * fps))
    ]


def sounds(start_ms, seconds):
    return [audio(start_ms + n * 64 / 3) for n in range(int(46.875 * seconds))]


def mixed(*tracks):
    """Interleaved by time; only for times that do not wrap."""
    return sorted((frame for track in tracks for frame in track), key=lambda f: f.timestamp_ms)


def both(start_ms, seconds, **how):
    return mixed(pictures(start_ms, seconds, **how), sounds(start_ms, seconds))


def jittered(seconds):
    """Presentation times rounded to milliseconds on their own, so that they are 1 ms off."""
    return [
        video(n * 50 // 3, key=n % 60 == 0, offset_ms=(33, 34, 32, 33)[n % 4])
        for n in range(60 * seconds)
    ]


NEVER = 10**9

CASES = [
    # id,                                     items,                                                                              TrackSets, pictures lost at most
    ("R-20 over 2^24 ms",                     [H264, AAC, *both(2**24 - 2000, 4)],                                                 1, 0),
    ("R-24 wrap at 2^32",                     [H264, *pictures(2**32 - 2000, 4)],                                                  1, 0),
    ("R-24 wrap at 2^24, 31 bits lost",       [H264, *[video(t % 2**24, key=n % 30 == 0) for n, t in enumerate(range(2**24 - 2000, 2**24 + 2000, 33))]], 1, 0),
    ("R-25 top bit set now and then",         [H264, *[video(n * 33 | (n % 7 == 3) << 31, key=n % 30 == 0) for n in range(120)]],  1, 0),
    ("R-50 sound is promised, never comes",   [H264, AAC, *pictures(0, 3)],                                                        1, 0),
    ("R-52 sound only",                       [AAC, *sounds(0, 4)],                                                                1, 0),
    ("R-52 video only",                       [H264, *pictures(0, 4)],                                                             1, 0),
    ("R-52 sound joins after 30 s",           [H264, *pictures(0, 30), AAC, *both(30_000, 3)],                                     2, 0),
    ("R-52 video joins after 30 s",           [AAC, *sounds(0, 30), H264, *both(30_000, 3)],                                       2, 0),
    ("R-53 header before each key frame",     [H264, AAC, *[x for f in both(0, 4) for x in ([H264, AAC, f] if f.kind == "video" and f.keyframe else [f])]], 1, 0),
    ("R-54 other size",                       [H264, AAC, *both(0, 2), OTHER_SIZE, *both(2000, 2)],                                2, 0),
    ("R-54 stereo to mono",                   [H264, AAC, *both(0, 2), AAC_MONO, *both(2000, 2)],                                  2, 0),
    ("R-54 there and back",                   [H264, *pictures(0, 2), OTHER_SIZE, *pictures(2000, 2), H264, *pictures(4000, 2)],   3, 0),
    ("R-55 header never",                     both(0, 4),                                                                          0, NEVER),
    ("R-57 frames of AUD and SEI only",       [H264, *[x for f in pictures(0, 4) for x in (video(f.timestamp_ms, data=avcc(AUD, SEI)), f)]], 1, 0),
    ("R-57 Annex B",                          [H264, *[video(n * 33, key=n % 30 == 0, data=annex_b(IDR if n % 30 == 0 else SLICE)) for n in range(120)]], 1, 0),
    ("R-58 open GOP",                         [H264, *[video(n * 33, key=n % 30 == 0, data=avcc(RECOVERY, SLICE) if n % 30 == 0 else None) for n in range(120)]], 1, 0),
    ("R-58 GOP of 60 s",                      [H264, AAC, *both(0, 130, gop=1800)],                                                1, 0),
    ("R-58 one key frame, then never",        [H264, AAC, *both(0, 60, gop=NEVER)],                                                1, 0),
    ("R-58 every frame a key frame",          [H264, AAC, *both(0, 4, gop=1)],                                                     1, 0),
    ("R-61 240 fps",                          [H264, AAC, *both(0, 4, fps=240)],                                                   1, 0),
    ("R-62 negative composition offsets",     [H264, *pictures(0, 4, offsets=(0, -33, 33))],                                       1, 0),
    ("R-63 composition offsets 1 ms off",     [H264, *jittered(4)],                                                                1, 0),
    ("R-64 first time just below zero",       [H264, AAC, audio(-21), video(-33, key=True), *both(0, 4, gop=1)],                    1, 0),
    ("R-65 equal decode times",               [H264, *[video(n // 2 * 66, key=n % 30 == 0) for n in range(120)]],                  1, 0),
    ("R-65 falling decode times",             [H264, *[video(n * 33 - (40 if n % 5 == 4 else 0), key=n % 30 == 0) for n in range(120)]], 1, 0),
    ("R-65 sound 3 s ahead",                  [H264, AAC, *[f for pair in zip(pictures(0, 6, fps=45), sounds(3000, 6), strict=False) for f in pair]], 1, 0),
    ("R-66 a second ahead",                   [H264, AAC, *both(0, 2), *both(3000, 2)],                                            1, 0),
    ("R-66 a second back",                    [H264, AAC, *both(5000, 2), *both(6000, 2)],                                         2, 0),
    ("R-66 an hour ahead",                    [H264, AAC, *both(0, 2), *both(3_602_000, 2)],                                       2, 0),
    ("R-66 an hour back",                     [H264, AAC, *both(3_600_000, 2), *both(0, 2)],                                       2, 0),
    ("R-66 reset to 0, no new header",        [H264, *pictures(90_000, 2), *pictures(0, 2)],                                       2, 0),
    ("R-67 starts at 10^9 ms",                [H264, AAC, *both(10**9, 4)],                                                        1, 0),
    ("R-67 sound at 0, video at 10^6",        [H264, AAC, *[f for pair in zip(pictures(10**6, 4, fps=46), sounds(0, 4), strict=False) for f in pair]], 1, 0),
    ("R-69 1 fps with sound",                 [H264, AAC, *both(0, 20, fps=1, gop=2)],                                             1, 0),
    ("R-69 1 fps without sound",              [H264, *pictures(0, 20, fps=1, gop=2)],                                              1, 0),
    ("R-69 picture pauses for 20 s",          [H264, AAC, *mixed(pictures(0, 2) + pictures(22_000, 2), sounds(0, 24))],            1, 0),
    ("R-69 everything pauses for 20 s",       [H264, AAC, *both(0, 2), *both(22_000, 2)],                                          2, 0),
]  # fmt: skip


@pytest.mark.parametrize(
    ("items", "track_sets", "lost"), [row[1:] for row in CASES], ids=[row[0] for row in CASES]
)
def test_a_stream_keeps_its_frames_and_its_times_rise(items, track_sets, lost):
    timeline = Timeline()

    out = [each for item in items for each in timeline.push(item)]

    assert sum(isinstance(each, TrackSet) for each in out) == track_sets
    assert [each for each in out if isinstance(each, TrackSet) and each.discontinuity] == [
        each for each in out if isinstance(each, TrackSet)
    ][1:]
    sent = [f for f in items if isinstance(f, EncodedFrame) and f.kind == "video"]
    sent = [f for f in sent if f.data != avcc(AUD, SEI)]
    shown = [each for each in out if isinstance(each, Packet) and each.kind == "video"]
    assert len(sent) - len(shown) <= lost
    for before, after in pairwise(shown):
        assert before.dts < after.dts
        assert 0 <= after.dts <= after.pts


def test_rounded_composition_offsets_never_make_two_pictures_one():
    """R-63: at 60 fps, a millisecond is far from the next picture."""
    timeline = Timeline()

    out = [each for item in [H264, *jittered(4)] for each in timeline.push(item)]

    shown = [each.pts for each in out if isinstance(each, Packet)]
    assert len(set(shown)) == len(shown)
