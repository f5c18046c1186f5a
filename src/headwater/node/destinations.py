"""Destinations: where recordings go. A bucket is a folder of the data directory.

A recording configuration is CREATING until its bucket was looked at, in the background; then
it is ACTIVE, or CREATE_FAILED where the folder cannot be made or written to. A server that
stops in between leaves it CREATING, and looks again when somebody asks for it.
"""

import asyncio
import tempfile
from pathlib import Path

import structlog
from msgspec.structs import replace

from headwater.store import Store
from headwater.store.records import RecordingConfigurationRecord

BUCKETS_FOLDER = "buckets"

log = structlog.get_logger(__name__)


class Destinations:
    """The buckets of one data directory."""

    def __init__(self, data_dir: Path, store: Store) -> None:
        self._folder = data_dir / BUCKETS_FOLDER
        self._store = store
        self._checks: dict[str, asyncio.Task[None]] = {}  # by the configuration's id

    def check(self, configuration: RecordingConfigurationRecord) -> None:
        """Find out whether the bucket can be recorded to, and then store it as the state.

        Waits for the caller's transaction, because writers come one at a time.
        """
        id_ = configuration.id
        if id_ not in self._checks:
            self._checks[id_] = asyncio.create_task(self._settle(configuration))
            self._checks[id_].add_done_callback(lambda _: self._checks.pop(id_))

    async def settle(self) -> None:
        """Wait for what is under way."""
        await asyncio.gather(*self._checks.values(), return_exceptions=True)

    async def _settle(self, asked: RecordingConfigurationRecord) -> None:
        try:
            state = await asyncio.to_thread(self._look, asked.bucket_name)
            async with self._store.write() as work:
                stored = await work.get(RecordingConfigurationRecord, asked.scope, asked.id)
                if stored is not None:  # not rolled back, not deleted meanwhile
                    await work.update(replace(stored, state=state))
        except Exception:
            log.exception("recording configuration stays CREATING", arn=asked.arn)

    def _look(self, bucket_name: str) -> str:
        bucket = self._folder / bucket_name
        try:
            bucket.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=bucket) as file:
                file.write(b"can this be written to?")
        except OSError as error:
            log.warning("bucket cannot be used", bucket=bucket_name, reason=error.strerror)
            return "CREATE_FAILED"
        return "ACTIVE"
