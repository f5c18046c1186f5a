"""Users and policies: what `headwater user` and `headwater policy` do."""

import re
import secrets
import time
from collections.abc import Iterable

from msgspec import Struct

from headwater.auth.managed import ARN_PREFIX, MANAGED
from headwater.auth.policy import parse_policy
from headwater.auth.template import PolicyError
from headwater.core import ids
from headwater.core.errors import OperatorError
from headwater.node.keys import account_of, opened_store, user_named
from headwater.node.settings import Settings
from headwater.store.identities import Identities, PolicyRecord, UserRecord

MAX_ATTACHED = 10
"""Policies of one user, as in IAM; each is evaluated for each request."""
DESCRIPTION_LENGTH = 128
"""Longest description of a policy: a line in a table."""

_USER_NAME = re.compile(r"[A-Za-z0-9_+=,.@-]{1,64}")
_POLICY_NAME = re.compile(r"[A-Za-z0-9_+=,.@-]{1,128}")


class ListedUser(Struct, frozen=True):
    """A user and the names of the policies the user has."""

    user: UserRecord
    policies: list[str]


class ListedPolicy(Struct, frozen=True):
    """A policy and who has it."""

    name: str
    arn: str
    description: str
    users: list[str]


async def create_user(settings: Settings, account: str | None, name: str) -> UserRecord:
    """`headwater user create`.

    Raises:
        OperatorError: the name is taken or no name.
    """
    account = account_of(settings, account)
    if not _USER_NAME.fullmatch(name):
        raise OperatorError(f"user {name!r}: 1 to 64 letters, digits and _ + = , . @ -")
    async with opened_store(settings, make=True) as store, store.write() as work:
        users = await work.identities.list_users(account)
        _refuse_taken("user", name, (user.name for user in users))
        user = UserRecord(
            id=ids.user_id(secrets.token_bytes),
            account=account,
            name=name,
            created_at_ms=time.time_ns() // 1_000_000,
        )
        await work.identities.insert_user(user)
        return user


async def list_users(settings: Settings, account: str | None) -> list[ListedUser]:
    """`headwater user list`."""
    account = account_of(settings, account)
    async with opened_store(settings) as store, store.read() as work:
        users = await work.identities.list_users(account)
        return [
            ListedUser(user, [_name(arn) for arn in await work.identities.attached_to(user.id)])
            for user in users
        ]


async def delete_user(settings: Settings, account: str | None, name: str) -> None:
    """`headwater user delete`: the user, with all keys."""
    account = account_of(settings, account)
    async with opened_store(settings) as store, store.write() as work:
        user = await user_named(work.identities, account, name)
        await work.identities.delete_user(user.id)


async def create_policy(
    settings: Settings, account: str | None, name: str, *, document: str, description: str
) -> PolicyRecord:
    """`headwater policy create`.

    Raises:
        OperatorError: the name is taken or no name, or what is wrong in the document.
    """
    account = account_of(settings, account)
    if not _POLICY_NAME.fullmatch(name):
        raise OperatorError(f"policy {name!r}: 1 to 128 letters, digits and _ + = , . @ -")
    if len(description) > DESCRIPTION_LENGTH:
        raise OperatorError(f"a policy's description has at most {DESCRIPTION_LENGTH} characters")
    try:
        parse_policy(document)
    except PolicyError as error:
        raise OperatorError(f"policy {name!r}: {error}") from None
    async with opened_store(settings, make=True) as store, store.write() as work:
        policies = await work.identities.list_policies(account)
        _refuse_taken("policy", name, (*MANAGED, *(policy.name for policy in policies)))
        policy = PolicyRecord(
            account=account,
            name=name,
            document=document,
            description=description,
            created_at_ms=time.time_ns() // 1_000_000,
        )
        await work.identities.insert_policy(policy)
        return policy


async def list_policies(settings: Settings, account: str | None) -> list[ListedPolicy]:
    """`headwater policy list`: the built-in ones first."""
    account = account_of(settings, account)
    async with opened_store(settings) as store, store.read() as work:
        found = [(name, ARN_PREFIX + name, "built in") for name in MANAGED]
        own = await work.identities.list_policies(account)
        found += [(policy.name, policy.arn, policy.description) for policy in own]
        return [
            ListedPolicy(
                name,
                arn,
                description,
                [user.name for user in await work.identities.users_with(account, arn)],
            )
            for name, arn, description in found
        ]


async def policy_document(settings: Settings, account: str | None, name: str) -> str:
    """`headwater policy show`: the document, as it was written."""
    account = account_of(settings, account)
    if name in MANAGED:
        return MANAGED[name]
    async with opened_store(settings) as store, store.read() as work:
        return (await _policy(work.identities, account, name)).document


async def delete_policy(settings: Settings, account: str | None, name: str) -> None:
    """`headwater policy delete`.

    Raises:
        OperatorError: there is none, it is built in, or users have it.
    """
    account = account_of(settings, account)
    if name in MANAGED:
        raise OperatorError(f"policy {name!r} is built in and stays")
    async with opened_store(settings) as store, store.write() as work:
        policy = await _policy(work.identities, account, name)
        users = await work.identities.users_with(account, policy.arn)
        if users:
            names = ", ".join(user.name for user in users)
            raise OperatorError(f"policy {name!r} is attached to {names}; detach it first")
        await work.identities.delete_policy(account, name)


async def attach_policy(settings: Settings, account: str | None, name: str, *, user: str) -> None:
    """`headwater policy attach`.

    Raises:
        OperatorError: there is no such policy or user, or the user has it or too many.
    """
    account = account_of(settings, account)
    async with opened_store(settings) as store, store.write() as work:
        owner = await user_named(work.identities, account, user)
        arn = await _policy_arn(work.identities, account, name)
        attached = await work.identities.attached_to(owner.id)
        if arn in attached:
            raise OperatorError(f"user {user!r} has policy {name!r} already")
        if len(attached) >= MAX_ATTACHED:
            raise OperatorError(f"a user has at most {MAX_ATTACHED} policies; write one of several")
        await work.identities.attach(owner.id, arn)


async def detach_policy(settings: Settings, account: str | None, name: str, *, user: str) -> None:
    """`headwater policy detach`.

    Raises:
        OperatorError: there is no such policy or user, or the user does not have it.
    """
    account = account_of(settings, account)
    async with opened_store(settings) as store, store.write() as work:
        owner = await user_named(work.identities, account, user)
        arn = await _policy_arn(work.identities, account, name)
        if not await work.identities.detach(owner.id, arn):
            raise OperatorError(f"user {user!r} does not have policy {name!r}")


async def _policy(identities: Identities, account: str, name: str) -> PolicyRecord:
    policy = await identities.policy(account, name)
    if policy is None:
        raise OperatorError(f"there is no policy {name!r}; `headwater policy list` shows all")
    return policy


async def _policy_arn(identities: Identities, account: str, name: str) -> str:
    return ARN_PREFIX + name if name in MANAGED else (await _policy(identities, account, name)).arn


def _refuse_taken(what: str, name: str, taken: Iterable[str]) -> None:
    """IAM's rule: names that differ by their case alone are the same name."""
    for other in taken:
        if other.lower() == name.lower():
            raise OperatorError(f"there is a {what} {other!r} already")


def _name(arn: str) -> str:
    return arn.rpartition("/")[2]
