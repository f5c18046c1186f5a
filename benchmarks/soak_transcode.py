"""Transcoding over time: memory of the server and its transcoder, picture and sound in step.

One 720p30 stream on a STANDARD channel for as long as asked, a viewer on each of three
renditions. Once a second a white flash and a beep begin in the same instant of the source.
Soon after the start and at the end each rendition is recorded through its playlist, without
being encoded again, and each flash's time is compared with its beep's, in the recording as
in the source: what the difference differs by is the transcoder's.

Resident memory is sampled each second, of the server and of the transcoding process; slopes
and errors are fitted as in `soak.py`. What the server logged about falling behind is counted.
"""

import argparse
import asyncio
import json
import random
import statistics
import subprocess
import sys
import threading
import time
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import rig
from soak import WINDOW_FULL_S, Viewer, slope_mb_per_hour

from e2e.harness import FFMPEG, Server, publishing, running_server, wait_for, wait_until_live

FPS = 30
LOOP_S = 64  # a whole number of frames of both kinds, so that it can be sent over and over
AUDIO_HZ = 48_000
AAC_FRAME = 1024  # samples; also how late the encoder's first real sample comes out
FLASH_EVERY_S = 1
FLASH_AT_S = 0.5  # in each period: away from where the loop is joined
FLASH_S = 0.1
RECORD_S = 20
RECORD_TIMEOUT_S = 90
WHITE = 170  # mean luma; without the flash it is at about 110
SOUND_SHARE = 0.5  # of the loudest sample: where a beep begins
QUIET_S = 0.3  # after a beep: an onset is what follows silence
MATCH_S = 0.4
TARGET_MS = 40
CAPACITY_UNITS = "20"  # one stream, whatever the machine: the policy shows if it is too slow
WATCHED = 3
VIEWING_S = 600
NEWS_S = 300
COMPLAINTS = (
    "transcoding changes its effort",
    "transcoder lost",
    "transcoder doesn't keep up: pictures are left out",
    "transcoder given up",
)


# --- the source ---


def encode_flashes(path: Path) -> Path:
    """A moving picture that turns white when a beep begins; both exactly LOOP_S long."""
    phase = f"mod(t,{FLASH_EVERY_S})"
    early = f"mod(t+{AAC_FRAME}/{AUDIO_HZ},{FLASH_EVERY_S})"
    shown = f"between({phase},{FLASH_AT_S}-0.001,{FLASH_AT_S + FLASH_S}-0.001)"
    heard = f"between({early},{FLASH_AT_S},{FLASH_AT_S + FLASH_S})"
    picture = (
        f"testsrc2=size=1280x720:rate={FPS}:duration={LOOP_S},noise=alls=6:allf=t,"
        f"drawbox=color=white:t=fill:enable='{shown}'"
    )
    tone = f"aevalsrc='0.5*sin(2*PI*1000*t)*{heard}':s={AUDIO_HZ}:d={LOOP_S + 1}"
    sound = path.with_suffix(".aac")  # no timestamps: its first frame is at 0
    subprocess.run(
        [*FFMPEG, "-y", "-f", "lavfi", "-i", tone, "-ac", "2", "-b:a", "128k", str(sound)],
        check=True,
    )
    subprocess.run(
        [
            *FFMPEG, "-y", "-loglevel", "error", "-f", "lavfi", "-i", picture, "-i", str(sound),
            "-c:v", "libx264", "-preset", "superfast", "-bf", "0", "-pix_fmt", "yuv420p",
            "-g", str(FPS), "-sc_threshold", "0",
            "-b:v", "3500k", "-maxrate", "3500k", "-bufsize", "3500k",
            "-c:a", "copy", "-bsf:a", "aac_adtstoasc",
            "-frames:v", str(LOOP_S * FPS), "-frames:a", str(LOOP_S * AUDIO_HZ // AAC_FRAME),
            str(path),
        ],
        check=True,
    )  # fmt: skip
    return path


# --- what the server makes of it ---


def media_playlists(server: Server, playback_url: str) -> dict[str, str]:
    """Path of each rendition's playlist."""
    path = playback_url[playback_url.index("/api/") :]
    lines = rig.fetch(server.url + path).decode().splitlines()
    return {line.split("/")[-2]: line for line in lines if line[:1] == "/"}


def record(server: Server, paths: dict[str, str], folder: Path) -> dict[str, Path]:
    """RECORD_S of each rendition from the live edge on, as it was sent."""
    files = {name: folder / f"{name}.ts" for name in paths}
    recorders = [
        subprocess.Popen(
            [
                *FFMPEG, "-y", "-loglevel", "error", "-i", server.url + paths[name],
                "-t", str(RECORD_S), "-map", "0:v", "-map", "0:a", "-c", "copy", str(file),
            ]
        )
        for name, file in files.items()
    ]  # fmt: skip
    for recorder in recorders:
        recorder.wait(RECORD_TIMEOUT_S)
    return files


# --- flashes and beeps ---


@dataclass
class Step:
    """How much later the picture is than the sound, ms; one value for each flash."""

    values_ms: list[float]

    @property
    def median_ms(self) -> float:
        """Of all flashes."""
        return statistics.median(self.values_ms)

    def __str__(self) -> str:
        return rig.spread(self.values_ms, 1)


def step_of(file: Path) -> Step:
    """Compare the flashes' times with the beeps'.

    Raises:
        SystemExit: too few of them can be told.
    """
    flashes, beeps = flash_times_s(file), beep_times_s(file)
    values = []
    for flash_s in flashes:
        nearest = min(
            beeps[max(0, bisect_left(beeps, flash_s) - 1) :][:2],
            key=lambda beep_s, at_s=flash_s: abs(beep_s - at_s),  # type: ignore[misc]
            default=None,
        )
        if nearest is not None and abs(nearest - flash_s) < MATCH_S:
            values.append(1000 * (flash_s - nearest))
    if len(values) < RECORD_S // FLASH_EVERY_S // 2:
        sys.exit(f"{file.name}: {len(flashes)} flashes, {len(beeps)} beeps, {len(values)} pairs")
    return Step(values)


def flash_times_s(file: Path) -> list[float]:
    """When the picture becomes white."""
    times, was_white = [], True  # what is white from the start began who knows when
    with av.open(str(file)) as container:
        for frame in container.decode(video=0):
            small = frame.reformat(width=32, height=18, format="gray")
            luma = bytes(small.planes[0])
            is_white = statistics.fmean(luma) > WHITE
            if is_white and not was_white and frame.time is not None:
                times.append(frame.time)
            was_white = is_white
    return times


def beep_times_s(file: Path) -> list[float]:
    """When the sound begins after silence, to the sample."""
    pieces: list[tuple[float, array[int]]] = []
    with av.open(str(file)) as container:
        resampler = av.AudioResampler(format="s16", layout="mono")
        for decoded in container.decode(audio=0):
            at_s = decoded.time
            for frame in resampler.resample(decoded):
                samples = array("h", bytes(frame.planes[0])[: 2 * frame.samples])
                pieces.append((at_s or 0.0, samples))
    threshold = SOUND_SHARE * max(max(samples) for _, samples in pieces)
    times: list[float] = []
    heard_s = pieces[0][0]  # so that a beep that is cut off at the start is not taken
    for start_s, samples in pieces:
        if max(samples) < threshold and min(samples) > -threshold:
            continue
        for number, sample in enumerate(samples):
            if abs(sample) >= threshold:
                at_s = start_s + number / AUDIO_HZ
                if at_s - heard_s > QUIET_S:
                    times.append(at_s)
                heard_s = at_s
    return times


# --- memory ---


@dataclass
class Watch:
    """What was seen of the processes: (seconds, MB) each second."""

    server: list[tuple[float, float]] = field(default_factory=list)
    transcoder: list[tuple[float, float]] = field(default_factory=list)
    transcoders: list[int] = field(default_factory=list)  # more than one: it was restarted
    viewings: int = 0


def transcoder_pid(server: Server) -> int | None:
    """The server's child that transcodes."""
    for pid in rig.children(server.process.pid):
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue  # it has just ended
        if b"headwater.media.transcode" in command:
            return pid
    return None


async def look(server: Server, watch: Watch) -> None:
    """Sample both each second."""
    start_s = time.monotonic()
    while True:
        at_s = time.monotonic() - start_s
        watch.server.append((at_s, rig.rss_bytes(server.process.pid) / 1e6))
        pid = transcoder_pid(server)
        if pid is not None:
            watch.transcoder.append((at_s, rig.rss_bytes(pid) / 1e6))
            if pid not in watch.transcoders:
                watch.transcoders.append(pid)
        if len(watch.server) % NEWS_S == 0:
            mb = [f"{each[-1][1]:.1f}" for each in (watch.server, watch.transcoder) if each]
            print(f"{at_s / 60:.0f} minutes: {', '.join(mb)} MB", file=sys.stderr, flush=True)
        await asyncio.sleep(1)


async def view(server: Server, path: str, watch: Watch) -> None:
    """One viewer of one rendition after the other."""
    rng = random.Random(1)  # noqa: S311 - no secret
    here = ("127.0.0.1", server.ports["http_port"])
    while True:
        watch.viewings += 1
        await Viewer(here).play(path, VIEWING_S, rng)
        await asyncio.sleep(0.2)


@contextmanager
def watching(server: Server, paths: list[str]) -> Iterator[Watch]:
    """Sample memory, with viewers, while the block runs."""
    watch = Watch()
    ending = threading.Event()

    async def run() -> None:
        tasks = [asyncio.create_task(look(server, watch))]
        tasks += [asyncio.create_task(view(server, path, watch)) for path in paths]
        await asyncio.to_thread(ending.wait)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    try:
        yield watch
    finally:
        ending.set()
        thread.join()


# --- figures ---


def complaints(server: Server) -> list[str]:
    """What the log said of transcoding that fell behind or failed, with the times."""
    found = []
    for line in list(server.log):
        entry = json.loads(line) if line.startswith("{") else {}
        if entry.get("event") in COMPLAINTS:
            detail = entry.get("effort", entry.get("reason", ""))
            found.append(f"{entry['timestamp']} {entry['event']} {detail}".rstrip())
    return found


def print_memory(watch: Watch) -> None:
    """Memory of both processes, and its slope once the windows are full."""
    rows = []
    for name, samples in (("server", watch.server), ("transcoder", watch.transcoder)):
        full = [each for each in samples if each[0] > WINDOW_FULL_S]
        slope, error = slope_mb_per_hour(full)
        late_slope, late_error = slope_mb_per_hour(full[len(full) // 2 :])
        rows.append([
            name,
            f"{statistics.fmean(mb for _, mb in full[:20]):.1f}",
            f"{statistics.fmean(mb for _, mb in full[-20:]):.1f}",
            f"{max(mb for _, mb in full):.1f}",
            f"{slope:+.1f} +- {error:.1f}",
            f"{late_slope:+.1f} +- {late_error:.1f}",
        ])  # fmt: skip
    minutes = (watch.server[-1][0] - WINDOW_FULL_S) / 60
    rig.print_table(
        f"Memory over {minutes:.1f} minutes with full windows; "
        f"transcoding processes: {len(watch.transcoders)}, viewings: {watch.viewings}",
        [
            "process",
            "when full, MB",
            "at the end, MB",
            "most",
            "slope, MB an hour",
            "in the second half",
        ],
        rows,
    )


def print_steps(source: Step, first: dict[str, Step], last: dict[str, Step]) -> None:
    """What each rendition adds to the source's difference of picture and sound."""
    rows = [["source", str(source), "", str(source), "", ""]]
    for name, begun in first.items():
        ended = last[name]
        added = [each.median_ms - source.median_ms for each in (begun, ended)]
        rows.append([
            name, str(begun), f"{added[0]:+.1f}", str(ended), f"{added[1]:+.1f}",
            "met" if abs(added[1]) <= TARGET_MS else "missed",
        ])  # fmt: skip
    rig.print_table(
        "How much later the picture is than the sound, ms",
        ["rendition", "at the start", "added", "at the end", "added",
         f"within {TARGET_MS} ms"],
        rows,
    )  # fmt: skip


def main() -> None:
    """Run it and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=5, help="with full windows")
    options = parser.parse_args()
    with TemporaryDirectory(prefix="headwater-bench-") as made:
        directory = Path(made)
        source = encode_flashes(directory / "source.flv")
        flags = ("--transcode-capacity-units", CAPACITY_UNITS)
        with running_server(directory / "data", flags=flags, transcode="on") as server:
            [made_channel] = rig.make_channels(server, 1)
            channel = made_channel["channel"]
            [url] = rig.ingest_urls(server, [made_channel])
            with publishing(source, url, loop=True):
                wait_until_live(server.ivs(), channel["arn"])
                paths = wait_for(
                    lambda: media_playlists(server, channel["playbackUrl"]), 20, "playlists"
                )
                with watching(server, list(paths.values())[:WATCHED]) as watch:
                    folders = [directory / "first", directory / "last"]
                    for folder in folders:
                        folder.mkdir()
                    time.sleep(WINDOW_FULL_S / 2)
                    first = record(server, paths, folders[0])
                    left_s = WINDOW_FULL_S + options.minutes * 60 - watch.server[-1][0]
                    time.sleep(max(0.0, left_s))
                last = record(server, paths, folders[1])
            said = complaints(server)
        print_memory(watch)
        print_steps(
            step_of(source),
            {name: step_of(file) for name, file in first.items()},
            {name: step_of(file) for name, file in last.items()},
        )
    print("\n".join(said) or "Never behind.")


if __name__ == "__main__":
    main()
