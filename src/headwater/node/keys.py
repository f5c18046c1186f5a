"""Access keys: made at first start and by `headwater key`."""

import fcntl
import secrets
import time
from pathlib import Path
from typing import IO
from urllib.parse import quote

from headwater.core import ids
from headwater.core.errors import OperatorError
from headwater.node.settings import Settings
from headwater.store import Store
from headwater.store.records import AccessKeyRecord

DESCRIPTION_LENGTH = 128
"""Longest description of a key: a line in a table."""
DATABASE_FILE = "headwater.db"
LOCK_FILE = "server.lock"
ROOT_DESCRIPTION = "made at first start"


def prepare_data_dir(settings: Settings) -> Path:
    """Make the data directory, readable by its owner only.

    Raises:
        OperatorError: it cannot be made or written.
    """
    path = Path(settings.server.data_dir)
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise OperatorError(
            f"server.data_dir = {str(path)!r}: cannot be used: {error.strerror}"
        ) from None
    return path


def lock_data_dir(path: Path) -> IO[str]:
    """Keep a second server off this data directory while the returned file is open.

    What is live is known to one process only; `headwater key` works beside it.

    Raises:
        OperatorError: another server runs on it.
    """
    file = (path / LOCK_FILE).open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise OperatorError(
            f"server.data_dir = {str(path)!r}: another server is running on it; stop it, or "
            "give this one a directory of its own"
        ) from None
    return file


async def open_store(settings: Settings) -> Store:
    """The database of these settings, migrated to this version's schema."""
    data_dir = prepare_data_dir(settings)
    file = quote(str(data_dir.resolve() / DATABASE_FILE))
    return await Store.open(settings.store.url or f"sqlite:///{file}")


def new_access_key(account: str, description: str) -> AccessKeyRecord:
    """A key nobody has seen yet."""
    return AccessKeyRecord(
        id=ids.access_key_id(secrets.token_bytes),
        account=account,
        secret=ids.access_key_secret(secrets.token_bytes),
        created_at_ms=time.time_ns() // 1_000_000,
        description=description,
    )


async def ensure_root_key(store: Store, account: str) -> AccessKeyRecord | None:
    """Make the first key of an empty database; None when there is one already."""
    async with store.write() as work:
        if await work.list_access_keys():
            return None
        key = new_access_key(account, ROOT_DESCRIPTION)
        await work.insert_access_key(key)
        return key


async def create_key(settings: Settings, account: str | None, description: str) -> AccessKeyRecord:
    """`headwater key create`."""
    if len(description) > DESCRIPTION_LENGTH:
        raise OperatorError(f"a key's description has at most {DESCRIPTION_LENGTH} characters")
    account = account or settings.server.account_id
    if not (len(account) == 12 and account.isascii() and account.isdigit()):  # noqa: PLR2004
        raise OperatorError(f"account {account!r}: must be 12 digits")
    store = await open_store(settings)
    try:
        key = new_access_key(account, description)
        async with store.write() as work:
            await work.insert_access_key(key)
        return key
    finally:
        await store.close()


async def list_keys(settings: Settings) -> list[AccessKeyRecord]:
    """`headwater key list`."""
    store = await open_store(settings)
    try:
        async with store.read() as work:
            return await work.list_access_keys()
    finally:
        await store.close()


async def delete_key(settings: Settings, key_id: str) -> None:
    """`headwater key delete`; a running server refuses the key from then on."""
    store = await open_store(settings)
    try:
        async with store.write() as work:
            if not await work.delete_access_key(key_id):
                raise OperatorError(
                    f"there is no access key {key_id!r}; `headwater key list` shows all"
                )
    finally:
        await store.close()
