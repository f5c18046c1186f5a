"""Child processes that are given input: one way to start, feed and end them.

They do not see the settings of this one, some of which are secrets, and Ctrl-C does not reach
them: it is for the node to end them.
"""

import asyncio
import contextlib
import os
from collections.abc import Sequence

from headwater.node.config import PREFIX

LINE_LIMIT_BYTES = 1 << 16
"""Of `stdout.readline`."""


class Child:
    """A process and its pipes, as `start_child` makes it."""

    def __init__(self, process: asyncio.subprocess.Process, stdin: asyncio.StreamWriter) -> None:
        self.stdout = process.stdout or _nothing()
        self.stderr = process.stderr or _nothing()
        self._process = process
        self._stdin = stdin

    @property
    def status(self) -> int | None:
        """The exit status; None while it runs."""
        return self._process.returncode

    @property
    def untaken_bytes(self) -> int:
        """Given, and not taken by the process yet."""
        return self._stdin.transport.get_write_buffer_size()

    def give(self, data: bytes) -> None:
        """Write to its input without waiting. If it has ended, its output tells, not this."""
        if not self._stdin.is_closing():  # uvloop would raise a RuntimeError
            self._stdin.write(data)

    async def taken(self) -> None:
        """Wait until more may be given; raises OSError if it takes nothing any more."""
        await self._stdin.drain()

    def close_input(self) -> None:
        """Let it see the end of its input."""
        self._stdin.close()

    async def ended(self) -> None:
        """Wait for its end."""
        await self._process.wait()

    async def kill(self) -> None:
        """End it at once, and wait for that."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()

    async def terminate(self, patience_s: float) -> None:
        """Ask it to end, and wait for that; kill it if it takes longer."""
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), patience_s)
        except TimeoutError:
            await self.kill()


async def start_child(
    command: Sequence[str],
    *,
    stdout: int = asyncio.subprocess.PIPE,
    stderr: int = asyncio.subprocess.PIPE,
) -> Child:
    """Run a program; what is no pipe reads as empty.

    Args:
        command: the program and its arguments.
        stdout: PIPE: to be read, all of it; or DEVNULL.
        stderr: the same.

    Raises:
        OSError: it cannot be started.
    """
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=stdout,
        stderr=stderr,
        limit=LINE_LIMIT_BYTES,
        env={k: v for k, v in os.environ.items() if not k.startswith(PREFIX)},
        start_new_session=True,
    )
    if process.stdin is None:
        raise RuntimeError("a pipe was asked for")
    return Child(process, process.stdin)


def _nothing() -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    reader.feed_eof()
    return reader
