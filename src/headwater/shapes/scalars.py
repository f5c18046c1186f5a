r"""The bounded scalars, lists and maps of the IVS API, named as the model names them.

Source: IVS API reference, "Data types". AWS's patterns match the whole string and
msgspec's search in it, so every pattern is anchored with `^` and `\Z` (`$` would let a
trailing newline in). Lengths count Unicode code points.
"""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta

# \p{Z} of the tags' patterns, which Python's re cannot say. \w is \p{L}, \p{N} and "_".
_SEPARATORS = " \\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000"
_TAG_CHARACTERS = rf"[\w{_SEPARATORS}.:/=+\-@]"

_TAG_WORDS = {"allowed": "letters, numbers, spaces and _ . : / = + - @"}

TagKey = Annotated[
    str,
    Meta(min_length=1, max_length=128, pattern=rf"^({_TAG_CHARACTERS}+)\Z", extra=_TAG_WORDS),
]
TagValue = Annotated[
    str, Meta(max_length=256, pattern=rf"^({_TAG_CHARACTERS}*)\Z", extra=_TAG_WORDS)
]
Tags = Annotated[dict[TagKey, TagValue], Meta(max_length=50)]
TagKeyList = Annotated[list[TagKey], Meta(min_length=0, max_length=50)]

ChannelArn = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=128,
        pattern=r"^arn:aws:ivs:[a-z0-9-]+:[0-9]+:channel/[a-zA-Z0-9-]+\Z",
    ),
]
StreamKeyArn = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=128,
        pattern=r"^arn:aws:ivs:[a-z0-9-]+:[0-9]+:stream-key/[a-zA-Z0-9-]+\Z",
    ),
]
PlaybackKeyPairArn = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=128,
        pattern=r"^arn:aws:ivs:[a-z0-9-]+:[0-9]+:playback-key/[a-zA-Z0-9-]+\Z",
    ),
]
PlaybackRestrictionPolicyArn = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=128,
        pattern=r"^arn:aws:ivs:[a-z0-9-]+:[0-9]+:playback-restriction-policy/[a-zA-Z0-9-]+\Z",
    ),
]
RecordingConfigurationArn = Annotated[
    str,
    Meta(
        max_length=128,
        pattern=r"^arn:aws:ivs:[a-z0-9-]+:[0-9]+:recording-configuration/[a-zA-Z0-9-]+\Z",
    ),
]
AdConfigurationArn = Annotated[
    str,
    Meta(
        max_length=128,
        pattern=r"^arn:aws:ivs:[a-z0-9-]+:[0-9]+:ad-configuration/[a-zA-Z0-9-]+\Z",
    ),
]
FailoverSlateConfigurationArn = Annotated[
    str,
    Meta(
        max_length=128,
        pattern=r"^arn:aws:ivs:[a-z0-9-]+:[0-9]+:failover-slate-configuration/[a-zA-Z0-9-]+\Z",
    ),
]
MediaTailorPlaybackConfigurationArn = Annotated[
    str,
    Meta(
        max_length=128,
        pattern=r"^arn:aws:mediatailor:[a-z0-9-]+:[0-9]+:playbackConfiguration/[a-zA-Z0-9-]+\Z",
    ),
]
# The published pattern has one character for the type and refuses every real ARN; the "+"
# behind `[a-z-]` is ours.
ResourceArn = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=128,
        pattern=r"^arn:aws:ivs:[a-z0-9-]+:[0-9]+:[a-z-]+/[a-zA-Z0-9-]+\Z",
    ),
]

# What a channel may be attached to; "" is "to none".
ChannelRecordingConfigurationArn = Annotated[
    str,
    Meta(
        max_length=128,
        pattern=r"^(|arn:aws:ivs:[a-z0-9-]+:[0-9]+:recording-configuration/[a-zA-Z0-9-]+)\Z",
    ),
]
ChannelPlaybackRestrictionPolicyArn = Annotated[
    str,
    Meta(
        max_length=128,
        pattern=r"^(|arn:aws:ivs:[a-z0-9-]+:[0-9]+:playback-restriction-policy/[a-zA-Z0-9-]+)\Z",
    ),
]
ChannelAdConfigurationArn = Annotated[
    str,
    Meta(
        max_length=128,
        pattern=r"^(|arn:aws:ivs:[a-z0-9-]+:[0-9]+:ad-configuration/[a-zA-Z0-9-]+)\Z",
    ),
]
ChannelFailoverSlateConfigurationArn = Annotated[
    str,
    Meta(
        max_length=128,
        pattern=r"^(|arn:aws:ivs:[a-z0-9-]+:[0-9]+:failover-slate-configuration/[a-zA-Z0-9-]+)\Z",
    ),
]

ChannelArnList = Annotated[list[ChannelArn], Meta(min_length=1, max_length=50)]
StreamKeyArnList = Annotated[list[StreamKeyArn], Meta(min_length=1, max_length=50)]

ChannelName = Annotated[str, Meta(max_length=128, pattern=r"^[a-zA-Z0-9-_]*\Z")]
ChannelLatencyMode = Literal["NORMAL", "LOW"]
ChannelType = Literal["BASIC", "STANDARD", "ADVANCED_SD", "ADVANCED_HD"]
TranscodePreset = Literal["HIGHER_BANDWIDTH_DELIVERY", "CONSTRAINED_BANDWIDTH_DELIVERY"]
ContainerFormat = Literal["TS", "FRAGMENTED_MP4"]
MultitrackPolicy = Literal["ALLOW", "REQUIRE"]
MultitrackMaximumResolution = Literal["SD", "HD", "FULL_HD"]

PlaybackKeyPairName = Annotated[str, Meta(max_length=128, pattern=r"^[a-zA-Z0-9-_]*\Z")]

PlaybackRestrictionPolicyName = Annotated[str, Meta(max_length=128, pattern=r"^[a-zA-Z0-9-_]*\Z")]
PlaybackRestrictionPolicyAllowedCountry = Annotated[str, Meta(min_length=2, max_length=2)]
PlaybackRestrictionPolicyAllowedCountryList = list[PlaybackRestrictionPolicyAllowedCountry]
PlaybackRestrictionPolicyAllowedOrigin = Annotated[str, Meta(max_length=128)]
PlaybackRestrictionPolicyAllowedOriginList = list[PlaybackRestrictionPolicyAllowedOrigin]

RecordingConfigurationName = Annotated[str, Meta(max_length=128, pattern=r"^[a-zA-Z0-9-_]*\Z")]
RecordingConfigurationState = Literal["CREATING", "CREATE_FAILED", "ACTIVE"]
RecordingMode = Literal["DISABLED", "INTERVAL"]
RecordingReconnectWindowSeconds = Annotated[int, Meta(ge=0, le=300)]
RenditionConfigurationRendition = Literal["SD", "HD", "FULL_HD", "LOWEST_RESOLUTION"]
RenditionConfigurationRenditionList = list[RenditionConfigurationRendition]
RenditionConfigurationRenditionSelection = Literal["ALL", "NONE", "CUSTOM"]
S3DestinationBucketName = Annotated[
    str, Meta(min_length=3, max_length=63, pattern=r"^[a-z0-9-.]+\Z")
]
TargetIntervalSeconds = Annotated[int, Meta(ge=1, le=60)]
ThumbnailConfigurationResolution = Literal["SD", "HD", "FULL_HD", "LOWEST_RESOLUTION"]
ThumbnailConfigurationStorage = Literal["SEQUENTIAL", "LATEST"]
ThumbnailConfigurationStorageList = list[ThumbnailConfigurationStorage]

AdBreakId = Annotated[str, Meta(min_length=12, max_length=12, pattern=r"^[a-zA-Z0-9]+\Z")]
AdConfigurationName = Annotated[str, Meta(max_length=128, pattern=r"^[a-zA-Z0-9-_]*\Z")]
AdDurationSeconds = Annotated[int, Meta(ge=1, le=300)]

FailoverSlateConfigurationName = Annotated[str, Meta(max_length=128, pattern=r"^[a-zA-Z0-9-_]*\Z")]
FailoverSlateConfigurationState = Literal["CREATING", "CREATE_FAILED", "CREATED", "UPDATING"]
FailoverSlateActivationThresholdSeconds = Annotated[int, Meta(ge=3, le=5)]
FailoverSlateMinDisplaySeconds = Annotated[int, Meta(ge=3, le=10)]
FailoverSlateMaxDisplaySeconds = Annotated[int, Meta(ge=60, le=180)]

ViewerId = Annotated[str, Meta(min_length=1, max_length=40)]
ViewerSessionVersion = Annotated[int, Meta(ge=0)]

StreamId = Annotated[str, Meta(min_length=26, max_length=26, pattern=r"^st-[a-zA-Z0-9]+\Z")]
StreamState = Literal["LIVE", "OFFLINE"]
StreamHealth = Literal["HEALTHY", "STARVING", "UNKNOWN"]

# An ISO 8601 text with "Z" on the wire: the JavaScript SDK refuses epoch numbers.
Time = Annotated[datetime, Meta(tz=True)]

PaginationToken = Annotated[str, Meta(max_length=1024, pattern=r"^[a-zA-Z0-9+/=_-]*\Z")]
MaxAdConfigurationResults = Annotated[int, Meta(ge=1, le=100)]
MaxFailoverSlateConfigurationResults = Annotated[int, Meta(ge=1, le=100)]
MaxPlaybackKeyPairResults = Annotated[int, Meta(ge=1, le=100)]
MaxPlaybackRestrictionPolicyResults = Annotated[int, Meta(ge=1, le=100)]
MaxRecordingConfigurationResults = Annotated[int, Meta(ge=1, le=100)]
MaxChannelResults = Annotated[int, Meta(ge=1, le=100)]
MaxStreamKeyResults = Annotated[int, Meta(ge=1, le=50)]
MaxStreamResults = Annotated[int, Meta(ge=1, le=100)]
