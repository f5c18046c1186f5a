"""Many streams recorded for a while, into an S3 service: nothing may be lost.

Each encoder sends the same picture and sound for so many minutes, passed through; its ends are
known, so every recording must have exactly the packets that ffmpeg counts in what it sends.
They are counted again in the stored objects, by a demuxer that is not ours, beside
`headwater recording verify`. Resident memory and the spool are sampled each second; the server
says how late each recording's objects were. At the end what is left (files, threads, tasks) is
compared with the server before the first stream.
"""

import argparse
import io
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import av
import rig
from soak import API_CALLS_AT_ONCE, OBSERVED, QUIET_S, leftovers, slope_mb_per_hour

from e2e.harness import FFMPEG, HEADWATER, Server, running_server, wait_for
from recording import BUCKET, UNLIMITED, channels, destination
from seaweed import Service

LOOP_S = 16
SETTLE_S = 70  # live windows are full
SAMPLE_S = 1.0
END_S = 120
VOLUME_MB = 4096
FLV = ("-flvflags", "no_duration_filesize", "-f", "flv")  # a stream's head cannot be mended

Samples = list[tuple[float, float]]


def encode_loop(path: Path, kbps: int) -> Path:
    """A source whose end meets its beginning: 480 pictures and 750 packets of sound are 16 s.

    The encoder's delay makes one packet more, which would overlap with the round before.
    """
    whole = rig.encode_source(path.with_name("whole.flv"), video_kbps=kbps, seconds=LOOP_S)
    drop_first = ["-c", "copy", "-bsf:a", "noise=drop=not(n)"]
    subprocess.run([*FFMPEG, "-y", "-i", str(whole), *drop_first, str(path)], check=True)
    return path


def encoder(source: Path, seconds: int) -> list[str]:
    """Arguments of ffmpeg up to its output: the file over and over, for so long."""
    length = ["-t", str(seconds)]
    return ["-stream_loop", "-1", "-i", str(source), *length, "-c", "copy"]


def packets_sent(source: Path, seconds: int) -> dict[str, int]:
    """Packets of each kind that an encoder sends, as ffmpeg counts them."""
    done = subprocess.run(
        [*FFMPEG, *encoder(source, seconds), "-f", "framecrc", "-"],
        check=True,
        capture_output=True,
        text=True,
    )
    lines = [line for line in done.stdout.splitlines() if not line.startswith("#")]
    return {
        kind: sum(line.startswith(f"{index},") for line in lines)
        for index, kind in enumerate(("video", "audio"))
    }


@contextmanager
def sending(
    source: Path, urls: Sequence[str], seconds: int
) -> Iterator[Sequence[subprocess.Popen[bytes]]]:
    """One encoder for each URL, in real time; all have sent everything when it ends well."""
    senders: list[subprocess.Popen[bytes]] = []
    try:
        for url in urls:
            command = [*FFMPEG, "-re", *encoder(source, seconds), *FLV, url]
            senders.append(subprocess.Popen(command))
            time.sleep(0.1)  # spread over the GOP, as real encoders are
        yield senders
        for sender in senders:
            sender.wait(seconds + END_S)
    finally:
        for sender in senders:
            with suppress(ProcessLookupError):
                sender.terminate()
            sender.wait()
    assert all(sender.returncode == 0 for sender in senders)  # noqa: S101


def watch(server: Server, seconds: float) -> tuple[Samples, int]:
    """Memory in MB over time, and the most bytes that the spool had."""
    start_s, samples, peak_bytes = time.monotonic(), [], 0
    while (now_s := time.monotonic() - start_s) < seconds:
        samples.append((now_s, rig.rss_bytes(server.process.pid) / 1e6))
        peak_bytes = max(peak_bytes, spool_bytes(server.data_dir / "spool"))
        time.sleep(SAMPLE_S)
    return samples, peak_bytes


def spool_bytes(folder: Path) -> int:
    """What is in the spool now."""
    size_bytes = 0
    for file in folder.rglob("*"):
        with suppress(FileNotFoundError):  # it was stored meanwhile
            size_bytes += file.stat().st_size
    return size_bytes


def wait_for_ends(server: Server, count: int) -> list[dict[str, Any]]:
    """What the server says of each recording."""

    def ended() -> list[dict[str, Any]] | None:
        lines = [json.loads(line) for line in list(server.log) if '"recording ended"' in line]
        return lines if len(lines) >= count else None

    found: list[dict[str, Any]] = wait_for(ended, END_S, "the recordings to end")
    return found


def packets_stored(client: Any, prefix: str) -> dict[str, int]:  # noqa: ANN401 - boto3's
    """Packets of each kind in a recording's objects, as libavformat counts them."""
    counts: dict[str, int] = {}
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
    keys = [each["Key"] for page in pages for each in page["Contents"]]
    for key in (each for each in keys if each.endswith(".ts")):
        body = client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        with av.open(io.BytesIO(body), mode="r", format="mpegts") as opened:
            for packet in opened.demux():
                if packet.size and packet.stream.type in {"video", "audio"}:
                    counts[packet.stream.type] = counts.get(packet.stream.type, 0) + 1
    return counts


def verified(server: Server, flags: Sequence[str]) -> str:
    """What `headwater recording verify` says of all; it ends with 1 where something is wrong."""
    place = ["--server-data-dir", str(server.data_dir), *flags]
    done = subprocess.run(
        [HEADWATER, "recording", "verify", "--all", "--bucket", BUCKET, *place],
        capture_output=True,
        text=True,
        check=False,
    )
    said = (done.stdout + done.stderr).strip()
    return f"exit status {done.returncode}; its last line: {said.splitlines()[-1]}"


def main() -> None:
    """Run it and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=20.0, help="at least 1.5")
    parser.add_argument("--streams", type=int, default=20)
    parser.add_argument("--kbps", type=int, default=6000, help="of each stream's video")
    options = parser.parse_args()
    seconds = round(60 * options.minutes)
    with TemporaryDirectory(prefix="headwater-bench-") as made:
        directory = Path(made)
        source = encode_loop(directory / "source.flv", options.kbps)
        sent = packets_sent(source, seconds)
        with (
            destination("s3", directory, volume_mb=VOLUME_MB) as flags,
            running_server(
                directory / "data", program=(sys.executable, OBSERVED), flags=[*flags, *UNLIMITED]
            ) as server,
        ):
            _run(server, flags, source, sent, options)


def _run(
    server: Server,
    flags: Sequence[str],
    source: Path,
    sent: dict[str, int],
    options: argparse.Namespace,
) -> None:
    seconds = round(60 * options.minutes)
    made = channels(server, options.streams, recorded=True, thumbnails=True)
    clients = [server.ivs() for _ in range(API_CALLS_AT_ONCE)]
    with ThreadPoolExecutor(API_CALLS_AT_ONCE) as pool:  # the database's pool is full
        list(pool.map(lambda ivs: ivs.list_channels(), clients))
    before, before_s = leftovers(server), rig.cpu_s(server.process.pid)
    with sending(source, rig.ingest_urls(server, made), seconds):
        samples, peak_bytes = watch(server, seconds - 1)
        used_s = rig.cpu_s(server.process.pid) - before_s
    ended = wait_for_ends(server, options.streams)
    print("all recordings have ended", flush=True)
    time.sleep(QUIET_S)
    after = leftovers(server)
    _print_memory(samples, peak_bytes, 100 * used_s / seconds / options.streams)
    rows = [[name, str(before[name]), str(after[name])] for name in before]
    rig.print_table(
        "Before the first stream, and after the last", ["what", "before", "after"], rows
    )
    _print_ends(ended, sent, flags)
    print("verify --all:", verified(server, flags))


def _print_memory(samples: Samples, peak_bytes: int, cpu_percent: float) -> None:
    full = [each for each in samples if each[0] > SETTLE_S]
    slope, error = slope_mb_per_hour(full)
    rig.print_table(
        "Memory, spool and processor of the server",
        ["full, MB", "at the end, MB", "slope, MB an hour", "error", "spool, MB", "% a stream"],
        [
            [
                f"{statistics.fmean(mb for _, mb in full[:20]):.1f}",
                f"{statistics.fmean(mb for _, mb in full[-20:]):.1f}",
                f"{slope:+.1f}",
                f"{error:.1f}",
                f"{peak_bytes / 1e6:.0f}",
                f"{cpu_percent:.2f}",
            ]
        ],
    )


def _print_ends(
    ended: Sequence[dict[str, Any]], sent: dict[str, int], flags: Sequence[str]
) -> None:
    client = s3_client(flags)
    with ThreadPoolExecutor(2) as pool:
        stored = list(pool.map(lambda line: packets_stored(client, line["prefix"]), ended))
    durations = [line["duration_ms"] / 1000 for line in ended]
    rows = [
        ["packets sent by each encoder", str(sent)],
        ["recordings", str(len(ended))],
        ["of them with exactly these packets", str(sum(each == sent for each in stored))],
        ["with something missing, as they say", str(sum(bool(line["problem"]) for line in ended))],
        ["duration, s", rig.spread(durations)],
    ]
    for share in ("p50", "p99"):
        delays = [line[f"delay_{share}_ms"] for line in ended]
        rows.append([f"complete to stored, {share} of each, ms", rig.spread(delays, 0)])
    rig.print_table("Recordings", ["what", "figure"], rows)


def s3_client(flags: Sequence[str]) -> Any:  # noqa: ANN401 - boto3's
    """A client of the service that these settings name."""
    return Service(flags[flags.index("--recording-endpoint-url") + 1]).client()


if __name__ == "__main__":
    main()
