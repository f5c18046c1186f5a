"""Transcoding beside the ffmpeg command line: processor time, memory, added latency.

The same ladder (a STANDARD channel's, of a 1080p30 input) from the same file, with the same
preset, bitrates, profile and key frames, is made by the transcoder and by ffmpeg, as one
usually calls it and tuned for latency. Rounds alternate; the figure is the ratio of
processor time within a round, which other load disturbs least. Each reads from a file and
writes to files. Then latency: the transcoder is fed in real time, and each frame is timed
from its going in to its coming out encoded, through both pipes.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from rig import encode_source, percentile, print_table, spread

from e2e.harness import FFMPEG
from headwater.media.ladder import Rendition, ladder, source_of
from headwater.media.transcode.wire import (
    Begin,
    Encoded,
    EncoderSettings,
    End,
    Media,
    answer_reader,
    write_message,
)
from media.transcode.clips import COMMAND, Clip, read_clip, requests_of

FPS = 30
PRESET = "veryfast"
WARM_UP_S = 1.0
TARGET_RATIO = 1.2
TARGET_LATENCY_MS = 150


@dataclass
class Run:
    """What one program took."""

    cpu_s: float
    wall_s: float
    peak_mb: float


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=10, help="of media")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        source = encode_source(
            Path(folder) / "source.flv",
            video_kbps=6000,
            seconds=options.seconds,
            size="1920x1080",
            fps=FPS,
        )
        clip = read_clip(source)
        renditions = wanted(clip)
        throughput(source, clip, renditions, options.rounds)
        latency(clip, renditions)


def wanted(clip: Clip) -> tuple[Rendition, ...]:
    """The ladder's renditions that are encoded."""
    whole = ladder("STANDARD", "", source_of(clip.tracks, float(FPS)))
    return tuple(each for each in whole if not each.is_passthrough)


# --- processor time ---


def throughput(source: Path, clip: Clip, renditions: tuple[Rendition, ...], rounds: int) -> None:
    """Alternate between the programs; print processor time, speed and memory."""
    requests = source.with_name("requests")
    settings = EncoderSettings(live=False, preset=PRESET)
    requests.write_bytes(b"".join(map(write_message, requests_of(clip, renditions, settings))))
    usual = ffmpeg_command(source, renditions, [])
    tuned = ffmpeg_command(source, renditions, ["-tune", "zerolatency"])
    runs: dict[str, list[Run]] = defaultdict(list)
    for _ in range(rounds):
        runs["ffmpeg, as usual"].append(timed(usual))
        runs["ffmpeg, -tune zerolatency"].append(timed(tuned))
        runs["Headwater"].append(timed(list(COMMAND), stdin=requests))
    frames = len(clip.video)
    rows = []
    for name, mine in runs.items():
        pairs = list(zip(mine, runs["Headwater"], strict=True))
        rows.append([
            name,
            spread([1000 * each.cpu_s / frames for each in mine], 1),
            spread([each.cpu_s / ours.cpu_s for each, ours in pairs]),
            spread([frames / each.wall_s for each in mine], 1),
            spread([each.wall_s / ours.wall_s for each, ours in pairs]),
            spread([each.peak_mb for each in mine], 0),
        ])  # fmt: skip
    print_table(
        f"1080p30 to 720p30, 480p30, 360p30 and 160p30, {PRESET}; target {TARGET_RATIO} times",
        [
            "program", "processor ms a frame", "times Headwater's",
            "frames a second", "Headwater is so many times as fast", "peak memory, MB",
        ],
        rows,
    )  # fmt: skip


def ffmpeg_command(source: Path, renditions: tuple[Rendition, ...], tuning: list[str]) -> list[str]:
    """The same ladder by the command line."""
    pictures = [each for each in renditions if each.video_bps]
    outputs = "".join(f"[s{number}]" for number in range(len(pictures)))
    scalers = "".join(
        f";[s{number}]scale={each.width}:{each.height}[v{number}]"
        for number, each in enumerate(pictures)
    )
    graph = f"[0:v]split={len(pictures)}{outputs}{scalers}"
    command = [*FFMPEG, "-y", "-i", str(source), "-filter_complex", graph]
    for number, each in enumerate(pictures):
        sound = ["-c:a", "copy"] if each.audio_bps is None else ["-b:a", str(each.audio_bps)]
        command += [
            "-map", f"[v{number}]", "-map", "0:a", *sound,
            "-c:v", "libx264", "-preset", PRESET, *tuning, "-profile:v", "main", "-bf", "0",
            "-force_key_frames", "source", "-forced-idr", "1",
            "-x264-params", "keyint=infinite:scenecut=0",
            "-b:v", str(each.video_bps), "-maxrate", str(each.video_bps),
            "-bufsize", str(each.video_bps), str(source.with_name(f"{each.name}.flv")),
        ]  # fmt: skip
    return command


def timed(command: list[str], stdin: Path | None = None) -> Run:
    """Run it; what it took."""
    out = Path(tempfile.gettempdir()) / f"answers-{os.getpid()}"
    with stdin.open("rb") if stdin else open(os.devnull, "rb") as given, out.open("wb") as taken:  # noqa: PTH123
        started_s = time.monotonic()
        process = subprocess.Popen(command, stdin=given, stdout=taken, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.monotonic() - started_s
    process.returncode = os.waitstatus_to_exitcode(status)
    out.unlink()
    if process.returncode:
        sys.exit(f"{command[0]} failed with {process.returncode}")
    return Run(usage.ru_utime + usage.ru_stime, wall_s, usage.ru_maxrss / 1024)


# --- latency ---


def latency(clip: Clip, renditions: tuple[Rendition, ...]) -> None:
    """Feed in real time; print how long frames take."""
    settings = EncoderSettings(preset=PRESET)
    sent_s: dict[int, float] = {}
    took_ms: dict[int, list[float]] = defaultdict(list)
    with subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        feeder = threading.Thread(
            target=_feed, args=(process, clip, Begin(
                source=clip.tracks, renditions=renditions, settings=settings), sent_s)
        )  # fmt: skip
        feeder.start()
        reader = answer_reader()
        while chunk := process.stdout.read1(1 << 16):  # type: ignore[union-attr]
            now_s = time.monotonic()
            for answer in reader.push(chunk):
                if isinstance(answer, Encoded) and answer.packet.kind == "video":
                    at = answer.packet.pts
                    took_ms[answer.renditions[0]].append(1000 * (now_s - sent_s[at]))
        feeder.join()
    rows = []
    for index, each in enumerate(renditions):
        values = took_ms[index][round(WARM_UP_S * FPS) :]
        rows.append([
            each.name,
            f"{statistics.median(values):.0f}",
            f"{percentile(values, 0.95):.0f}",
            f"{percentile(values, 0.99):.0f}",
        ])  # fmt: skip
    print_table(
        f"Latency from source frame in to encoded frame out, ms; target p50 {TARGET_LATENCY_MS}",
        ["rendition", "p50", "p95", "p99"],
        rows,
    )


def _feed(
    process: "subprocess.Popen[bytes]", clip: Clip, begin: Begin, sent_s: dict[int, float]
) -> None:
    pipe = process.stdin
    assert pipe is not None  # noqa: S101 - for mypy
    pipe.write(write_message(begin))
    pipe.flush()
    start_s = time.monotonic() + 1.0  # it opens its encoders meanwhile
    for packet in clip.packets:
        scale = (
            clip.tracks.video.timescale if packet.kind == "video" else clip.tracks.audio.timescale
        )
        due_s = start_s + float(Fraction(packet.dts, scale))
        time.sleep(max(0.0, due_s - time.monotonic()))
        if packet.kind == "video":
            sent_s[packet.pts] = time.monotonic()
        pipe.write(write_message(Media(packet=packet)))
        pipe.flush()
    pipe.write(write_message(End()))
    pipe.close()


if __name__ == "__main__":
    main()
