"""Identities: users, access keys, policies, and which policies users have.

Source: IAM user guide and IAM API reference. An account itself, the root, is no row: it
is whoever signs with a key that has no user. Of a session token only the SHA-256 is kept.
All of it is the operator's, so there is little of each, but for temporary credentials.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict
from sqlalchemy import (
    BigInteger,
    Column,
    Executable,
    ForeignKey,
    Index,
    LargeBinary,
    Select,
    String,
    Table,
    Text,
    UniqueConstraint,
    bindparam,
    delete,
    func,
    insert,
    select,
)

from headwater.core.secret import Secret
from headwater.store.connection import Connection
from headwater.store.tables import SecretText, metadata

ROOT = ""
"""The user id of keys that are the account's own."""


class UserRecord(Struct, frozen=True, kw_only=True):
    """Somebody who may do what policies allow."""

    id: str
    account: str
    name: str  # unique in the account
    created_at_ms: int  # Unix time

    @property
    def arn(self) -> str:
        """The user's ARN."""
        return f"arn:aws:iam::{self.account}:user/{self.name}"


class AccessKeyRecord(Struct, frozen=True, kw_only=True):
    """A SigV4 access key, of a user or of the account itself; lasting or temporary."""

    id: str
    account: str
    secret: Secret
    created_at_ms: int  # Unix time
    description: str
    user_id: str  # ROOT: the account's own
    session_digest: bytes  # SHA-256 of the session token; b"": needs none
    expires_at_ms: int  # Unix time; 0: never


class PolicyRecord(Struct, frozen=True, kw_only=True):
    """A policy that somebody wrote."""

    account: str
    name: str  # unique in the account
    document: str  # JSON, as it was written
    description: str
    created_at_ms: int  # Unix time

    @property
    def arn(self) -> str:
        """The policy's ARN."""
        return f"arn:aws:iam::{self.account}:policy/{self.name}"


users = Table(
    "users",
    metadata,
    Column("id", String, primary_key=True),
    Column("account", String, nullable=False),
    Column("name", String, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    UniqueConstraint("account", "name"),
)

policies = Table(
    "policies",
    metadata,
    Column("account", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("document", Text, nullable=False),
    Column("description", String, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
)

# By ARN, because built-in policies are attached too, and they are no rows.
policy_attachments = Table(
    "policy_attachments",
    metadata,
    Column("user_id", ForeignKey(users.c.id, ondelete="CASCADE"), primary_key=True),
    Column("policy_arn", String, primary_key=True),
)
Index("ix_policy_attachments_policy_arn", policy_attachments.c.policy_arn)

access_keys = Table(
    "access_keys",
    metadata,
    Column("id", String, primary_key=True),
    Column("account", String, nullable=False),
    Column("secret", SecretText, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("description", String, nullable=False),
    Column("user_id", String, nullable=False),
    Column("session_digest", LargeBinary, nullable=False),
    Column("expires_at_ms", BigInteger, nullable=False),
)
Index("ix_access_keys_owner", *access_keys.c["account", "user_id", "created_at_ms", "id"])
Index("ix_access_keys_expires_at_ms", access_keys.c.expires_at_ms)


class Identities:
    """The rows of identities, as one transaction sees them; reached as `work.identities`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    # Users.

    async def insert_user(self, user: UserRecord) -> None:
        """Add a user."""
        await self._connection.execute(insert(users), asdict(user))

    async def user(self, user_id: str) -> UserRecord | None:
        """The user of that id."""
        rows = await self._rows(_USER, {"id": user_id})
        return UserRecord(**rows[0]) if rows else None

    async def user_named(self, account: str, name: str) -> UserRecord | None:
        """The account's user of that name."""
        rows = await self._rows(_USER_NAMED, {"account": account, "name": name})
        return UserRecord(**rows[0]) if rows else None

    async def list_users(self, account: str) -> list[UserRecord]:
        """The account's users, by name."""
        query = select(users).where(users.c.account == account).order_by(users.c.name)
        return [UserRecord(**row) for row in await self._rows(query)]

    async def delete_user(self, user_id: str) -> bool:
        """Remove a user with all keys and attachments; False when there is none of that id."""
        await self._connection.execute(delete(access_keys).where(access_keys.c.user_id == user_id))
        return await self._changes(delete(users).where(users.c.id == user_id))

    # Policies.

    async def insert_policy(self, policy: PolicyRecord) -> None:
        """Add a policy."""
        await self._connection.execute(insert(policies), asdict(policy))

    async def policy(self, account: str, name: str) -> PolicyRecord | None:
        """The account's policy of that name."""
        query = select(policies).where(policies.c.account == account, policies.c.name == name)
        rows = await self._rows(query)
        return PolicyRecord(**rows[0]) if rows else None

    async def list_policies(self, account: str) -> list[PolicyRecord]:
        """The account's policies, by name."""
        query = select(policies).where(policies.c.account == account).order_by(policies.c.name)
        return [PolicyRecord(**row) for row in await self._rows(query)]

    async def delete_policy(self, account: str, name: str) -> bool:
        """Remove a policy that nobody has; False when there is none of that name."""
        return await self._changes(
            delete(policies).where(policies.c.account == account, policies.c.name == name)
        )

    async def attach(self, user_id: str, policy_arn: str) -> None:
        """Give a user a policy that the user does not have."""
        values = {"user_id": user_id, "policy_arn": policy_arn}
        await self._connection.execute(insert(policy_attachments), values)

    async def detach(self, user_id: str, policy_arn: str) -> bool:
        """Take a policy from a user; False when the user does not have it."""
        table = policy_attachments
        return await self._changes(
            delete(table).where(table.c.user_id == user_id, table.c.policy_arn == policy_arn)
        )

    async def attached_to(self, user_id: str) -> list[str]:
        """The ARNs of a user's policies."""
        return [row["policy_arn"] for row in await self._rows(_ATTACHED, {"user_id": user_id})]

    async def users_with(self, account: str, policy_arn: str) -> list[UserRecord]:
        """The account's users who have that policy, by name."""
        query = (
            select(users)
            .join(policy_attachments)
            .where(users.c.account == account, policy_attachments.c.policy_arn == policy_arn)
            .order_by(users.c.name)
        )
        return [UserRecord(**row) for row in await self._rows(query)]

    # Access keys.

    async def insert_access_key(self, key: AccessKeyRecord) -> None:
        """Add an access key. Its user must exist."""
        await self._connection.execute(insert(access_keys), asdict(key))

    async def access_key(self, key_id: str) -> AccessKeyRecord | None:
        """The access key of that id, of any account: a request names no other."""
        rows = await self._rows(_ACCESS_KEY, {"id": key_id})
        return AccessKeyRecord(**rows[0]) if rows else None

    async def list_access_keys(self) -> list[AccessKeyRecord]:
        """All access keys, oldest first."""
        query = select(access_keys).order_by(access_keys.c.created_at_ms, access_keys.c.id)
        return [AccessKeyRecord(**row) for row in await self._rows(query)]

    async def root_key(self, account: str) -> AccessKeyRecord | None:
        """The oldest lasting key that is the account's own."""
        query = (
            select(access_keys)
            .where(
                access_keys.c.account == account,
                access_keys.c.user_id == ROOT,
                access_keys.c.expires_at_ms == 0,
            )
            .order_by(access_keys.c.created_at_ms, access_keys.c.id)
            .limit(1)
        )
        rows = await self._rows(query)
        return AccessKeyRecord(**rows[0]) if rows else None

    async def count_temporary_keys(self, account: str, user_id: str) -> int:
        """How many keys of a user (or, for ROOT, of the account itself) expire."""
        query = select(func.count()).where(
            access_keys.c.account == account,
            access_keys.c.user_id == user_id,
            access_keys.c.expires_at_ms > 0,
        )
        return int((await self._connection.execute(query)).scalar_one())

    async def delete_access_key(self, key_id: str) -> bool:
        """Remove an access key; False when there is none of that id."""
        return await self._changes(delete(access_keys).where(access_keys.c.id == key_id))

    async def delete_expired_keys(self, before_ms: int) -> None:
        """Remove the keys that expired before that time."""
        expires = access_keys.c.expires_at_ms
        await self._connection.execute(delete(access_keys).where(expires > 0, expires < before_ms))

    async def _rows(
        self, query: Select[Any], parameters: Mapping[str, Any] | None = None
    ) -> Sequence[Mapping[Any, Any]]:
        return (await self._connection.execute(query, parameters)).mappings().all()

    async def _changes(self, statement: Executable) -> bool:
        return (await self._connection.execute(statement)).rowcount > 0


# What requests ask, built once: building takes longer than running.
_ACCESS_KEY = select(access_keys).where(access_keys.c.id == bindparam("id"))
_USER = select(users).where(users.c.id == bindparam("id"))
_USER_NAMED = select(users).where(
    users.c.account == bindparam("account"), users.c.name == bindparam("name")
)
_ATTACHED = (
    select(policy_attachments.c.policy_arn)
    .where(policy_attachments.c.user_id == bindparam("user_id"))
    .order_by(policy_attachments.c.policy_arn)
)
