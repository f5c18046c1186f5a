"""Records: what the store keeps, as values.

Source: IVS API reference (Channel, StreamKey); access keys and scopes are SigV4's
(an access key id names a principal, a credential scope names a region).

Optional texts (name, ARNs of attached configurations) are "" when not set, as the API
shows them. Secrets are `core.secret.Secret`, so that a record's repr hides them.
"""

from msgspec import Struct

from headwater.core.arn import Arn
from headwater.core.secret import Secret


class Scope(Struct, frozen=True):
    """Where a caller's resources live. Nothing of one scope is seen from another."""

    account: str
    region: str


class Position(Struct, frozen=True):
    """The last record of a page: lists go on behind it, in the order of these two."""

    created_at_ms: int
    id: str


class ChannelRecord(Struct, frozen=True, kw_only=True):
    """A channel as it was asked for. What is live of it is not kept here."""

    id: str  # the last part of the ARN; unique over all scopes
    region: str
    account: str
    name: str
    latency_mode: str
    type: str
    authorized: bool  # viewers need a signed playback token
    insecure_ingest: bool  # rtmp:// is accepted as well as rtmps://
    preset: str
    container_format: str
    recording_configuration_arn: str
    playback_restriction_policy_arn: str
    ad_configuration_arn: str
    failover_slate_configuration_arn: str
    multitrack_enabled: bool
    multitrack_policy: str
    multitrack_maximum_resolution: str
    srt_passphrase: Secret
    tags: dict[str, str]
    created_at_ms: int  # Unix time

    @property
    def arn(self) -> str:
        """The channel's ARN."""
        return str(Arn(self.region, self.account, "channel", self.id))


class StreamKeyRecord(Struct, frozen=True, kw_only=True):
    """A publishing secret of one channel, in the same scope as the channel."""

    id: str  # the last part of the ARN; unique over all scopes
    region: str
    account: str
    channel_id: str
    value: Secret  # unique over all scopes
    tags: dict[str, str]
    created_at_ms: int  # Unix time

    @property
    def arn(self) -> str:
        """The stream key's ARN, which is no secret."""
        return str(Arn(self.region, self.account, "stream-key", self.id))

    @property
    def channel_arn(self) -> str:
        """The ARN of the channel it publishes to."""
        return str(Arn(self.region, self.account, "channel", self.channel_id))


class AccessKeyRecord(Struct, frozen=True, kw_only=True):
    """A SigV4 access key of an account."""

    id: str
    account: str
    secret: Secret
    created_at_ms: int  # Unix time
    description: str
