from itertools import pairwise

import pytest

from headwater.core.encoded import CodecConfig, EncodedFrame
from headwater.core.errors import PeerError
from headwater.media.pace import Pace

AAC = CodecConfig(kind="audio", codec="aac", data=bytes.fromhex("1190"))
H264 = CodecConfig(kind="video", codec="h264", data=b"")
AUDIO_MS, VIDEO_MS = 64 / 3, 40.0


def frame(kind, time_ms, offset_ms=0):
    return EncodedFrame(
        kind=kind,
        timestamp_ms=round(time_ms) % 2**32,
        composition_offset_ms=offset_ms,
        keyframe=True,
        data=b"x",
    )


def stream(seconds, *, clock=1.0, speed=1.0, sound=True, pictures=True, start_ms=0.0, offset_ms=0):
    """(arrival, frame): a clock that runs `clock` times too fast, sent at `speed` times."""
    found = []
    for kind, step_ms, wanted in (("audio", AUDIO_MS, sound), ("video", VIDEO_MS, pictures)):
        if wanted:
            found += [
                (
                    start_ms + n * step_ms / speed,
                    frame(kind, n * step_ms * clock, offset_ms if kind == "video" else 0),
                )
                for n in range(int(seconds * speed * 1000 / step_ms))
            ]
    return sorted(found, key=lambda row: row[0])


def run(arrivals):
    pace = Pace()
    pace.configure(H264)
    pace.configure(AAC)
    out = [pace.pass_on(each, round(1_700_000_000_000 + at_ms)) for at_ms, each in arrivals]
    return pace, out


def stalling(seconds):
    """Each 10 s arrive within the last of them."""
    return [
        (at_ms // 10_000 * 10_000 + 9000 + at_ms % 10_000 / 10, each)
        for at_ms, each in stream(seconds)
    ]


TRUSTED = [
    # id,                                  arrivals
    ("R-68 a good clock",                  stream(60)),
    ("R-70 10 s arrive in 1 s",            stalling(80)),
    ("a file sent at 3 times its speed",   stream(60, speed=3)),
    ("an uplink that is too slow",         stream(60, speed=0.5)),
    ("video only at 2 times its speed",    stream(60, speed=2, sound=False)),
    ("no frame for a minute",              [*stream(5), *stream(5, start_ms=60_000)]),
    ("wrong for 15 s only",                [*stream(15, clock=10), *stream(60, start_ms=15_000)]),
]  # fmt: skip


@pytest.mark.parametrize("arrivals", [row[1] for row in TRUSTED], ids=[row[0] for row in TRUSTED])
def test_a_clock_is_trusted_while_it_can_be(arrivals):
    pace, out = run(arrivals)

    assert not pace.by_arrival
    assert all(given is taken for given, (_, taken) in zip(out, arrivals, strict=True))


WRONG = [
    # id,                              arrivals,                                   clock
    ("R-68 10 times too fast",         stream(60, clock=10, offset_ms=800),        10),
    ("R-68 90 kHz taken for ms",       stream(60, clock=90, offset_ms=7200),       90),
    ("R-68 half as fast",              stream(60, clock=0.5, offset_ms=40),        0.5),
    ("R-68 10 times, video only",      stream(60, clock=10, sound=False, offset_ms=800), 10),
    ("R-68 stands still",              stream(60, clock=0, offset_ms=0),           0),
]  # fmt: skip


@pytest.mark.parametrize(
    ("arrivals", "clock"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG]
)
def test_a_wrong_clock_gives_way_to_arrival_times(arrivals, clock):
    pace, out = run(arrivals)

    assert pace.by_arrival
    video = [each for each in out if each.kind == "video"][-500:]
    steps = [b.timestamp_ms - a.timestamp_ms for a, b in pairwise(video)]
    assert set(steps) <= {39, 40, 41}
    assert {each.composition_offset_ms for each in video} <= ({79, 80, 81} if clock else {0})


def test_by_arrival_jitter_of_the_network_is_not_jitter_of_the_picture():
    arrivals = [(at_ms // 200 * 200, each) for at_ms, each in stream(60, clock=10)]

    _, out = run(arrivals)

    video = [each.timestamp_ms for each in out if each.kind == "video"][-500:]
    assert all(30 <= b - a <= 50 for a, b in pairwise(video))


def test_by_arrival_a_pause_is_a_pause():
    arrivals = [*stream(40, clock=10), *stream(5, clock=10, start_ms=60_000)]

    _, out = run(arrivals)

    video = [each.timestamp_ms for each in out if each.kind == "video"][-200:]
    assert 19_000 < max(b - a for a, b in pairwise(video)) < 21_000


def test_a_configuration_it_cannot_read_is_refused():
    with pytest.raises(PeerError, match="empty"):
        Pace().configure(CodecConfig(kind="audio", codec="aac", data=b""))
