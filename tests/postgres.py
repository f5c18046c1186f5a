"""A real PostgreSQL 15 server for tests: a cluster in a folder of its own, on free ports.

PostgreSQL refuses to run as root, so then it runs as its package's own user.
"""

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

BINARIES = Path("/usr/lib/postgresql/15/bin")  # Debian's, which are not on PATH
MISSING = None if BINARIES.is_dir() else f"no PostgreSQL 15 in {BINARIES}: `make system-tools`"
START_S = 20  # generous: a loaded machine is slow, a hang is for ever
QUICK = (  # to make databases, which each test does
    "fsync=off",
    "full_page_writes=off",
    "wal_level=minimal",
    "max_wal_senders=0",
    "autovacuum=off",
)
USER = "headwater"
PASSWORD = "hush-pg"


@dataclass
class Cluster:
    """A running server."""

    folder: Path
    port: int
    settings: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = None

    def url(self, database: str = "postgres", *, user: str = USER, password: str = PASSWORD) -> str:
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{database}"

    async def run(self, *statements: str) -> None:
        """As the superuser, in no database of a test."""
        connection = await asyncpg.connect(self.url())
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    async def create(self, template: str = "template0") -> str:
        """A new database as a copy of another; its name."""
        name = f"test_{secrets.token_hex(6)}"
        await self.run(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        return name

    async def drop(self, name: str) -> None:
        await self.run(f"DROP DATABASE {name} WITH (FORCE)")

    def start(self) -> None:
        options = [f"-c{setting}" for setting in self.settings]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [BINARIES / "postgres", "-D", self.folder / "data", "-p", str(self.port), *options],
                stderr=log,
                stdout=log,
                cwd=self.folder,
                **_as_another_user(),
            )
        ready = [BINARIES / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        deadline = time.monotonic() + START_S
        while subprocess.run(ready, check=False).returncode != 0:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError((self.folder / "log").read_text())
            time.sleep(0.05)

    def stop(self) -> None:
        """At once, as in a crash."""
        if self.process is not None:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait(START_S)
            self.process = None


@contextmanager
def cluster(*settings: str) -> Iterator[Cluster]:
    """A server that ends with the block; it does not wait for the disk unless told to."""
    # Not in pytest's own folder, which no other user may enter.
    folder = Path(tempfile.mkdtemp(prefix="headwater-postgres-"))
    try:
        _initialise(folder)
        place = (f"unix_socket_directories={folder}", "listen_addresses=127.0.0.1")
        server = Cluster(folder, _free_port(), (*place, *QUICK, *settings))
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)


def _initialise(folder: Path) -> None:
    password = folder / "password"
    password.write_text(PASSWORD)
    other = _as_another_user()
    if other:
        for path in (folder, password):
            os.chown(path, other["user"], other["group"])
    subprocess.run(
        [
            BINARIES / "initdb", "-D", folder / "data", "-U", USER, "--pwfile", password,
            "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync",
        ],
        check=True,
        capture_output=True,
        cwd=folder,
        **other,
    )  # fmt: skip


def _as_another_user() -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    entry = pwd.getpwnam("postgres")
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port
