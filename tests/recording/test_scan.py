"""What is read of segments that our own packager writes, and of any bytes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.core.errors import PeerError
from headwater.media.fmp4.fragment import Fmp4Writer
from headwater.media.sample import Sample
from headwater.media.ts.muxer import TsWriter
from headwater.recording.jpeg import jpeg_size
from headwater.recording.scan_mp4 import read_init, scan_mp4
from headwater.recording.scan_ts import scan_ts
from media.packets import BOTH, picture, sound

FRAME_TICKS = 3000
SOUND_TICKS = 1920  # 1024 samples of 48 kHz


def parts(writer, *, first=0):
    """Two parts of three pictures each, the first of each a key frame, with sound."""
    for start in (first, first + 3):
        video = [
            Sample(
                packet=picture(FRAME_TICKS * number, key=number == start, delay=FRAME_TICKS),
                duration=FRAME_TICKS,
            )
            for number in range(start, start + 3)
        ]
        audio = [Sample(packet=sound(number), duration=1024) for number in range(start, start + 3)]
        yield writer.write_part(video, audio)


def ts_segments():
    writer = TsWriter()
    writer.set_tracks(BOTH)
    return list(parts(writer)), list(parts(writer, first=6))


def mp4_segment():
    writer = Fmp4Writer()
    init = writer.set_tracks(BOTH)
    return init, list(parts(writer))


def shown(scan):
    return [(each.offset, each.is_key, (each.pts - scan.video.first)) for each in scan.pictures]


def test_a_transport_stream_is_read_as_it_was_written():
    (first, second), _ = ts_segments()
    scan = scan_ts(first + second)

    assert scan.faults == []
    assert scan.starts == {0, len(first)}
    assert [key for _, key, _ in shown(scan)] == [True, False, False] * 2
    assert [pts for _, _, pts in shown(scan)] == [FRAME_TICKS * number for number in range(6)]
    assert scan.pictures[2].offset < len(first) < scan.pictures[3].offset
    assert scan.video.end - scan.video.first == 6 * FRAME_TICKS
    assert scan.sound.end - scan.sound.first == 6 * SOUND_TICKS
    assert scan.video.first - scan.sound.first == FRAME_TICKS  # as it is delayed


def test_continuity_goes_on_over_segments_and_is_told_where_it_does_not():
    one, other = ts_segments()
    first, second = scan_ts(b"".join(one)), scan_ts(b"".join(other))
    for pid, counter in second.first_counters.items():
        assert counter == (first.last_counters[pid] + 1) & 15

    whole = b"".join(one)
    at = first.pictures[1].offset
    faults = scan_ts(whole[:at] + whole[at + 188 :]).faults
    assert any("continuity counter" in fault for fault in faults)


def test_times_that_wrap_within_a_segment_go_on():
    writer = TsWriter()
    writer.set_tracks(BOTH)
    start = 2**33 - 90_000 - 3 * FRAME_TICKS  # 90 000 is the writer's own offset
    video = [
        Sample(packet=picture(start + FRAME_TICKS * number, key=number == 0), duration=FRAME_TICKS)
        for number in range(6)
    ]
    scan = scan_ts(writer.write_part(video, []))

    assert scan.faults == []
    assert scan.video.end - scan.video.first == 6 * FRAME_TICKS


def test_a_fragmented_mp4_is_read_as_it_was_written():
    init, (first, second) = mp4_segment()
    tracks = read_init(init)
    scan = scan_mp4(first + second, tracks)

    assert {track.handler for track in tracks.values()} == {b"vide", b"soun"}
    assert scan.faults == []
    assert scan.starts == {0, len(first)}
    assert [(offset, key) for offset, key, _ in shown(scan)] == [
        (offset, index == 0) for offset in (0, len(first)) for index in range(3)
    ]
    assert scan.video.end - scan.video.first == 6 * FRAME_TICKS
    assert scan.sound.end - scan.sound.first == 6 * SOUND_TICKS


def test_a_fragment_that_goes_back_is_told():
    init, (first, second) = mp4_segment()
    faults = scan_mp4(second + first, read_init(init)).faults

    assert any("goes back" in fault for fault in faults)


@pytest.mark.parametrize("at", [3, 20, 150, -1])
def test_a_fragment_that_is_cut_off_is_told(at):
    init, (first, _) = mp4_segment()

    assert scan_mp4(first[:at], read_init(init)).faults != []


@given(st.binary(max_size=600))
def test_any_bytes_are_no_init_segment_or_one(data):
    with pytest.raises(PeerError):
        read_init(data)


@settings(max_examples=60)
@given(st.data())
def test_segments_with_any_damage_are_read_without_a_crash(data):
    (first, _), _ = ts_segments()
    init, (fragment, _) = mp4_segment()
    for whole, scan in (
        (first, scan_ts),
        (fragment, lambda damaged: scan_mp4(damaged, read_init(init))),
        (init, read_init),
    ):
        damaged = bytearray(whole)
        for _ in range(data.draw(st.integers(1, 6))):
            at = data.draw(st.integers(0, len(damaged) - 1))
            damaged[at] = data.draw(st.integers(0, 255))
        try:
            scan(bytes(damaged[: data.draw(st.integers(0, len(damaged)))]))
        except PeerError:
            assert scan is read_init


JPEGS = [
    # id,            bytes,                                                                says
    ("no JPEG",      b"GIF89a",                                                            "no JPEG"),
    ("cut off",      b"\xff\xd8\xff\xe0",                                                  "cut off"),
    ("no picture",   b"\xff\xd8\xff\xd9",                                                  "without a picture"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("data", "says"), [row[1:] for row in JPEGS], ids=[row[0] for row in JPEGS]
)
def test_what_is_no_jpeg_is_refused(data, says):
    with pytest.raises(PeerError, match=says):
        jpeg_size(data)


def test_a_jpeg_tells_its_size_behind_other_markers():
    head = b"\xff\xd8\xff\xe0\x00\x04ab\xff\xc4\x00\x03x"
    assert jpeg_size(head + bytes.fromhex("ffc0000b08016802800101110000") + b"\xff\xd9") == (
        640,
        360,
    )


@given(st.binary(max_size=100).map(lambda data: b"\xff\xd8" + data + b"\xff\xd9"))
def test_any_bytes_have_a_size_or_are_refused(data):
    try:
        width, height = jpeg_size(data)
    except PeerError:
        return
    assert min(width, height) >= 0
    assert max(width, height) < 65_536
