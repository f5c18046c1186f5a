"""Destinations: where recordings go. A bucket is a folder of the data directory, or of S3.

A recording configuration is CREATING until its bucket was looked at, in the background: an
object was written, read and removed. Then it is ACTIVE, or CREATE_FAILED where that cannot be
done, or the bucket is another account's. A server that stops in between leaves it CREATING,
and looks again when somebody asks for it.
"""

import asyncio
from pathlib import Path

import structlog
from msgspec.structs import replace

from headwater.core.secret import Secret
from headwater.node.sections import RecordingSettings
from headwater.recording.objects import Buckets, S3Endpoint, StorageError
from headwater.store import Store
from headwater.store.records import RecordingConfigurationRecord

BUCKETS_FOLDER = "buckets"
AMAZON = "aws"

log = structlog.get_logger(__name__)


def buckets_of(settings: RecordingSettings, data_dir: Path) -> Buckets:
    """The buckets that these settings reach."""
    folder = data_dir / BUCKETS_FOLDER
    if not settings.endpoint_url:
        return Buckets(folder, None)
    is_amazon = settings.endpoint_url == AMAZON
    endpoint = S3Endpoint(
        url="" if is_amazon else settings.endpoint_url,
        region=settings.region,
        access_key_id=settings.access_key_id,
        secret_access_key=Secret(settings.secret_access_key),
        force_path_style=settings.path_style == "on" and not is_amazon,
    )
    return Buckets(folder, endpoint)


class Destinations:
    """The buckets of one server."""

    def __init__(self, buckets: Buckets, store: Store) -> None:
        self.buckets = buckets
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

    async def state_of(self, configuration: RecordingConfigurationRecord) -> str:
        """Its state, once that is known."""
        if configuration.state != "CREATING":
            return configuration.state
        self.check(configuration)
        await asyncio.wait([self._checks[configuration.id]])
        async with self._store.read() as work:
            kind, scope = RecordingConfigurationRecord, configuration.scope
            stored = await work.get(kind, scope, configuration.id)
        return stored.state if stored else "CREATE_FAILED"

    async def _settle(self, asked: RecordingConfigurationRecord) -> None:
        try:
            reason = await self._reason_against(asked.bucket_name)
            async with self._store.write() as work:
                stored = await work.get(RecordingConfigurationRecord, asked.scope, asked.id)
                if stored is None:
                    return  # rolled back, or deleted meanwhile
                if reason is None:
                    owner = await work.recordings.claim_bucket(asked.bucket_name, asked.account)
                    reason = None if owner == asked.account else "it is another account's"
                await work.update(replace(stored, state="CREATE_FAILED" if reason else "ACTIVE"))
        except Exception:
            log.exception("recording configuration stays CREATING", arn=asked.arn)
            return
        if reason:
            log.warning("bucket cannot be used", bucket=asked.bucket_name, reason=reason)

    async def _reason_against(self, bucket_name: str) -> str | None:
        try:
            await asyncio.to_thread(self.buckets.make, bucket_name)
            await self.buckets.open(bucket_name).probe()
        except StorageError as error:
            return str(error)
        return None
