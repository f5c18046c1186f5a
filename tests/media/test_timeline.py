import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.core.encoded import CodecConfig, EncodedFrame
from headwater.core.errors import PeerError
from headwater.core.packet import Packet
from headwater.core.track import TrackSet
from headwater.media import timeline as timeline_module
from headwater.media.timeline import MAX_BROKEN_IN_A_ROW, Timeline
from media.encoders import encode
from media.nals import IDR, PPS, SLICE, avcc, record

H264 = CodecConfig(kind="video", codec="h264", data=record())
AAC = CodecConfig(kind="audio", codec="aac", data=bytes.fromhex("1190"))
AAC_44 = CodecConfig(kind="audio", codec="aac", data=bytes.fromhex("1210"))
OTHER_SPS = encode().video_config


def video(time_ms, *, key=False, offset_ms=0, data=None):
    return EncodedFrame(
        kind="video",
        timestamp_ms=time_ms % 2**32,
        composition_offset_ms=offset_ms,
        keyframe=key,
        data=avcc(IDR if key else SLICE) if data is None else data,
    )


def audio(time_ms):
    return EncodedFrame(
        kind="audio",
        timestamp_ms=time_ms % 2**32,
        composition_offset_ms=0,
        keyframe=True,
        data=b"\x21\x10",
    )


def both(start_ms, seconds, *, gop=30, sound=True, pictures=True):
    """30 frames a second and their sound, interleaved by time."""
    frames = []
    if pictures:
        frames += [
            (n * 100 / 3, video(start_ms + n * 100 // 3, key=n % gop == 0))
            for n in range(int(30 * seconds))
        ]
    if sound:
        frames += [(n * 64 / 3, audio(start_ms + n * 64 // 3)) for n in range(int(46.8 * seconds))]
    return [frame for _, frame in sorted(frames, key=lambda row: row[0])]


def run(*items, timeline=None):
    timeline = timeline or Timeline()
    return [out for item in items for out in timeline.push(item)]


def track_sets(out):
    return [item for item in out if isinstance(item, TrackSet)]


def shape(out):
    return [(s.video is not None, s.audio is not None, s.discontinuity) for s in track_sets(out)]


def of(out, kind):
    return [item for item in out if isinstance(item, Packet) and item.kind == kind]


def check_times(out):
    last = {}
    for item in out:
        if isinstance(item, TrackSet):
            continue
        assert 0 <= item.dts <= item.pts
        assert item.dts > last.get(item.kind, -1)
        last[item.kind] = item.dts


STARTS = [
    # id,                            items,                                          tracks announced
    ("both",                         [H264, AAC, *both(0, 2)],                         [(1, 1, 0)]),
    ("starts at 10^9 ms (R-67)",     [H264, AAC, *both(10**9, 2)],                     [(1, 1, 0)]),
    ("wraps at 2^32 (R-24)",         [H264, AAC, *both(2**32 - 1000, 3)],              [(1, 1, 0)]),
    ("wraps at 2^24 (R-24)",         [H264, AAC, *both(2**24 - 1000, 3)],              [(1, 1, 0)]),
    ("promised sound (R-50)",        [H264, AAC, *both(0, 3, sound=False)],            [(1, 0, 0)]),
    ("sound only (R-52)",            [AAC, *both(0, 3, pictures=False)],               [(0, 1, 0)]),
    ("promised pictures",            [H264, AAC, *both(0, 7, pictures=False)],         [(0, 1, 0)]),
    ("sound joins (R-52)",           [H264, AAC, *both(0, 3, sound=False), *both(3000, 2)], [(1, 0, 0), (1, 1, 1)]),
    ("pictures join (R-52)",         [AAC, *both(0, 3, pictures=False), H264, *both(3000, 2)], [(0, 1, 0), (1, 1, 1)]),
    ("header repeated (R-53)",       [H264, AAC, *both(0, 2), H264, AAC, *both(2000, 2)], [(1, 1, 0)]),
    ("rate changed (R-54)",          [H264, AAC, *both(0, 2), AAC_44, *both(2000, 2)], [(1, 1, 0), (1, 1, 1)]),
    ("reset to 0 (R-66)",            [H264, AAC, *both(9000, 2), *both(0, 2)],         [(1, 1, 0), (1, 1, 1)]),
    ("an hour ahead (R-66)",         [H264, AAC, *both(0, 2), *both(3_602_000, 2)],    [(1, 1, 0), (1, 1, 1)]),
    ("no header (R-55)",             both(0, 2),                                       []),
]  # fmt: skip


@pytest.mark.parametrize(
    ("items", "announced"), [row[1:] for row in STARTS], ids=[row[0] for row in STARTS]
)
def test_tracks_are_announced(items, announced):
    out = run(*items)

    assert shape(out) == announced
    check_times(out)
    if out:
        assert isinstance(out[0], TrackSet)
        assert out[1].dts == 0


def test_pictures_and_sound_keep_their_distance_over_a_wrap():
    out = run(H264, AAC, *both(2**32 - 5000, 10))

    assert len(of(out, "video")) == 300
    assert of(out, "video")[-1].dts == 299 * 100 // 3 * 90
    sound = of(out, "audio")
    assert [p.dts - sound[0].dts for p in sound] == [1024 * n for n in range(len(sound))]


def test_everything_before_the_first_key_frame_is_dropped_and_counted():
    timeline = Timeline()

    out = run(H264, AAC, *[video(n * 33) for n in range(9)], *both(300, 2), timeline=timeline)

    assert of(out, "video")[0].keyframe
    assert of(out, "video")[0].dts == 0
    assert timeline.dropped.before_keyframe == 9


def test_a_changed_size_is_announced_at_its_key_frame():
    change = CodecConfig(kind="video", codec="h264", data=OTHER_SPS)

    out = run(H264, AAC, *both(0, 2), change, video(2000), *both(2033, 2))

    assert [s.video.width for s in track_sets(out)] == [1920, 64]
    assert out[out.index(track_sets(out)[1]) + 1].keyframe
    check_times(out)


def test_a_size_changed_only_inside_the_frame_is_announced_too():
    start = OTHER_SPS.index(b"\x67")
    size = int.from_bytes(OTHER_SPS[start - 2 : start], "big")
    sps = OTHER_SPS[start : start + size]
    frames = both(2033, 2)
    frames[0] = video(2033, key=True, data=avcc(sps, PPS, IDR))

    out = run(H264, AAC, *both(0, 2), *frames)

    assert [s.video.width for s in track_sets(out)] == [1920, 64]
    assert out[out.index(track_sets(out)[1]) + 1].data == avcc(IDR)


def test_negative_offsets_lower_decode_times_and_leave_pictures_in_place():
    frames = [
        video(n * 40, key=n % 25 == 0, offset_ms=0 if n % 25 == 0 else (-40, 40)[n % 2])
        for n in range(50)
    ]

    out = of(run(H264, *frames), "video")

    assert [p.pts - p.dts for p in out[:3]] == [40 * 90, 80 * 90, 0]
    assert out[0].dts == 0
    check_times(out)


def test_repeated_and_falling_decode_times_still_rise():
    times = [0, 33, 33, 20, 66, 60, 100, *range(133, 2000, 33)]

    out = run(H264, *[video(time_ms, key=time_ms == 0) for time_ms in times])

    assert len(of(out, "video")) == len(times)
    check_times(out)


def test_a_jump_without_a_key_frame_goes_on_after_a_while():
    out = run(H264, AAC, *both(0, 2, gop=10**6), *both(10**6, 9, gop=10**6)[1:])

    assert shape(out) == [(True, True, False), (True, True, True)]


def test_sound_that_changes_without_a_key_frame_goes_on_after_a_while():
    out = run(H264, AAC, *both(0, 2, gop=10**6), AAC_44, *both(2000, 12, gop=10**6)[1:])

    assert track_sets(out)[-1].audio.sample_rate_hz == 44_100


def test_one_broken_frame_is_dropped_and_a_hundred_are_refused():
    timeline = Timeline()
    out = run(H264, AAC, *both(0, 2), video(2000, data=b"\x00\x00\x09\x41"), timeline=timeline)

    assert len(of(out, "video")) == 60
    assert timeline.dropped.broken == 1
    broken = [video(2000, data=b"\x00\x00\x09\x41")] * MAX_BROKEN_IN_A_ROW
    with pytest.raises(PeerError, match="beyond its frame"):
        run(*broken, timeline=timeline)


def test_a_frame_that_can_be_read_makes_up_for_the_broken_ones_before():
    timeline = Timeline()
    broken = [video(2000, data=b"\x00\x00\x09\x41")] * (MAX_BROKEN_IN_A_ROW - 1)

    run(H264, AAC, *both(0, 2), *broken, video(2000), *broken, timeline=timeline)

    assert timeline.dropped.broken == 2 * len(broken)


def test_what_comes_after_a_jump_begins_behind_the_sound_that_outlasted_the_pictures():
    out = run(H264, AAC, *both(0, 1), *both(1000, 1, pictures=False), *both(10**6, 2))

    jump = out.index(track_sets(out)[1])
    sound_ends_ms = (of(out[:jump], "audio")[-1].dts + 1024) / 48
    assert sound_ends_ms > 1900
    assert of(out[jump:], "video")[0].dts / 90 >= sound_ends_ms
    check_times(out)


@pytest.mark.parametrize(("bound", "value"), [("BYTES", 2000), ("FRAMES", 2)])
def test_no_more_is_held_at_the_start_than(monkeypatch, bound, value):
    monkeypatch.setattr(timeline_module, f"MAX_HELD_{bound}", value)
    frames = [
        video(n * 33, key=n == 0, data=avcc((IDR if n == 0 else SLICE) + bytes(1000)))
        for n in range(2)
    ]
    timeline = Timeline()

    assert run(H264, AAC, frames[0], timeline=timeline) == []
    assert len(run(frames[1], timeline=timeline)) == 3


def test_empty_frames_are_dropped():
    timeline = Timeline()

    assert run(H264, AAC, video(0, data=b""), timeline=timeline) == []
    assert timeline.dropped.broken == 1


def test_a_bad_configuration_is_refused():
    with pytest.raises(PeerError, match="AAC configuration is empty"):
        Timeline().push(CodecConfig(kind="audio", codec="aac", data=b""))


def test_a_changed_sps_forgets_what_is_held():
    other = CodecConfig(kind="video", codec="h264", data=OTHER_SPS)

    out = run(H264, video(0, key=True), other, *both(100, 2, sound=False))

    assert [s.video.width for s in track_sets(out)] == [64]


@settings(max_examples=60)
@given(
    st.lists(
        st.one_of(
            st.sampled_from([H264, AAC, AAC_44]),
            st.builds(
                lambda t, key, off: video(t, key=key, offset_ms=off),
                st.one_of(st.integers(0, 3000), st.integers(0, 2**32 - 1)),
                st.booleans(),
                st.integers(-200, 200),
            ),
            st.builds(audio, st.one_of(st.integers(0, 3000), st.integers(0, 2**32 - 1))),
        ),
        max_size=120,
    )
)
def test_whatever_the_times_packets_rise_and_follow_their_tracks(items):
    tracks, last = None, {}
    for out in run(*items):
        if isinstance(out, TrackSet):
            assert out.discontinuity == (tracks is not None)
            if tracks and tracks.audio != out.audio:
                last.pop("audio", None)
            tracks = out
            continue
        assert getattr(tracks, out.kind) is not None
        assert 0 <= out.dts <= out.pts
        assert out.dts > last.get(out.kind, -1)
        last[out.kind] = out.dts
