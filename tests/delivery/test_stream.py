import gzip

import pytest

from delivery.feed import FINISHED, make_plan, part, segment, segments, started
from headwater.delivery.stream import LiveStream


def opened(*, now_s=lambda: 0.0, **options):
    return LiveStream(
        "run",
        stream_id="st-1",
        **{"low_latency": True, "private": False, "window_ms": 24_000, **options},
        now_s=now_s,
    )


def push(stream, events, key=None):
    for event in events:
        stream.push(key, event)
    return stream


def test_a_stream_is_live_from_its_first_part_to_its_end():
    stream = opened()
    seen = [stream.is_live()]
    for event in [make_plan(), started(0), part(0, 0), FINISHED]:
        stream.push(None, event)
        seen.append(stream.is_live())

    assert seen == [False, False, False, True, False]
    assert stream.has_ended()


def test_plain_hls_is_live_from_its_first_segment():
    stream = push(opened(), [make_plan(part_target_ms=None), started(0), part(0, 0, 2000)])
    assert not stream.is_live()

    push(stream, segment(0, parts=(2000,))[-1:])
    assert stream.is_live()


def test_the_only_rendition_is_named_after_its_plan():
    stream = push(opened(), [make_plan(), *segment(0)])

    assert stream.rendition("720p30").plan == make_plan()
    assert stream.rendition("1080p60") is None
    assert b"/v1/run/720p30/playlist.m3u8\n" in stream.multivariant(0)


def test_bandwidth_is_measured():
    stream = push(opened(), [make_plan(), started(0), part(0, 0, 500, b"x" * 1000)])
    assert b":BANDWIDTH=16000,AVERAGE-BANDWIDTH=16000," in stream.multivariant(0)

    push(stream, [part(0, 1, 1500, b"x" * 1000), segment(0)[-1], *segment(1, parts=(2000,))])
    assert b":BANDWIDTH=8000,AVERAGE-BANDWIDTH=4010," in stream.multivariant(0)


def test_several_renditions_report_each_other():
    stream = opened()
    for name, height in [("720p30", 720), ("480p30", 480)]:
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
    assert stream.multivariant(0).count(b"#EXT-X-STREAM-INF") == 2

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
    assert playlist.endswith(b"\n1.ts\n#EXT-X-ENDLIST\n")


def test_a_stream_that_ends_before_its_plan_has_just_ended():
    stream = push(opened(), [FINISHED])

    assert stream.has_ended()
    assert stream.has_expired()


def test_an_ended_stream_stays_for_its_window_and_then_expires():
    clock = [100.0]
    stream = push(opened(now_s=lambda: clock[0]), [make_plan(), *segments(0, 14)])
    assert not stream.has_expired()
    stream.push(None, FINISHED)
    clock[0] += 27.9
    stream.close()
    assert not stream.has_expired()

    clock[0] = 128.0
    assert stream.has_expired()


MISUSE = [
    # id,                           events
    ("media before the plan",       [started(0)]),
    ("a second plan",               [make_plan(), make_plan()]),
]  # fmt: skip


@pytest.mark.parametrize("events", [row[1] for row in MISUSE], ids=[row[0] for row in MISUSE])
def test_events_out_of_order_are_our_bug(events):
    with pytest.raises(RuntimeError):
        push(opened(), events)


def test_two_renditions_cannot_have_one_name():
    stream = push(opened(), [make_plan()])

    with pytest.raises(RuntimeError, match="720p30 already"):
        stream.push("720p30", make_plan())
