"""Playback key pairs on the wire.

Source: IVS API reference, PlaybackKeyPair and its four operations. Only the public key is
ever sent here, and it is never shown again.
"""

from msgspec import UNSET, UnsetType, field

from headwater.shapes.scalars import (
    MaxPlaybackKeyPairResults,
    PaginationToken,
    PlaybackKeyPairArn,
    PlaybackKeyPairName,
    Tags,
)
from headwater.shapes.wire import Shape


class PlaybackKeyPairSummary(Shape, frozen=True, kw_only=True):
    """A playback key pair as ListPlaybackKeyPairs shows it."""

    arn: PlaybackKeyPairArn
    name: PlaybackKeyPairName
    tags: Tags


class PlaybackKeyPair(PlaybackKeyPairSummary, frozen=True, kw_only=True):
    """A key that signs playback tokens, by its fingerprint."""

    fingerprint: str  # 16 pairs of hexadecimal digits, joined by ":"


class ImportPlaybackKeyPairRequest(Shape, frozen=True, kw_only=True):
    """The public half of the caller's key."""

    public_key_material: str  # PEM
    name: PlaybackKeyPairName = ""
    tags: Tags = field(default_factory=dict)


class ImportPlaybackKeyPairResponse(Shape, frozen=True, kw_only=True):
    """The new playback key pair."""

    key_pair: PlaybackKeyPair


class GetPlaybackKeyPairRequest(Shape, frozen=True, kw_only=True):
    """Which playback key pair."""

    arn: PlaybackKeyPairArn


class GetPlaybackKeyPairResponse(Shape, frozen=True, kw_only=True):
    """The playback key pair."""

    key_pair: PlaybackKeyPair


class ListPlaybackKeyPairsRequest(Shape, frozen=True, kw_only=True):
    """Which page."""

    next_token: PaginationToken = ""
    max_results: MaxPlaybackKeyPairResults = 100


class ListPlaybackKeyPairsResponse(Shape, frozen=True, kw_only=True):
    """One page of playback key pairs, oldest first."""

    key_pairs: list[PlaybackKeyPairSummary]
    next_token: PaginationToken | UnsetType = UNSET


class DeletePlaybackKeyPairRequest(Shape, frozen=True, kw_only=True):
    """Which playback key pair."""

    arn: PlaybackKeyPairArn


class DeletePlaybackKeyPairResponse(Shape, frozen=True, kw_only=True):
    """Deleted; there is nothing more to say."""
