import json
import subprocess
from itertools import pairwise

import pytest

from e2e.harness import frame_hashes
from headwater.core.errors import OperatorError
from headwater.node.recording.export import export
from headwater.recording.archive import read
from headwater.recording.verify import verify
from recording.made import FPS, make_recording

pytestmark = pytest.mark.e2e  # made by ffmpeg, read by ffprobe


def streams_of(path):
    command = [
        "ffprobe", "-v", "error", "-count_frames", "-of", "json", "-show_entries",
        "stream=codec_type,nb_read_frames,width,height,start_time:format=duration", str(path),
    ]  # fmt: skip
    shown = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return {each["codec_type"]: each for each in shown["streams"]}, float(
        shown["format"]["duration"]
    )


def timestamps(path):
    command = [
        "ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "frame=pts_time",
        "-of", "csv=p=0", str(path),
    ]  # fmt: skip
    lines = subprocess.run(command, capture_output=True, check=True, text=True).stdout.split()
    return [float(line.strip(",")) for line in lines]


def recorded_frames(made, container, piece):
    """Of each segment by itself: each begins with a key frame."""
    folder, frames = made.path("media/hls/360p30"), []
    for number in range(len(made.group_counts)):
        run = number * 2 // len(made.group_counts)
        init = b"" if container == "TS" else (folder / f"init-{run}.mp4").read_bytes()
        ending = "ts" if container == "TS" else "m4s"
        piece.write_bytes(init + (folder / f"{number}.{ending}").read_bytes())
        frames += frame_hashes(str(piece))
    return frames


@pytest.mark.parametrize("container", ["TS", "FRAGMENTED_MP4"])
async def test_two_merged_streams_become_one_file_whose_times_go_on(tmp_path, container):
    made = make_recording(tmp_path, tmp_path / "work", container=container, runs=2, seconds=3)
    told = []
    output = tmp_path / "show.mp4"

    done = await export(
        made.store, await read(made.store, made.place), output, tell=lambda *step: told.append(step)
    )

    streams, duration_s = streams_of(output)
    assert (streams["video"]["width"], streams["video"]["height"]) == (640, 360)
    assert int(streams["video"]["nb_read_frames"]) == 6 * FPS
    assert duration_s == pytest.approx(6, abs=0.15)
    assert done.duration_s == pytest.approx(duration_s, abs=0.05)
    assert (done.rendition, done.left_out, done.missing_s) == ("360p30", 0, 0)
    assert done.is_over
    assert done.size_bytes == output.stat().st_size
    times = timestamps(output)
    steps = [after - before for before, after in pairwise(times)]
    assert min(steps) > 0.03
    assert max(steps) < 0.15
    assert [step for step, _ in told] == sorted(step for step, _ in told)
    assert told[0] == (0.0, 6)
    assert told[-1] == (pytest.approx(6, abs=0.15), 6)
    assert frame_hashes(str(output)) == recorded_frames(made, container, tmp_path / "piece")
    assert (await verify(made.store, made.place)).findings == []


async def test_a_rendition_can_be_chosen_and_one_that_is_not_there_is_named(tmp_path):
    made = make_recording(tmp_path, tmp_path / "work", seconds=2)
    recording = await read(made.store, made.place)

    done = await export(made.store, recording, tmp_path / "small.mp4", rendition="160p30")

    assert done.rendition == "160p30"
    assert streams_of(tmp_path / "small.mp4")[0]["video"]["height"] == 160
    with pytest.raises(OperatorError, match="the recording has 360p30, 160p30"):
        await export(made.store, recording, tmp_path / "x.mp4", rendition="4K")


async def test_what_is_missing_stands_still_and_is_told(tmp_path):
    made = make_recording(tmp_path, tmp_path / "work", seconds=6)
    playlist = made.path("media/hls/360p30/playlist.m3u8")
    playlist.write_text(playlist.read_text().replace("\n1.ts", "\n#EXT-X-GAP\n1.ts"))
    made.path("media/hls/360p30/1.ts").unlink()

    done = await export(made.store, await read(made.store, made.place), tmp_path / "o.mp4")

    assert done.missing_s == 2
    streams, duration_s = streams_of(tmp_path / "o.mp4")
    assert int(streams["video"]["nb_read_frames"]) == 4 * FPS
    assert duration_s == pytest.approx(6, abs=0.15)


BROKEN = [
    # id,              file,      body,                says
    ("missing",        "1.ts",    None,                "1.ts or its init segment is missing"),
    ("no media",       "1.ts",    b"no media" * 500,   "cannot be exported"),
    ("no playlist",    "playlist.m3u8", b"<html>",     "line 1"),
    ("playlist missing", "playlist.m3u8", None,        "playlist.m3u8 is missing"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("file", "body", "says"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN]
)
async def test_a_broken_recording_leaves_no_file_behind(tmp_path, file, body, says):
    made = make_recording(tmp_path / "bucket", tmp_path / "work", seconds=4)
    path = made.path(f"media/hls/360p30/{file}")
    path.unlink() if body is None else path.write_bytes(body)
    out = tmp_path / "out"
    out.mkdir()

    with pytest.raises(OperatorError, match=says):
        await export(made.store, await read(made.store, made.place), out / "show.mp4")

    assert list(out.iterdir()) == []


async def test_a_folder_that_is_not_there_is_an_error_in_words(tmp_path):
    made = make_recording(tmp_path, tmp_path / "work", seconds=1)

    with pytest.raises(OperatorError, match="cannot be written: No such file"):
        await export(made.store, await read(made.store, made.place), tmp_path / "no" / "o.mp4")
