import threading

import pytest

from headwater.media.ladder import FrameRate, Rendition
from headwater.media.transcode.policy import LEVELS, Policy
from headwater.media.transcode.video import VideoLine
from headwater.media.transcode.wire import EncoderSettings
from media.transcode.clips import make_clip

pytestmark = pytest.mark.e2e

RENDITIONS = [
    (0, Rendition(name="90p30", width=160, height=90, frame_rate=FrameRate(30), video_bps=200_000)),
    (1, Rendition(name="60p30", width=106, height=60, frame_rate=FrameRate(30), video_bps=100_000)),
]


class Sink:
    """Keeps what comes."""

    def __init__(self):
        self.tracks = {0: [], 1: []}
        self.packets = {0: [], 1: []}
        self._changed = threading.Condition()

    def video_track(self, index, track):
        self.tracks[index].append(track)

    def video(self, index, packet):
        with self._changed:
            self.packets[index].append(packet)
            self._changed.notify_all()

    def wait_for(self, count):
        """Until the smaller rendition has so many pictures."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.packets[1]) >= count, 30)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "short.flv"
    return make_clip(path, "testsrc2=size=160x90:rate=30", seconds=3, options=("-g", "15"))


def run(clip, levels):
    """All of the clip; the policy goes up before each of as many equal shares as `levels`."""
    policy, sink, now_s = Policy(LEVELS), Sink(), 0.0
    settings = EncoderSettings(live=False)
    line = VideoLine(clip.tracks.video, RENDITIONS, settings, policy, sink)
    threads = line.threads(lambda: 0.0)
    for thread in threads:
        thread.start()
    share = len(clip.video) // len(levels)
    for number, packet in enumerate(clip.video):
        while policy.level != levels[min(number // share, len(levels) - 1)]:
            now_s += 1
            policy.update(now_s, 1000)
        assert line.waiting.put(packet, 30)
        if number % share == share - 1:
            sink.wait_for(number + 1)  # the level of this share is for its own frames
    line.waiting.close()
    for thread in threads:
        thread.join(30)
    return line, sink


def test_presets_change_at_key_frames_without_a_new_configuration(clip):
    _, sink = run(clip, LEVELS[:3])

    for index in (0, 1):
        assert len(set(sink.tracks[index])) == 1
        assert [packet.pts for packet in sink.packets[index]] == [each.pts for each in clip.video]
        keys = [packet.pts for packet in sink.packets[index] if packet.keyframe]
        assert keys == [packet.pts for packet in clip.video if packet.keyframe]


def test_the_last_step_halves_the_frames_of_the_largest_rendition_only(clip):
    line, sink = run(clip, LEVELS[3:])

    assert len(sink.packets[1]) == len(clip.video)
    assert line.stages[0].dropped == len(clip.video) - len(sink.packets[0])
    assert len(sink.packets[0]) == pytest.approx(len(clip.video) / 2, abs=6)
    keys = [packet.pts for packet in clip.video if packet.keyframe]
    assert [packet.pts for packet in sink.packets[0] if packet.keyframe] == keys
