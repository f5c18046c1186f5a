"""Lines: events in a file, one JSON object a line, on the disk before they count as delivered.

A file that would grow beyond its bound becomes `<name>.1`, that one `<name>.2` and so on; the
last is removed. A line that a crash cut off is removed before the next one is written: the
event in it was not delivered yet, and comes again.

Source: JSON Lines (jsonlines.org).
"""

import os
from pathlib import Path

from headwater.core.errors import PeerError

OLD_FILES = 5
"""Kept beside the one that is written to."""
_MODE = 0o600  # events name streams, and the data directory is its owner's alone
_TAIL_BYTES = 65_536
"""Longer than any line."""


def append_line(path: Path, line: bytes, *, max_bytes: int) -> None:
    """Add a line and wait until it is on the disk.

    Raises:
        PeerError: the file cannot be written, and why.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.exists() and path.stat().st_size + len(line) + 1 > max_bytes:
            _rotate(path)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, _MODE)
        with os.fdopen(descriptor, "r+b") as file:
            _remove_torn_line(descriptor)
            file.write(line + b"\n")
            file.flush()
            os.fsync(descriptor)
    except OSError as error:
        raise PeerError(f"the file cannot be written: {error.strerror}") from None


def _remove_torn_line(descriptor: int) -> None:
    size = os.fstat(descriptor).st_size
    start = max(0, size - _TAIL_BYTES)
    tail = os.pread(descriptor, size - start, start)
    if tail and not tail.endswith(b"\n"):
        os.ftruncate(descriptor, start + tail.rfind(b"\n") + 1)


def _rotate(path: Path) -> None:
    for number in range(OLD_FILES - 1, 0, -1):
        old = _old(path, number)
        if old.exists():
            old.replace(_old(path, number + 1))
    path.replace(_old(path, 1))


def _old(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")
