"""What recording adds to each stream: processor time, memory, and how late objects are.

Streams of 6 Mb/s that are passed through go to `headwater serve`, recorded or not, into local
buckets or an S3 service (SeaweedFS, on the same machine, not counted). Rounds alternate; each
measures the server process only. Then the delay from a segment's last part to its object, as the
server says of each recording, and whether every recording has all of its stream.
"""

import argparse
import json
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import rig

from e2e.harness import Server, running_server, wait_for, wait_until_live
from seaweed import KEY, SECRET, running_service

SETTLE_S = 12  # all streams are live, and the first recorded segments are stored
BUCKET = "benchmark"
END_S = 60


@dataclass(frozen=True)
class Round:
    """What one round saw."""

    cpu_percent: float  # of a core, for each stream
    memory_bytes: float  # for each stream, above the idle server
    ended: Sequence[dict[str, Any]]  # what the log says of each recording


def channels(
    server: Server, count: int, *, recorded: bool, thumbnails: bool = False
) -> list[dict[str, Any]]:
    """Channels that pass their input through."""
    ivs = server.ivs()
    wishes: dict[str, Any] = {}
    if recorded:
        made = ivs.create_recording_configuration(
            destinationConfiguration={"s3": {"bucketName": BUCKET}},
            thumbnailConfiguration={} if thumbnails else {"recordingMode": "DISABLED"},
        )
        arn = made["recordingConfiguration"]["arn"]

        def is_active() -> bool:
            found = ivs.get_recording_configuration(arn=arn)["recordingConfiguration"]
            return bool(found["state"] == "ACTIVE")

        wait_for(is_active, 20, "the bucket")
        wishes = {"recordingConfigurationArn": arn}
    return [ivs.create_channel(type="BASIC", insecureIngest=True, **wishes) for _ in range(count)]


def one_round(
    directory: Path, source: Path, streams: int, seconds: float, flags: Sequence[str] | None
) -> Round:
    """One server; `flags` say where recordings go, None: nothing is recorded."""
    place = directory / f"data-{time.monotonic_ns()}"
    with running_server(place, flags=[*(flags or []), *UNLIMITED]) as server:
        pid = server.process.pid
        made = channels(server, streams, recorded=flags is not None)
        idle = rig.rss_bytes(pid)
        with rig.sending(source, rig.ingest_urls(server, made)):
            for each in made:
                wait_until_live(server.ivs(), each["channel"]["arn"])
            time.sleep(SETTLE_S)
            start_s, before_s = time.monotonic(), rig.cpu_s(pid)
            time.sleep(seconds)
            used = (rig.cpu_s(pid) - before_s) / (time.monotonic() - start_s)
            grown = rig.rss_bytes(pid) - idle
            if flags is not None:
                assert not list((place / "spool-given-up").glob("*"))  # noqa: S101
        ivs = server.ivs()
        for each in made:
            with suppress(ivs.exceptions.ChannelNotBroadcasting):
                ivs.stop_stream(channelArn=each["channel"]["arn"])
        ended = wait_for(lambda: _ended(server, streams if flags else 0), END_S, "the ends")
        return Round(100 * used / streams, grown / streams, [] if flags is None else ended)


UNLIMITED = ("--quotas-basic-ingest-bitrate-bps", "20000000")
"""6 Mb/s are beyond what IVS lets BASIC channels have."""


def _ended(server: Server, count: int) -> list[dict[str, Any]] | None:
    lines = [json.loads(line) for line in list(server.log) if '"recording ended"' in line]
    return (lines or [{}]) if len(lines) >= count else None


@contextmanager
def destination(kind: str, directory: Path, *, volume_mb: int = 64) -> Iterator[Sequence[str]]:
    """The settings of local buckets, or of an S3 service that runs meanwhile."""
    if kind == "local":
        yield ["--recording-path-style", "on"]
        return
    place = directory / "seaweed"
    place.mkdir()
    with running_service(place, BUCKET, volume_mb=volume_mb) as service:
        keys = ["--recording-access-key-id", KEY, "--recording-secret-access-key", SECRET]
        yield ["--recording-endpoint-url", service.url, *keys]


def main() -> None:
    """Run the rounds and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--streams", type=int, default=20)
    parser.add_argument("--kbps", type=int, default=6000, help="of each stream's video")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--store", choices=["local", "s3"], default="local")
    options = parser.parse_args()
    with TemporaryDirectory() as name, destination(options.store, Path(name)) as flags:
        directory = Path(name)
        source = rig.encode_source(directory / "source.flv", video_kbps=options.kbps)
        rounds: dict[str, list[Round]] = {"plain": [], "recorded": []}
        for _ in range(options.rounds):
            for kind, wishes in (("plain", None), ("recorded", flags)):
                found = one_round(directory, source, options.streams, options.seconds, wishes)
                rounds[kind].append(found)
                print(f"{kind}: {found.cpu_percent:.2f} %, {found.memory_bytes / 1e6:.1f} MB")
    _print(rounds)


def _print(rounds: dict[str, list[Round]]) -> None:
    cpu = {kind: statistics.median(r.cpu_percent for r in each) for kind, each in rounds.items()}
    size = {kind: statistics.median(r.memory_bytes for r in each) for kind, each in rounds.items()}
    print(f"added for each stream: {cpu['recorded'] - cpu['plain']:.2f} % of a core")
    print(f"added for each stream: {(size['recorded'] - size['plain']) / 1e6:.1f} MB")
    ended = [line for each in rounds["recorded"] for line in each.ended]
    delays = [line["delay_p99_ms"] for line in ended if line["delay_p99_ms"] is not None]
    print(f"from complete to stored, p99: worst {max(delays)} ms, ", end="")
    print(f"median {statistics.median(delays)} ms")
    incomplete = sum(bool(line["problem"]) for line in ended)
    print(f"recordings: {len(ended)}, with something missing: {incomplete}")


if __name__ == "__main__":
    main()
