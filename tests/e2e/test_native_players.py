"""Real players outside of browsers: on a television box, on the command line."""

import os
import re
import shutil
import statistics
import subprocess
import time
from itertools import pairwise

import pytest

from e2e.harness import RELOAD_NOISE
from e2e.players.streams import FPS, SOURCE_S, STREAMS, live_streams

NATIVE_FRAMES = 120
WITHIN_S = 90  # also on a loaded machine


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with live_streams(tmp_path_factory.mktemp("native-players")) as site:
        yield site


def ffmpeg(url):
    seconds = str(NATIVE_FRAMES / FPS)
    return ["ffmpeg", "-hide_banner", "-nostdin", "-v", "warning", "-xerror", "-i", url,
            "-t", seconds, "-map", "0:v", "-map", "0:a", "-f", "framemd5", "-"]  # fmt: skip


def vlc(url):
    """VLC's own reading, not decoded: a transport stream on standard output."""
    return ["cvlc", "--intf", "dummy", "--no-plugins-cache",
            "--sout", "#std{access=file,mux=ts,dst=-}", url, "vlc://quit"]  # fmt: skip


def gstreamer(url):
    sink = "fakesink sync=true"
    return ["gst-launch-1.0", "-v", "playbin3", f"uri={url}",
            f"video-sink={sink} silent=false num-buffers={NATIVE_FRAMES} name=picture",
            f"audio-sink={sink} num-buffers={NATIVE_FRAMES}"]  # fmt: skip


NATIVE_PLAYERS = {"ffmpeg": ffmpeg, "cvlc": vlc, "gst-launch-1.0": gstreamer}


def is_usable(program):
    if program == "gst-launch-1.0" and shutil.which("gst-inspect-1.0"):
        needed = ("playbin3", "hlsdemux2", "souphttpsrc", "tsdemux", "qtdemux", "avdec_h264")
        asked = [["gst-inspect-1.0", "--exists", element] for element in needed]
        return all(subprocess.run(ask, check=False).returncode == 0 for ask in asked)
    return shutil.which(program) is not None


@pytest.fixture(scope="module", params=list(STREAMS))
def read(request, site, tmp_path_factory):
    """Exit status, output and words of each native player, all at the same time."""
    folder, started = tmp_path_factory.mktemp("native"), {}
    for program, command in NATIVE_PLAYERS.items():
        if not is_usable(program):
            continue
        # VLC refuses to be run by root.
        user = "nobody" if program == "cvlc" and os.geteuid() == 0 else None
        with (folder / program).open("wb") as out, (folder / f"{program}.err").open("wb") as err:
            started[program] = subprocess.Popen(
                command(site.urls[request.param]), stdout=out, stderr=err, user=user
            )
    enough_bytes = 1.3 * NATIVE_FRAMES / FPS * site.source.stat().st_size / SOURCE_S
    deadline = time.monotonic() + WITHIN_S
    while any(process.poll() is None for process in started.values()):
        time.sleep(0.2)
        if "cvlc" in started and (folder / "cvlc").stat().st_size > enough_bytes:
            started["cvlc"].terminate()  # it would go on for as long as the stream does
        if time.monotonic() > deadline:
            for process in started.values():
                process.kill()
    return {
        program: (process.returncode, folder / program, (folder / f"{program}.err").read_text())
        for program, process in started.items()
    }


def what_was_read(read, program):
    if program not in read:
        pytest.skip(f"{program} is not installed, or lacks plugins: `make system-tools` does that")
    status, output, words = read[program]
    assert status == 0, words[-2000:]
    return output, words


def assert_smooth(times_s):
    """Frames in order at their pace, but for where the source begins again."""
    steps = [after - before for before, after in pairwise(times_s)]
    assert len(times_s) >= NATIVE_FRAMES * 0.9
    assert statistics.median(steps) == pytest.approx(1 / FPS, abs=0.004)
    assert min(steps) > 0
    assert max(steps) < 4 / FPS


def test_ffmpeg_reads_it_without_a_word(read):
    output, words = what_was_read(read, "ffmpeg")

    assert [line for line in words.splitlines() if not line.endswith(RELOAD_NOISE)] == []
    rows = [line for line in output.read_text().splitlines() if line.startswith("0,")]
    assert_smooth([int(row.split(",")[2]) / FPS for row in rows])


def test_vlc_reads_it(read):
    output, _ = what_was_read(read, "cvlc")

    probe = subprocess.run(
        ["ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "packet=pts_time",
         "-of", "csv=p=0", str(output)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert_smooth([float(line.strip(",")) for line in probe.stdout.split()])


def test_gstreamer_reads_it(read):
    output, words = what_was_read(read, "gst-launch-1.0")

    assert "ERROR" not in words
    shown = re.findall(r"chain .*? pts: 0:(\d\d):([\d.]+),", output.read_text())
    assert_smooth([int(minutes) * 60 + float(seconds) for minutes, seconds in shown])
