"""A channel's place in playback URLs: `/api/video/v1/<region>.<account>.channel.<id>.m3u8`.

Source: the path of IVS's playback URLs.
"""

from msgspec import Struct

PLAYBACK_PREFIX = "/api/video/v1/"


class ChannelAddress(Struct, frozen=True):
    """What identifies a channel in playback URLs."""

    region: str
    account: str
    channel_id: str


def playback_path(address: ChannelAddress) -> str:
    """The path of a channel's multivariant playlist."""
    channel = f"{address.region}.{address.account}.channel.{address.channel_id}"
    return f"{PLAYBACK_PREFIX}{channel}.m3u8"
