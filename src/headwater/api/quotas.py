"""Quotas: how many resources there may be, and how many calls a second.

Source: IVS user guide, "Service Quotas". Two profiles: `AWS` has IVS's figures, so that a
client can be tried against them; `DEFAULT` keeps what protects a server and its viewers
(and what cannot be raised at AWS because clients rely on it), and is generous elsewhere.
"""

from collections.abc import Mapping
from types import MappingProxyType

from msgspec import Struct

from headwater.core.arn import ResourceType

GENEROUS = 1_000_000
"""As many as a database still serves, and nobody reaches by accident.

So many and more are not counted, because counting takes time with each there is.
"""

MOST_BPS = 80_000_000
"""An input beyond it does not fit into the part that is being made."""
MOST_PIXELS = 8_192 * 4_320
MOST_EDGE_PIXELS = 8_192
"""The largest picture of H.264's highest level (6.2)."""

_AWS_RATES = {
    1: """InsertAdBreak""",
    2: """BatchStartViewerSessionRevocation""",
    3: """
        DeletePlaybackKeyPair GetPlaybackKeyPair ImportPlaybackKeyPair ListPlaybackKeyPairs
        CreateRecordingConfiguration DeleteRecordingConfiguration GetRecordingConfiguration
        ListRecordingConfigurations
        CreateAdConfiguration DeleteAdConfiguration GetAdConfiguration ListAdConfigurations
        """,
    5: """
        BatchGetChannel CreateChannel DeleteChannel GetChannel ListChannels UpdateChannel
        CreatePlaybackRestrictionPolicy DeletePlaybackRestrictionPolicy
        GetPlaybackRestrictionPolicy ListPlaybackRestrictionPolicies
        UpdatePlaybackRestrictionPolicy
        GetStream GetStreamSession ListStreams ListStreamSessions StopStream
        BatchGetStreamKey CreateStreamKey DeleteStreamKey GetStreamKey ListStreamKeys
        """,
    10: """StartViewerSessionRevocation ListTagsForResource TagResource UntagResource""",
}
# Not in AWS's list; taken to be like their neighbours.
_LIKE_NEIGHBOURS = """
    UpdateAdConfiguration
    CreateFailoverSlateConfiguration DeleteFailoverSlateConfiguration
    GetFailoverSlateConfiguration ListFailoverSlateConfigurations
    UpdateFailoverSlateConfiguration
    """
AWS_CALLS_PER_S: Mapping[str, int] = MappingProxyType(
    {name: rate for rate, names in _AWS_RATES.items() for name in names.split()}
    | dict.fromkeys(_LIKE_NEIGHBOURS.split(), 3)
)
"""Of each operation, per account and region. PutMetadata's is `put_metadata_per_account`."""


class Quota(Struct, frozen=True):
    """How many of one kind."""

    limit: int
    unit: str  # for the text of the refusal

    @property
    def is_counted(self) -> bool:
        """Whether there is an end at all."""
        return self.limit < GENEROUS


class Quotas(Struct, frozen=True, kw_only=True):
    """Numbers of resources and rates, each per account and region unless its name says else."""

    channels: int = GENEROUS
    stream_keys_per_channel: int = 1
    playback_key_pairs: int = 1_000
    recording_configurations: int = GENEROUS
    playback_restriction_policies: int = GENEROUS
    ad_configurations: int = GENEROUS
    failover_slate_configurations: int = GENEROUS
    concurrent_streams: int = GENEROUS
    concurrent_views: int = GENEROUS
    takeovers_per_stream: int = 100  # in a stream's life, by encoders of a higher priority
    ingest_bitrate_bps: int = MOST_BPS  # of an encoder
    basic_ingest_bitrate_bps: int = MOST_BPS  # the same for the channel type BASIC
    basic_ingest_bitrate_480p_bps: int = MOST_BPS  # the same up to 480p
    ingest_pixels: int = MOST_PIXELS  # of a picture
    ingest_edge_pixels: int = MOST_EDGE_PIXELS  # of its longer edge
    put_metadata_per_channel_per_s: int = 5
    put_metadata_per_account_per_s: int = 155
    calls_per_s: Mapping[str, int] = MappingProxyType({})  # by operation; others unlimited

    def of(self, resource_type: ResourceType) -> Quota:
        """The quota on the resources of a type."""
        name = _NAMES[resource_type]
        return Quota(getattr(self, name), name.replace("_", " "))


_NAMES: Mapping[ResourceType, str] = MappingProxyType(
    {
        "channel": "channels",
        "stream-key": "stream_keys_per_channel",
        "playback-key": "playback_key_pairs",
        "recording-configuration": "recording_configurations",
        "playback-restriction-policy": "playback_restriction_policies",
        "ad-configuration": "ad_configurations",
        "failover-slate-configuration": "failover_slate_configurations",
    }
)

DEFAULT = Quotas()

AWS = Quotas(
    channels=5_000,
    playback_key_pairs=3,
    recording_configurations=20,
    playback_restriction_policies=3,
    ad_configurations=20,
    concurrent_streams=100,
    concurrent_views=15_000,
    ingest_bitrate_bps=8_500_000,
    basic_ingest_bitrate_bps=3_500_000,
    basic_ingest_bitrate_480p_bps=1_500_000,
    ingest_pixels=2_100_000,
    ingest_edge_pixels=1_920,
    failover_slate_configurations=20,  # not in AWS's list: as ad configurations
    calls_per_s=AWS_CALLS_PER_S,
)

PROFILES: Mapping[str, Quotas] = MappingProxyType({"default": DEFAULT, "aws": AWS})
