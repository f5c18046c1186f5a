import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest
import uvloop
from msgspec import structs

from headwater.core.packet import Packet
from headwater.core.track import TrackSet
from headwater.media.ladder import Rendition
from headwater.media.transcode.wire import EncoderSettings
from headwater.node.streams import transcoder as module
from headwater.node.streams.transcoder import Transcoder
from media.packets import BOTH, VIDEO, steady

STAND_IN = str(Path(__file__).with_name("stand_in.py"))
RENDITIONS = (Rendition(name="160p30", width=284, height=160, frame_rate=None, video_bps=230_000),)
PACKETS = steady(30, 1, 4, audio=False)
GENEROUS_S = 20


class Output:
    """What came out, in order."""

    def __init__(self):
        self.seen = []
        self.changed = asyncio.Event()

    def _note(self, *what):
        self.seen.append(what)
        self.changed.set()

    def encoded(self, indices, item):
        assert indices == (0,)
        self._note("tracks" if isinstance(item, TrackSet) else item.pts, item)

    def lost(self):
        self._note("lost")

    def resumed(self, pts):
        self._note("resumed", pts)

    def given_up(self):
        self._note("given up")

    def words(self):
        return [what[0] for what in self.seen]

    async def until(self, ready):
        async with asyncio.timeout(GENEROUS_S):
            while not ready(self.words()):
                self.changed.clear()
                await self.changed.wait()


@pytest.fixture
async def run():
    """Starts transcoders; each is stopped at the end."""
    started = []

    def start(*mode, command=None):
        output = Output()
        transcoder = Transcoder(
            output,
            EncoderSettings(),
            name="st-1",
            command=command or (sys.executable, STAND_IN, *map(str, mode)),
        )
        started.append(transcoder)
        transcoder.start()
        return transcoder, output

    yield start
    for transcoder in started:
        await transcoder.stop()


def stand_ins():
    """Our children that are stand-ins."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    commands = {int(pid): Path(f"/proc/{pid}/cmdline").read_bytes() for pid in children}
    return [pid for pid, command in commands.items() if STAND_IN.encode() in command]


def pictures(words):
    return [word for word in words if isinstance(word, int)]


async def test_what_comes_before_its_process_and_its_key_frame_is_waited_for_or_left_out(run):
    transcoder, output = run("honest")
    transcoder.feed(PACKETS[0])  # of tracks that are not known
    transcoder.configure(BOTH, RENDITIONS)
    for packet in PACKETS[5:90]:
        transcoder.feed(packet)
    await output.until(lambda words: len(pictures(words)) == 60)

    assert output.words()[0] == "tracks"
    assert pictures(output.words()) == [packet.pts for packet in PACKETS[30:90]]
    assert output.seen[1][1] == PACKETS[30]
    transcoding = transcoder.transcoding()
    assert (transcoding.level, transcoding.restarts) == ("faster preset", 0)
    assert (transcoding.dropped_frames, transcoding.cpu_s) == (7, 1.5)


async def test_at_the_end_the_last_pictures_still_come(run):
    transcoder, output = run("honest")
    transcoder.configure(BOTH, RENDITIONS)
    for packet in PACKETS:
        transcoder.feed(packet)
    await output.until(lambda words: "tracks" in words)

    await transcoder.finish()

    assert len(pictures(output.words())) == len(PACKETS)
    assert "lost" not in output.words()


@pytest.mark.parametrize("mode", ["crash", "hang", "garbage"])
async def test_one_that_fails_is_replaced_at_the_next_key_frame(run, monkeypatch, mode):
    monkeypatch.setattr(module, "HANG_S", 0.5)
    monkeypatch.setattr(module, "LOOK_S", 0.05)
    transcoder, output = run(mode, 40)
    transcoder.configure(BOTH, RENDITIONS)
    for packet in PACKETS[:39]:
        transcoder.feed(packet)
    await output.until(lambda words: len(pictures(words)) == 39)
    for packet in PACKETS[39:59]:
        transcoder.feed(packet)
        await asyncio.sleep(0.05)
    await output.until(lambda words: "lost" in words)
    for packet in PACKETS[59:95]:  # fewer than the next one takes
        transcoder.feed(packet)
    await output.until(lambda words: PACKETS[94].pts in words)

    words = output.words()
    at = words.index("lost")
    assert pictures(words[:at]) == [packet.pts for packet in PACKETS[:39]]
    assert words[at + 1] == "resumed"
    assert output.seen[at + 1][1] == PACKETS[60].pts
    assert words[at + 2] == "tracks"
    assert output.seen[at + 2][1] == structs.replace(BOTH, discontinuity=True)
    assert pictures(words[at:]) == [packet.pts for packet in PACKETS[60:95]]


async def test_an_input_that_pauses_makes_no_process_hang(run, monkeypatch):
    monkeypatch.setattr(module, "HANG_S", 0.5)
    monkeypatch.setattr(module, "PAUSE_S", 0.2)
    monkeypatch.setattr(module, "LOOK_S", 0.05)
    transcoder, output = run("hang", 40)
    transcoder.configure(BOTH, RENDITIONS)
    for packet in PACKETS[:39]:
        transcoder.feed(packet)
    await output.until(lambda words: len(pictures(words)) == 39)
    for packet in PACKETS[39:45]:  # which it does not answer
        transcoder.feed(packet)
    await asyncio.sleep(3 * module.HANG_S)
    assert "lost" not in output.words()

    for packet in PACKETS[45:60]:
        transcoder.feed(packet)
        await asyncio.sleep(0.05)
    await output.until(lambda words: "lost" in words)


async def test_one_that_fails_again_and_again_is_given_up(run):
    transcoder, output = run("crash", 1)
    transcoder.configure(BOTH, RENDITIONS)

    async def feed():
        while True:
            transcoder.feed(PACKETS[0])
            await asyncio.sleep(0.01)

    feeding = asyncio.create_task(feed())
    await output.until(lambda words: "given up" in words)
    feeding.cancel()

    assert output.words().count("lost") == module.MAX_RESTARTS + 1
    assert output.words()[-1] == "given up"


def test_feeding_one_in_any_moment_of_its_end_harms_nobody():
    """On the server's own loop: its transports raise where asyncio's say nothing."""

    async def work():
        output = Output()
        command = (sys.executable, STAND_IN, "crash", "1")
        transcoder = Transcoder(output, EncoderSettings(), name="st-1", command=command)
        transcoder.start()
        transcoder.configure(BOTH, RENDITIONS)
        async with asyncio.timeout(GENEROUS_S):
            while "given up" not in output.words():
                transcoder.feed(PACKETS[0])
                await asyncio.sleep(0)
        return output.words()

    assert uvloop.run(work()).count("lost") == module.MAX_RESTARTS + 1


async def test_one_that_cannot_be_started_is_given_up(run):
    _, output = run(command=("/nowhere/at/all",))

    await output.until(lambda words: "given up" in words)


async def test_feeding_one_that_does_not_read_never_waits_and_holds_little(run, monkeypatch):
    monkeypatch.setattr(module, "MAX_BACKLOG_BYTES", 1 << 20)
    transcoder, _ = run("deaf")
    transcoder.configure(BOTH, RENDITIONS)
    for number in range(300):
        packet = Packet(
            kind="video", dts=number, pts=number, keyframe=number % 10 == 0, data=bytes(100_000)
        )
        transcoder.feed(packet)
        if number % 50 == 0:
            await asyncio.sleep(0)

    assert transcoder._backlog_bytes() < (1 << 20) + 200_000


async def test_an_input_without_a_picture_for_a_while_is_lost_and_resumed(run):
    transcoder, output = run("honest")
    transcoder.configure(BOTH, RENDITIONS)
    for packet in PACKETS[:30]:
        transcoder.feed(packet)
    await output.until(lambda words: len(pictures(words)) == 30)
    transcoder.suspend()
    transcoder.feed(PACKETS[30])
    smaller = structs.replace(BOTH, video=structs.replace(VIDEO, width=640, height=360))
    transcoder.configure(smaller, RENDITIONS)
    for packet in PACKETS[31:90]:
        transcoder.feed(packet)
    await output.until(lambda words: PACKETS[89].pts in words)

    assert output.words()[31:34] == ["lost", "resumed", "tracks"]
    assert output.seen[32][1] == PACKETS[60].pts
    assert output.seen[33][1] == smaller


async def test_stopping_leaves_no_process(run):
    transcoder, output = run("hang", 1)
    transcoder.configure(BOTH, RENDITIONS)
    transcoder.feed(PACKETS[0])
    await output.until(lambda words: "tracks" in words)
    [pid] = stand_ins()
    os.kill(pid, signal.SIGSTOP)

    await transcoder.stop()

    assert stand_ins() == []
