import asyncio
import subprocess
import sys

import pytest
import uvloop

from e2e.harness import FFMPEG
from headwater.node.recording import thumbnailer
from headwater.node.recording.thumbnailer import ThumbnailProcess
from headwater.recording.layout import ThumbnailSize

pytestmark = pytest.mark.e2e
SIZE = ThumbnailSize(width=320, height=180)


def media(container, *, color="red", options=()):
    command = [
        *FFMPEG, "-f", "lavfi", "-i", f"color={color}:size=640x360:rate=30:duration=1",
        "-c:v", "libx264", "-bf", "2", "-g", "30", "-pix_fmt", "yuv420p", *options,
        "-f", container, "-",
    ]  # fmt: skip
    return subprocess.run(command, capture_output=True, check=True).stdout


def color_of(jpeg):
    """The JPEG's size and the mean of its RGB."""
    command = [*FFMPEG, "-f", "image2pipe", "-i", "-", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    raw = subprocess.run(command, input=jpeg, capture_output=True, check=True).stdout
    return len(raw) // 3, [sum(raw[index::3]) / (len(raw) // 3) for index in range(3)]


@pytest.fixture
async def process():
    process = ThumbnailProcess()
    yield process
    await process.close()


FORMATS = [
    # id,               container, options
    ("TS",              "mpegts",  ()),
    ("fragmented MP4",  "mp4",     ("-movflags", "empty_moov+frag_keyframe+default_base_moof")),
]  # fmt: skip


@pytest.mark.parametrize(
    ("container", "options"), [row[1:] for row in FORMATS], ids=[row[0] for row in FORMATS]
)
async def test_the_key_frame_becomes_a_jpeg_of_the_size_wanted(process, container, options):
    red, blue = (media(container, color=color, options=options) for color in ("red", "blue"))

    jpegs = await asyncio.gather(process.draw(red, SIZE), process.draw(blue, SIZE))

    for jpeg, brightest in zip(jpegs, (0, 2), strict=True):
        pixels, rgb = color_of(jpeg)
        assert jpeg.startswith(b"\xff\xd8")
        assert pixels == 320 * 180
        assert rgb[brightest] > 230
        assert sum(rgb) - rgb[brightest] < 60


async def test_media_that_is_broken_gives_no_picture_and_costs_no_process(process):
    good = media("mpegts")
    await process.draw(good, SIZE)
    before = process._process

    for bad in (b"", b"nonsense" * 100, good[: 188 * 4], good[:400] + bytes(100) + good[500:3000]):
        await process.draw(bad, SIZE)
    assert await process.draw(b"", SIZE) is None
    assert await process.draw(good, SIZE) is not None
    assert process._process is before


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_process_that_is_killed_is_replaced(monkeypatch, loop):
    monkeypatch.setattr(thumbnailer, "RETRY_S", 0.0)
    good = media("mpegts")

    async def work():
        process = ThumbnailProcess()
        made = [await process.draw(good, SIZE)]
        await process._process.kill()
        made += [await process.draw(good, SIZE) for _ in range(2)]
        await process.close()
        return made

    with asyncio.Runner(loop_factory=loop) as runner:
        before, lost, after = runner.run(work())
    assert before is not None
    assert lost is None
    assert after == before


ANSWERS_SOMETHING_ELSE = """
import os, time
from headwater.recording.thumbnails_wire import Made, write
os.write(1, write(Made(number=9, jpeg=b"")))
time.sleep(60)
"""
BAD = [
    # id,            program
    ("crashes",      "import sys; sys.exit('no')"),
    ("hangs",        "import time; time.sleep(60)"),
    ("nonsense",     "import os, time; os.write(1, b'\\xff' * 64); time.sleep(60)"),
    ("other answer", ANSWERS_SOMETHING_ELSE),
]  # fmt: skip


@pytest.mark.parametrize("program", [row[1] for row in BAD], ids=[row[0] for row in BAD])
async def test_a_process_that_does_harm_costs_its_picture_alone(program):
    process = ThumbnailProcess([sys.executable, "-c", program], hang_s=3)

    assert await process.draw(b"media", SIZE) is None
    assert process._process is None
    started_s = asyncio.get_running_loop().time()
    assert await process.draw(b"media", SIZE) is None, "it is not started again at once"
    assert asyncio.get_running_loop().time() - started_s < 1


async def test_a_command_that_is_not_there_is_no_crash():
    process = ThumbnailProcess(["/no/such/program"])
    assert await process.draw(b"media", SIZE) is None


async def test_what_is_waited_for_has_a_bound():
    process = ThumbnailProcess([sys.executable, "-c", "import time; time.sleep(60)"], hang_s=1)
    wanted = thumbnailer.MAX_WAITING + 5

    made = await asyncio.gather(*(process.draw(b"media", SIZE) for _ in range(wanted)))

    assert made == [None] * wanted
    assert (process._waiting, process._waiting_bytes) == (0, 0)
    assert await process.draw(bytes((12 << 20) + 1), SIZE) is None


async def test_an_idle_process_ends_by_itself(process, monkeypatch):
    monkeypatch.setattr(thumbnailer, "IDLE_S", 0.0)
    good = media("mpegts")
    await process.draw(good, SIZE)
    running = process._process
    await asyncio.wait_for(running.ended(), 10)

    assert running.status == 0
    assert await process.draw(good, SIZE) is not None
