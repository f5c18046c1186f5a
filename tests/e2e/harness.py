"""Real parts for end-to-end tests: a `headwater serve` process, ffmpeg, boto3."""

import contextlib
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

REGION = "us-west-2"
READY_S = 60  # generous: a loaded machine is slow, a hang is for ever
COMMAND_S = 90  # the same
RELOAD_NOISE = ("Found duplicated MOOV Atom. Skipped it", " times")
"""ffmpeg's HLS reader fetches the init segment again after each reload of a live playlist, and
its MP4 reader then says so; with playlists that ffmpeg itself wrote as well."""
HEADWATER = str(Path(sys.executable).with_name("headwater"))  # as it is installed
SECRETS = (
    r"sk_[a-z0-9-]+_[A-Za-z0-9]{12}_",  # stream keys
    r"(?i)(?:signature|security-token)=",  # of signed requests
    r"BEGIN [A-Z ]*PRIVATE KEY",
    r"eyJ[A-Za-z0-9_-]{20,}\.",  # playback tokens
)
"""What a secret looks like that no log may hold."""
FFMPEG = ["ffmpeg", "-hide_banner", "-nostdin", "-loglevel", "warning"]


@dataclass
class Server:
    """A running `headwater serve` and how to reach it."""

    process: subprocess.Popen[str]
    data_dir: Path
    ports: dict[str, int]
    access_key_id: str
    secret_access_key: str
    log: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ports['http_port']}"

    def ivs(self, **config: Any) -> Any:
        """A boto3 client pointed here."""
        return self.client("ivs", **config)

    def client(self, service: str, **config: Any) -> Any:
        """The same for any service."""
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=self.access_key_id,
            aws_secret_access_key=self.secret_access_key,
            config=Config(retries={"max_attempts": 1}, **config),
        )

    def ingest_url(self, scheme: str, key: str) -> str:
        port = self.ports["rtmps_port" if scheme == "rtmps" else "rtmp_port"]
        return f"{scheme}://127.0.0.1:{port}/app/{key}"

    def stop(self) -> int:
        """SIGTERM, and the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(10)


def environment() -> dict[str, str]:
    """This process's, without settings of ours and of AWS's tools."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "HEADWATER_"))}


def headwater(
    *arguments: str, cwd: Path | None = None, text: str | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, `text` its input."""
    return subprocess.run(
        [HEADWATER, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=COMMAND_S,
        input=text,
        cwd=cwd,
        env=environment() | variables,
    )


servers: list[Server] = []
"""Those that run, and those that ended in the test of the moment."""


@contextmanager
def running_server(
    data_dir: Path,
    key: tuple[str, str] | None = None,
    *,
    program: Sequence[str] = (HEADWATER,),
    flags: Sequence[str] = (),
    transcode: str = "off",
) -> Iterator[Server]:
    """Start on free ports; `key` is that of an earlier start in the same data directory.

    By default what comes in is passed through: most tests compare it, frame by frame.
    """
    command = [*program, "serve"]
    for flag in ("--http-port", "--http-tls-port", "--rtmp-port", "--rtmp-tls-port"):
        command += [flag, "0"]
    command += ["--server-data-dir", str(data_dir), "--server-log-format", "json"]
    command += ["--transcode-mode", transcode, *flags]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        cwd=data_dir.parent,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    log: list[str] = []
    printed: list[str] = []
    readers = [
        threading.Thread(target=_collect, args=pipe, daemon=True)
        for pipe in ((process.stderr, log), (process.stdout, printed))
    ]
    for reader in readers:
        reader.start()
    try:
        ports = wait_for(lambda: _ready(log, process), READY_S, "the server to be ready")
        if key is None:
            key = wait_for(lambda: _key(printed), READY_S, "the first key to be printed")
        server = Server(process, data_dir, ports, *key, log)
        servers.append(server)
        yield server
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for reader in readers:
            reader.join(5)
        process.stdout.close()
        process.stderr.close()
    said = "".join(log)
    assert [secret for secret in _secrets(data_dir, key) if re.search(secret, said)] == []


def _secrets(data_dir: Path, key: tuple[str, str]) -> list[str]:
    """Patterns of what may not be in a server's log, whatever was done with it."""
    found = [key[1]]
    database = data_dir / "headwater.db"
    if database.exists():
        with contextlib.closing(sqlite3.connect(database)) as connection:
            for query in (
                "SELECT secret FROM access_keys",
                "SELECT value FROM stream_keys",
                "SELECT srt_passphrase FROM channels",
                "SELECT secret FROM event_rules WHERE secret != ''",
            ):
                found += [row[0] for row in connection.execute(query)]
    return [*SECRETS, *map(re.escape, found)]


def _collect(pipe: Any, lines: list[str]) -> None:
    lines.extend(())
    for line in pipe:
        lines.append(line)  # noqa: PERF402 - seen by others while it grows


def _ready(log: list[str], process: subprocess.Popen[str]) -> dict[str, int] | None:
    for line in list(log):
        if line.startswith("{") and (entry := json.loads(line)).get("event") == "ready":
            return {name: value for name, value in entry.items() if name.endswith("_port")}
    assert process.poll() is None, "the server ended: " + "".join(log)
    return None


def _key(printed: list[str]) -> tuple[str, str] | None:
    text = "".join(printed)
    found = re.search(r"AWS_ACCESS_KEY_ID=(\S+).*?AWS_SECRET_ACCESS_KEY=(\S+)\n", text, re.DOTALL)
    return (found[1], found[2]) if found else None


def wait_for(check: Callable[[], Any], timeout_s: float, what: str) -> Any:
    """The first true value of `check`."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if value := check():
            return value
        time.sleep(0.05)
    raise AssertionError(f"waited {timeout_s} s for {what}")


@contextmanager
def publishing(source: Path, url: str, *, loop: bool = False) -> Iterator[subprocess.Popen[str]]:
    """ffmpeg sends a file in real time; with the block it ends its stream and says so."""
    repeat = ["-stream_loop", "-1"] if loop else []
    process = subprocess.Popen(
        [*FFMPEG, "-re", *repeat, "-i", str(source), "-c", "copy", "-f", "flv", url],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)  # if it was stopped
            process.terminate()
        try:
            process.communicate(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def make_source(path: Path, *, seconds: int, gop_s: float = 1, fps: int = 30) -> Path:
    """A test picture and tone as an FLV file: H.264 without B-frames, AAC 48 kHz stereo."""
    subprocess.run(
        [
            *FFMPEG, "-y",
            "-f", "lavfi", "-i", f"testsrc2=size=640x360:rate={fps}:duration={seconds}",
            "-f", "lavfi", "-i", f"sine=frequency=440:sample_rate=48000:duration={seconds}",
            "-c:v", "libx264", "-preset", "ultrafast", "-bf", "0", "-pix_fmt", "yuv420p",
            "-g", str(int(gop_s * fps)), "-sc_threshold", "0", "-b:v", "800k",
            "-c:a", "aac", "-b:a", "128k", "-ac", "2",
            str(path),
        ],
        check=True,
    )  # fmt: skip
    return path


def frame_hashes(source: str, *options: str, stream: str = "v") -> list[str]:
    """The MD5 of every decoded frame, by ffmpeg; fails on any warning of its own making."""
    done = subprocess.run(
        [*FFMPEG, *options, "-i", source, "-map", f"0:{stream}", "-f", "framemd5", "-"],
        capture_output=True,
        text=True,
        check=True,
        timeout=90,
    )
    warnings = [line for line in done.stderr.splitlines() if not line.endswith(RELOAD_NOISE)]
    assert warnings == [], done.stderr
    rows = [line for line in done.stdout.splitlines() if not line.startswith("#")]
    return [row.rpartition(",")[2].strip() for row in rows]


def wait_until_live(client: Any, channel_arn: str) -> dict[str, Any]:
    """GetStream's answer once the channel is live."""

    def live() -> dict[str, Any] | None:
        try:
            stream: dict[str, Any] = client.get_stream(channelArn=channel_arn)["stream"]
        except client.exceptions.ChannelNotBroadcasting:
            return None
        return stream

    found: dict[str, Any] = wait_for(live, 20, "the stream to be live")
    return found
