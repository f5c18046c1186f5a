"""Stretches without pictures whose sound comes late, as of a transcoder that fell behind.

What is written is looked at before it is bytes: which sound lies in a part with which pictures.
"""

import pytest

from headwater.core.segment import Part, SegmentStarted
from headwater.media.segmenter import Segmenter
from media.packets import BOTH, in_order, steady
from media.test_follower import SOUND, Pair

NOW_MS = 1_800_000_000_000
HOLE_S = (3.0, 7.0)
PACKET_S = 1024 / 48_000


class Keeper:
    """A writer of parts that keeps the times of what is in them, in seconds."""

    def __init__(self):
        self.parts = []

    def set_tracks(self, _tracks):
        return None

    def write_part(self, video, audio, _tags=()):
        self.parts.append(
            (
                [sample.packet.pts / 90_000 for sample in video],
                [sample.packet.pts / 48_000 for sample in audio],
            )
        )
        return b"kept"

    def sound(self):
        return [time_s for _, sound in self.parts for time_s in sound]


def at_s(packet):
    return packet.pts / (90_000 if packet.kind == "video" else 48_000)


def late_sound():
    """Pictures but for HOLE_S, whose sound comes behind the next picture."""
    packets = steady(30, 1, 10)
    before = [packet for packet in packets if at_s(packet) < HOLE_S[0]]
    late = [
        each for each in packets if each.kind == "audio" and HOLE_S[0] <= at_s(each) < HOLE_S[1]
    ]
    after = [packet for packet in packets if at_s(packet) >= HOLE_S[1]]
    first = next(packet for packet in after if packet.kind == "video")
    after.remove(first)
    return [*before, first, *late, *after]


def lead(packets, monkeypatch):
    keeper = Keeper()
    monkeypatch.setattr("headwater.media.segmenter.TsWriter", lambda: keeper)
    made = Segmenter("TS", low_latency=True, segment_tags=False)
    events = made.push(BOTH, NOW_MS)
    for packet in packets:
        events += made.push(packet, NOW_MS)
    return events + made.flush(), keeper


def test_sound_of_a_hole_that_comes_late_is_not_put_behind_it(monkeypatch):
    events, keeper = lead(late_sound(), monkeypatch)

    starts = [each for each in events if isinstance(each, SegmentStarted) and each.discontinuity]
    assert len(starts) == 1
    for part, (pictures, heard) in zip(
        [each for each in events if isinstance(each, Part)], keeper.parts, strict=True
    ):
        if pictures and heard:
            assert abs(pictures[0] - heard[0]) < 0.2
        assert not heard or len(heard) * PACKET_S <= part.duration_ms / 1000 + 4 * PACKET_S
    lost = [time_s for time_s in keeper.sound() if HOLE_S[0] + 0.5 < time_s < HOLE_S[1] - 0.1]
    assert not lost
    assert max(keeper.sound()) > 9.9


def test_sound_that_begins_again_before_the_pictures_ends_the_hole(monkeypatch):
    """Where it has come in time, nothing of it is lost."""
    packets = [
        packet
        for packet in steady(30, 1, 10)
        if not HOLE_S[0] <= at_s(packet) < HOLE_S[1]
        or (packet.kind == "audio" and at_s(packet) >= 5.0)
    ]
    events, keeper = lead(in_order(packets), monkeypatch)

    sent = [at_s(packet) for packet in packets if packet.kind == "audio"]
    assert keeper.sound() == sent
    for (pictures, heard), part in zip(
        keeper.parts, [each for each in events if isinstance(each, Part)], strict=True
    ):
        assert not pictures or not heard or abs(pictures[0] - heard[0]) < 0.2
        assert len(heard) * PACKET_S <= part.duration_ms / 1000 + 4 * PACKET_S


@pytest.mark.parametrize("tracks", [BOTH, SOUND], ids=["pictures", "sound alone"])
def test_a_rendition_that_follows_has_no_sound_of_the_hole_either(tracks):
    keeper = Keeper()
    pair = Pair(tracks=tracks)
    pair.follower._writer = keeper
    packets = late_sound()
    for packet in packets:
        pair.lead(packet)
        if packet.kind == "audio" or tracks is BOTH:
            pair.make(packet)
    pair.end()

    followed = [each for each in pair.followed if isinstance(each, Part) and not each.gap]
    with_media = [each for each in keeper.parts if each != ([], [])]
    assert len(followed) == len(with_media)
    for part, (_, heard) in zip(followed, with_media, strict=True):
        assert len(heard) * PACKET_S <= part.duration_ms / 1000 + 4 * PACKET_S
    lost = [time_s for time_s in keeper.sound() if HOLE_S[0] + 0.5 < time_s < HOLE_S[1] - 0.1]
    assert not lost
    assert max(keeper.sound()) > 9.9
