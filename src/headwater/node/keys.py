"""Access keys: made at first start and by `headwater key`."""

import fcntl
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO
from urllib.parse import quote

from headwater.api.credentials import lasting_key, temporary_key
from headwater.api.sts import MAX_DURATION_S as MAX_LASTS_S
from headwater.core.errors import OperatorError
from headwater.core.secret import Secret
from headwater.node.settings import Settings
from headwater.store import Store
from headwater.store.identities import ROOT, AccessKeyRecord, Identities, UserRecord

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
    file = (path / LOCK_FILE).open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise OperatorError(
            f"server.data_dir = {str(path)!r}: another server is running on it; stop it, or "
            "give this one a directory of its own"
        ) from None
    return file


def server_id(lock: IO[str]) -> str:
    """What tells the server on this data directory from others, now and after a restart.

    It stands in the file that `lock_data_dir` returned, and is made when it does not yet.
    """
    lock.seek(0)
    found = lock.read()
    if not found:
        found = secrets.token_hex(8)
        lock.write(found)
        lock.flush()
    return found


async def open_store(settings: Settings) -> Store:
    """The database of these settings, migrated to this version's schema."""
    if settings.store.url:
        return await Store.open(settings.store.url)
    file = quote(str(prepare_data_dir(settings).resolve() / DATABASE_FILE))
    return await Store.open(f"sqlite:///{file}")


@asynccontextmanager
async def opened_store(settings: Settings, *, make: bool = False) -> AsyncIterator[Store]:
    """The database of these settings, for one command.

    Args:
        settings: where it is.
        make: a command that adds something may come before the first start; any other
            would only hide that the directory is mistyped.

    Raises:
        OperatorError: it is not there, and is not to be made.
    """
    path = Path(settings.server.data_dir)
    if not (make or settings.store.url or (path / DATABASE_FILE).exists()):
        raise OperatorError(
            f"server.data_dir = {str(path)!r}: there is no {DATABASE_FILE} in it; "
            "the first start makes one"
        )
    store = await open_store(settings)
    try:
        yield store
    finally:
        await store.close()


async def ensure_root_key(store: Store, account: str) -> AccessKeyRecord | None:
    """Make the first key of an empty database; None when there is one already."""
    async with store.write() as work:
        if await work.identities.list_access_keys():
            return None
        return await _new_root_key(work.identities, account, ROOT_DESCRIPTION)


async def root_key(store: Store, account: str) -> AccessKeyRecord:
    """A lasting key of the account itself; made if there is none."""
    async with store.write() as work:
        key = await work.identities.root_key(account)
        return key or await _new_root_key(work.identities, account, "made by headwater demo")


async def create_key(
    settings: Settings,
    account: str | None,
    description: str,
    *,
    user: str | None = None,
    lasts_s: int | None = None,
) -> tuple[AccessKeyRecord, Secret | None]:
    """`headwater key create`: the key and, when it expires, its session token.

    Raises:
        OperatorError: which argument is wrong, and what is allowed.
    """
    if len(description) > DESCRIPTION_LENGTH:
        raise OperatorError(f"a key's description has at most {DESCRIPTION_LENGTH} characters")
    if lasts_s is not None and not 1 <= lasts_s <= MAX_LASTS_S:
        raise OperatorError("a temporary key lasts 1 second to 36 hours")
    account = account_of(settings, account)
    async with opened_store(settings, make=user is None) as store, store.write() as work:
        user_id = ROOT if user is None else (await user_named(work.identities, account, user)).id
        owner = {"account": account, "user_id": user_id, "description": description}
        now_ms = time.time_ns() // 1_000_000
        token = None
        if lasts_s is None:
            key = lasting_key(secrets.token_bytes, **owner, now_ms=now_ms)
        else:
            key, token = temporary_key(
                secrets.token_bytes, **owner, now_ms=now_ms, lasts_ms=lasts_s * 1000
            )
        await work.identities.insert_access_key(key)
    return key, token


async def list_keys(
    settings: Settings, user: str | None = None
) -> list[tuple[AccessKeyRecord, str]]:
    """`headwater key list`: keys, and whose they are ("" for an account's own)."""
    async with opened_store(settings) as store, store.read() as work:
        keys = await work.identities.list_access_keys()
        names = {ROOT: ""}
        for user_id in {key.user_id for key in keys} - {ROOT}:
            owner = await work.identities.user(user_id)
            names[user_id] = owner.name if owner else user_id
    listed = [(key, names[key.user_id]) for key in keys]
    return [(key, name) for key, name in listed if user in {None, name}]


async def delete_key(settings: Settings, key_id: str) -> None:
    """`headwater key delete`; a running server refuses the key a second later at most."""
    async with opened_store(settings) as store, store.write() as work:
        if not await work.identities.delete_access_key(key_id):
            raise OperatorError(
                f"there is no access key {key_id!r}; `headwater key list` shows all"
            )


def account_of(settings: Settings, account: str | None) -> str:
    """The account that a command speaks of.

    Raises:
        OperatorError: it is none.
    """
    account = account or settings.server.account_id
    if not (len(account) == 12 and account.isascii() and account.isdigit()):  # noqa: PLR2004
        raise OperatorError(f"account {account!r}: must be 12 digits")
    return account


async def user_named(identities: Identities, account: str, name: str) -> UserRecord:
    """The account's user of that name.

    Raises:
        OperatorError: there is none.
    """
    user = await identities.user_named(account, name)
    if user is None:
        raise OperatorError(f"there is no user {name!r}; `headwater user list` shows all")
    return user


async def _new_root_key(identities: Identities, account: str, description: str) -> AccessKeyRecord:
    key = lasting_key(
        secrets.token_bytes,
        account=account,
        user_id=ROOT,
        description=description,
        now_ms=time.time_ns() // 1_000_000,
    )
    await identities.insert_access_key(key)
    return key
