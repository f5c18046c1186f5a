"""Records: what the store keeps, as values.

Source: IVS API reference (Channel, StreamKey, PlaybackKeyPair, RecordingConfiguration,
PlaybackRestrictionPolicy, AdConfiguration, FailoverSlateConfiguration); access keys and
scopes are SigV4's (an access key id names a principal, a credential scope a region).

Optional texts (name, ARNs of attached configurations) are "" when not set, as the API
shows them. Secrets are `core.secret.Secret`, so that a record's repr hides them.
"""

from typing import Any, ClassVar

from msgspec import Struct

from headwater.core.arn import Arn, ResourceType
from headwater.core.secret import Secret


class Scope(Struct, frozen=True):
    """Where a caller's resources live. Nothing of one scope is seen from another."""

    account: str
    region: str


class Position(Struct, frozen=True):
    """The last record of a page: lists go on behind it, in the order of these two."""

    created_at_ms: int
    id: str


class ResourceRecord(Struct, frozen=True, kw_only=True):
    """What all seven kinds of resources have."""

    resource_type: ClassVar[ResourceType]  # as the ARN says it

    id: str  # the last part of the ARN; unique over all scopes
    region: str
    account: str
    tags: dict[str, str]
    created_at_ms: int  # Unix time

    @property
    def arn(self) -> str:
        """The resource's ARN, which is no secret."""
        return str(Arn(self.region, self.account, self.resource_type, self.id))

    @property
    def scope(self) -> Scope:
        """Where the resource lives."""
        return Scope(self.account, self.region)


class ChannelRecord(ResourceRecord, frozen=True, kw_only=True):
    """A channel as it was asked for. What is live of it is not kept here."""

    resource_type: ClassVar[ResourceType] = "channel"

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


class StreamKeyRecord(ResourceRecord, frozen=True, kw_only=True):
    """A publishing secret of one channel, in the same scope as the channel."""

    resource_type: ClassVar[ResourceType] = "stream-key"

    channel_id: str
    value: Secret  # unique over all scopes

    @property
    def channel_arn(self) -> str:
        """The ARN of the channel it publishes to."""
        return str(Arn(self.region, self.account, "channel", self.channel_id))


class PlaybackKeyPairRecord(ResourceRecord, frozen=True, kw_only=True):
    """The public half of a key that signs playback tokens."""

    resource_type: ClassVar[ResourceType] = "playback-key"

    name: str
    public_key: bytes  # DER SubjectPublicKeyInfo of a P-384 key
    fingerprint: str  # unique in its scope: no key is imported twice


class RecordingConfigurationRecord(ResourceRecord, frozen=True, kw_only=True):
    """Where and how streams are recorded. Only its state and tags ever change."""

    resource_type: ClassVar[ResourceType] = "recording-configuration"

    name: str
    bucket_name: str
    state: str
    recording_reconnect_window_seconds: int
    thumbnail_configuration: dict[str, Any]  # the wire's names and values
    rendition_configuration: dict[str, Any]


class PlaybackRestrictionPolicyRecord(ResourceRecord, frozen=True, kw_only=True):
    """Who may watch: from which countries and which pages."""

    resource_type: ClassVar[ResourceType] = "playback-restriction-policy"

    name: str
    allowed_countries: list[str]  # ISO 3166-1 alpha-2; none: all
    allowed_origins: list[str]  # none: all
    enable_strict_origin_enforcement: bool


class AdConfigurationRecord(ResourceRecord, frozen=True, kw_only=True):
    """Where ads come from."""

    resource_type: ClassVar[ResourceType] = "ad-configuration"

    name: str
    media_tailor_playback_configuration_arns: list[str]  # the first is the default
    post_roll_enabled: bool
    post_roll_duration_seconds: int


class FailoverSlateConfigurationRecord(ResourceRecord, frozen=True, kw_only=True):
    """When viewers see a slate in place of a lost input, and for how long."""

    resource_type: ClassVar[ResourceType] = "failover-slate-configuration"

    name: str
    activation_threshold_seconds: int
    min_slate_display_seconds: int
    max_slate_display_seconds: int
    state: str


class ViewerSessionRevocation(Struct, frozen=True, kw_only=True):
    """A viewer whose sessions on a channel are over."""

    channel_id: str
    viewer_id: str
    versions_up_to: int  # sessions of this version or a lower one
    revoked_at_ms: int  # Unix time


class AdBreakRecord(Struct, frozen=True, kw_only=True):
    """The last ad break that was asked for on a channel."""

    channel_id: str
    stream_id: str
    id: str
    target_start_ms: int  # Unix time
    duration_seconds: int
