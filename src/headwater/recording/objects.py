"""Buckets: where recordings go, opened as obstore's stores.

A bucket name is a folder of the data directory, or a bucket of the S3 service whose endpoint
is set. An object is stored whole or not at all: one request for each, none of several parts,
so that nothing half-done stays behind.
"""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import obstore
from msgspec import Struct
from obstore.exceptions import (
    NotFoundError,
    PermissionDeniedError,
    UnauthenticatedError,
)
from obstore.store import LocalStore, S3Store

from headwater.core.errors import HeadwaterError
from headwater.core.secret import Secret
from headwater.recording import layout

if TYPE_CHECKING:
    from obstore.store import ClientConfig, ObjectStore, RetryConfig, S3Config

CONNECT_TIMEOUT_S = 5
REQUEST_TIMEOUT_S = 120
"""For one object of some 10 MB: an uplink of 1 Mb/s takes 80 s."""
PROBE_NAME = ".headwater-probe"
"""Written, read and removed again to see whether a bucket can be recorded to."""
MAX_REASON_LENGTH = 300


class StorageError(HeadwaterError):
    """An object was not stored. The text says why, without secrets."""

    def __init__(self, reason: str, *, is_refused: bool) -> None:
        """With the reason, for people.

        Args:
            reason: what the service says.
            is_refused: the bucket or the credentials are wrong; trying again soon is no use.
        """
        super().__init__(reason)
        self.is_refused = is_refused


class S3Endpoint(Struct, frozen=True, kw_only=True):
    """An S3 service and how to sign for it."""

    url: str  # "" : AWS's own
    region: str
    access_key_id: str
    secret_access_key: Secret
    force_path_style: bool


class Bucket:
    """One bucket."""

    def __init__(self, name: str, store: "ObjectStore", folder: Path | None) -> None:
        """Made by `Buckets.open`."""
        self.name = name
        self.store = store
        """For whoever reads: obstore's functions take it."""
        self._folder = folder

    async def put(self, key: str, body: bytes | Path) -> None:
        """Store an object in place of what is there under its key.

        Raises:
            StorageError: it is not stored.
        """
        if self._folder is not None and not self._folder.is_dir():
            raise StorageError("the bucket's folder is gone", is_refused=True)
        if await self._link(key, body):
            return
        try:
            await obstore.put_async(
                self.store,
                key,
                body,
                attributes=None if self._folder else {"Content-Type": layout.content_type(key)},
                use_multipart=False,
            )
        except Exception as error:  # noqa: BLE001 - what panics in obstore has no class of its own
            raise _storage_error(error) from None

    async def _link(self, key: str, body: bytes | Path) -> bool:
        if self._folder is None or not isinstance(body, Path):
            return False
        return await asyncio.to_thread(_linked, body, self._folder / key)

    async def get(self, key: str) -> bytes:
        """A whole object.

        Raises:
            StorageError: it cannot be had.
        """
        try:
            found = await obstore.get_async(self.store, key)
            return bytes(await found.bytes_async())
        except Exception as error:  # noqa: BLE001 - what panics in obstore has no class of its own
            raise _storage_error(error) from None

    async def delete(self, key: str) -> None:
        """Remove an object.

        Raises:
            StorageError: it may still be there.
        """
        try:
            await obstore.delete_async(self.store, key)
        except Exception as error:  # noqa: BLE001 - what panics in obstore has no class of its own
            raise _storage_error(error) from None

    async def probe(self) -> None:
        """See whether objects can be stored, read and removed.

        Raises:
            StorageError: they cannot.
        """
        await self.put(PROBE_NAME, b"can this be written to?")
        await self.get(PROBE_NAME)
        await self.delete(PROBE_NAME)


class Buckets:
    """All buckets that this server can reach."""

    def __init__(self, folder: Path, endpoint: S3Endpoint | None) -> None:
        """No bucket is open.

        Args:
            folder: of local buckets, which it holds by name.
            endpoint: of an S3 service, which has the buckets then.
        """
        self._folder = folder
        self._endpoint = endpoint
        self._open: dict[str, Bucket] = {}

    @property
    def is_local(self) -> bool:
        """Whether buckets are folders."""
        return self._endpoint is None

    def open(self, name: str) -> Bucket:
        """The bucket of that name. Nothing is asked of a service yet.

        Raises:
            StorageError: its folder is not there.
        """
        if self._endpoint is None:
            folder = self._folder / name
            if not folder.is_dir():
                raise StorageError("the bucket's folder is not there", is_refused=True)
            return Bucket(name, LocalStore(folder), folder)
        if name not in self._open:
            self._open[name] = Bucket(name, _s3(self._endpoint, name), None)
        return self._open[name]

    def make(self, name: str) -> None:
        """Make a local bucket's folder, readable by its owner only, unless it is there.

        Raises:
            StorageError: it cannot be made.
        """
        if self._endpoint is not None:
            return
        try:
            (self._folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(
                f"its folder cannot be made: {error.strerror}", is_refused=True
            ) from None


def _linked(file: Path, target: Path) -> bool:
    """Put the file itself there, under a second name: nothing is copied where both are one disk.

    The file is not written to any more. False: it has to be copied.
    """
    beside = target.with_name(f"{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        beside.unlink(missing_ok=True)
        beside.hardlink_to(file)
        beside.replace(target)
        beside.unlink(missing_ok=True)  # stays where both were one file already
    except OSError:
        return False
    return True


def _s3(endpoint: S3Endpoint, name: str) -> S3Store:
    url = endpoint.url.rstrip("/")
    is_virtual = not endpoint.force_path_style
    if url and is_virtual:
        scheme, _, host = url.partition("://")
        url = f"{scheme}://{name}.{host}"
    client: ClientConfig = {
        "allow_http": url.startswith("http://"),
        "connect_timeout": timedelta(seconds=CONNECT_TIMEOUT_S),
        "timeout": timedelta(seconds=REQUEST_TIMEOUT_S),
    }
    retry: RetryConfig = {"max_retries": 0}  # tried again by whoever knows what waits
    config: S3Config = {
        "region": endpoint.region,
        "virtual_hosted_style_request": is_virtual,
        "access_key_id": endpoint.access_key_id,
        "secret_access_key": endpoint.secret_access_key.reveal(),
    }
    if url:
        config["endpoint"] = url
    return S3Store(name, config=config, client_options=client, retry_config=retry)


def _storage_error(error: Exception) -> StorageError:
    # obstore raises Python's own error where something is not found.
    refused = (FileNotFoundError, NotFoundError, PermissionDeniedError, UnauthenticatedError)
    text = " ".join(str(error).partition("Debug source:")[0].split())
    return StorageError(text[:MAX_REASON_LENGTH], is_refused=isinstance(error, refused))
