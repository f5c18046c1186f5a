"""What viewers have used up and lost: single-use playback tokens and revoked sessions.

Source: IVS user guide, "Generate and Sign Playback Tokens" (`single-use-uuid`) and "Revoke IVS
Viewer Sessions". Servers on one database share both.

A used token is kept until no server can take it for valid any more; a revocation for as long
as its channel, since a token of a revoked version may be signed at any later time.
"""

from collections.abc import Collection

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    String,
    Table,
    bindparam,
    delete,
    insert,
    select,
)

from headwater.store.connection import Connection, Prepared
from headwater.store.records import ViewerSessionRevocation
from headwater.store.tables import metadata, viewer_session_revocations

used_tokens = Table(
    "used_tokens",
    metadata,
    Column("channel_id", String, primary_key=True),
    Column("uuid", String, primary_key=True),
    Column("expires_at_ms", BigInteger, nullable=False),  # Unix time
)
Index("ix_used_tokens_expires_at_ms", used_tokens.c.expires_at_ms)

_U, _R = used_tokens.c, viewer_session_revocations.c
Index("ix_viewer_session_revocations_revoked_at_ms", _R.revoked_at_ms)

_USED = Prepared(
    select(_U.uuid).where(_U.channel_id == bindparam("channel_id"), _U.uuid == bindparam("uuid"))
)
_REVOKED_SINCE = select(
    *viewer_session_revocations.c[ViewerSessionRevocation.__struct_fields__]
).where(
    _R.revoked_at_ms >= bindparam("since_ms"),
    _R.channel_id.in_(bindparam("channel_ids", expanding=True)),
)


class Viewing:
    """Those rows, as one transaction sees them; reached as `work.viewing`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def use_token(self, channel_id: str, uuid: str, *, expires_at_ms: int) -> bool:
        """Use a token up; False when it was used before, by any server.

        Writers of an account come one at a time, so that nobody is between look and insert.
        """
        if await self.is_used(channel_id, uuid):
            return False
        values = {"channel_id": channel_id, "uuid": uuid, "expires_at_ms": expires_at_ms}
        await self._connection.execute(insert(used_tokens), values)
        return True

    async def is_used(self, channel_id: str, uuid: str) -> bool:
        """Whether a token was used up."""
        return bool(await self._connection.rows(_USED, {"channel_id": channel_id, "uuid": uuid}))

    async def purge(self, *, expired_before_ms: int) -> None:
        """Forget used tokens that nobody would take any more."""
        await self._connection.execute(
            delete(used_tokens).where(_U.expires_at_ms < expired_before_ms)
        )

    async def revocations(
        self, channel_ids: Collection[str], *, since_ms: int
    ) -> list[ViewerSessionRevocation]:
        """What was revoked on these channels since then (Unix ms)."""
        parameters = {"channel_ids": list(channel_ids), "since_ms": since_ms}
        rows = (await self._connection.execute(_REVOKED_SINCE, parameters)).mappings().all()
        return [ViewerSessionRevocation(**row) for row in rows]
