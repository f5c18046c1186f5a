import gzip

import pytest

from delivery.feed import FINISHED, make_plan, part, segment, segments, started
from headwater.delivery.address import ChannelAddress
from headwater.delivery.admission import Grant
from headwater.delivery.stream import LADDER_WAIT_S, Announced, LiveStream

NAME = "720p30"
ONE = (Announced(name=NAME),)


def opened(*announced, now_s=lambda: 0.0):
    announced = announced or ONE
    stream = LiveStream(
        ChannelAddress("us-west-2", "123456789012", "AbCdEf123456"),
        "run",
        stream_id="st-1",
        private=False,
        window_ms=24_000,
        now_s=now_s,
    )
    stream.announce(announced)
    return stream


def multivariant(stream, **options):
    return stream.multivariant(0, "viewer", Grant(), **options)


def push(stream, events, name=NAME):
    for event in events:
        stream.push(name, event)
    return stream


def test_a_stream_is_live_from_its_first_part_to_its_end():
    stream = opened()
    seen = [stream.is_live()]
    for event in [make_plan(), started(0), part(0, 0), FINISHED]:
        stream.push(NAME, event)
        seen.append(stream.is_live())

    assert seen == [False, False, False, True, False]
    assert stream.has_ended()


def test_plain_hls_is_live_from_its_first_segment():
    stream = push(opened(), [make_plan(part_target_ms=None), started(0), part(0, 0, 2000)])
    assert not stream.is_live()

    push(stream, segment(0, parts=(2000,))[-1:])
    assert stream.is_live()


def test_bandwidth_is_measured():
    stream = push(opened(), [make_plan(), started(0), part(0, 0, 500, b"x" * 1000)])
    assert b":BANDWIDTH=16000,AVERAGE-BANDWIDTH=16000," in multivariant(stream)

    push(stream, [part(0, 1, 1500, b"x" * 1000), segment(0)[-1], *segment(1, parts=(2000,))])
    assert b":BANDWIDTH=8000,AVERAGE-BANDWIDTH=4010," in multivariant(stream)


def test_several_renditions_report_each_other():
    stream = opened(Announced(name="720p30"), Announced(name="480p30"))
    for name, height in [("480p30", 480), ("720p30", 720)]:
        push(stream, [make_plan(height=height)], name)
    push(stream, [*segment(0), started(1), part(1, 0)], "720p30")
    assert not stream.is_live()
    push(stream, segment(0), "480p30")
    assert stream.is_live()

    high, low = (stream.rendition(name) for name in ("720p30", "480p30"))
    assert b'URI="../480p30/playlist.m3u8",LAST-MSN=0,LAST-PART=3' in stream.media_playlist(
        high, skip=None, gzipped=False
    )
    assert b'URI="../720p30/playlist.m3u8",LAST-MSN=1,LAST-PART=0' in stream.media_playlist(
        low, skip=None, gzipped=False
    )
    assert multivariant(stream).count(b"#EXT-X-STREAM-INF") == 2

    push(stream, [FINISHED], "720p30")
    assert not stream.has_ended()
    push(stream, [FINISHED], "480p30")
    assert stream.has_ended()


def test_a_playlist_is_rendered_once_between_two_events():
    stream = push(opened(), [make_plan(), *segments(0, 14)])
    rendition = stream.rendition("720p30")
    ways = [(skip, gzipped) for skip in (None, "YES", "v2") for gzipped in (False, True)]

    def bodies():
        return [stream.media_playlist(rendition, skip=s, gzipped=z) for s, z in ways]

    before = bodies()
    assert all(one is other for one, other in zip(before, bodies(), strict=True))
    assert len(set(before)) == 6
    assert [gzip.decompress(body) for body in before[1::2]] == before[::2]

    push(stream, [started(15), part(15, 0)])
    assert not set(before) & set(bodies())


def test_what_comes_after_the_close_is_ignored():
    stream = push(opened(), [make_plan(), *segment(0), started(1), part(1, 0)])
    stream.close()
    push(stream, [part(1, 1), make_plan(), FINISHED])
    stream.close()

    playlist = stream.media_playlist(stream.rendition("720p30"), skip=None, gzipped=False)
    assert playlist.endswith(b"/1.ts\n#EXT-X-ENDLIST\n")


def test_a_stream_that_ends_before_its_plan_has_just_ended():
    stream = push(opened(), [FINISHED])
    stream.close()

    assert stream.has_ended()
    assert stream.has_expired()


def test_an_ended_stream_stays_for_its_window_and_then_expires():
    clock = [100.0]
    stream = push(opened(now_s=lambda: clock[0]), [make_plan(), *segments(0, 14)])
    assert not stream.has_expired()
    stream.push(NAME, FINISHED)
    clock[0] += 27.9
    stream.close()
    assert not stream.has_expired()

    clock[0] = 128.0
    assert stream.has_expired()


MISUSE = [
    # id,                           events
    ("media before the plan",       [started(0)]),
    ("a second plan",               [make_plan(), make_plan()]),
    ("no announcement",             [make_plan()]),
]  # fmt: skip


@pytest.mark.parametrize("events", [row[1] for row in MISUSE], ids=[row[0] for row in MISUSE])
def test_events_out_of_order_are_our_bug(request, events):
    name = "1080p60" if "announcement" in request.node.callspec.id else NAME
    with pytest.raises(RuntimeError):
        push(opened(), events, name)


LADDER = (
    Announced(name="720p30"),
    Announced(name="480p30", target_bps=1_400_000),
    Announced(name="audio_only", on_request=True, automatic=False),
)
AUDIO = {"width": None, "height": None, "frame_rate": None, "codecs": "mp4a.40.2"}


def listed(stream, **options):
    lines = multivariant(stream, **options).decode().splitlines()
    return [line.split("/")[4] for line in lines if line.startswith("/")]


def test_the_order_is_that_of_the_announcement_whatever_comes_first():
    stream = opened(*LADDER)
    push(stream, [make_plan(**AUDIO), *segment(0)], "audio_only")
    push(stream, [make_plan(height=480), *segment(0)], "480p30")
    push(stream, [make_plan(), *segment(0)])

    assert listed(stream) == ["720p30", "480p30"]
    assert listed(stream, with_all=True) == ["720p30", "480p30", "audio_only"]
    lines = multivariant(stream, with_all=True).decode().splitlines()
    assert lines[-3].endswith('NAME="audio_only",AUTOSELECT=NO,DEFAULT=NO')


def test_a_rendition_that_comes_too_late_is_never_listed():
    clock = [100.0]
    stream = push(opened(*LADDER, now_s=lambda: clock[0]), [make_plan(), *segment(0)])
    push(stream, [make_plan(**AUDIO), *segment(0)], "audio_only")
    clock[0] += LADDER_WAIT_S - 0.1
    stream.look()
    assert not stream.is_live()

    clock[0] += 0.2
    stream.look()
    assert stream.is_live()
    push(stream, [make_plan(height=480), *segment(0)], "480p30")

    assert listed(stream) == ["720p30"]
    assert stream.rendition("480p30") is None
    assert len(stream._renditions) == 2
    push(stream, [FINISHED])
    push(stream, [FINISHED], "audio_only")
    assert stream.has_ended()


def test_a_rendition_without_pictures_alone_is_nothing_to_go_live_with():
    clock = [100.0]
    stream = opened(*LADDER, now_s=lambda: clock[0])
    push(stream, [make_plan(**AUDIO), *segment(0)], "audio_only")
    clock[0] += 2 * LADDER_WAIT_S
    stream.look()
    assert not stream.is_live()

    push(stream, [make_plan(height=480), *segment(0)], "480p30")
    assert not stream.is_live()
    clock[0] += LADDER_WAIT_S
    stream.look()
    assert listed(stream) == ["480p30"]


def test_a_bandwidth_is_as_announced_until_a_segment_has_been_measured():
    stream = opened(LADDER[1])
    push(stream, [make_plan(), started(0), part(0, 0, 500, b"x" * 900_000)], "480p30")
    assert b":BANDWIDTH=1400000,AVERAGE-BANDWIDTH=1400000," in multivariant(stream)

    push(stream, [part(0, 1, 1500, b"x" * 100_000), segment(0)[-1]], "480p30")
    assert b":BANDWIDTH=4000000,AVERAGE-BANDWIDTH=4000000," in multivariant(stream)
