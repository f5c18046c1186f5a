"""Multitrack input: what a channel wants of its encoders, and what its session says of others.

Source: IVS API reference, MultitrackInputConfiguration, and StreamEvent (the codes of Session
Ended). Several tracks are not taken by this server, whatever a channel allows. Where they are
allowed, IVS asks for a key that GetClientConfiguration made, which no encoder has from here.
"""

from typing import Literal

from headwater.store.records import ChannelRecord

SessionEndCode = Literal[
    "", "MultitrackInputNotAllowed", "MultitrackInputRequired",
    "GetClientConfigurationStreamKeyRequired",
]  # fmt: skip
"""Why a session ended; "": for no reason that IVS has a code for."""

ONE_TRACK_TEXT = (
    "This channel requires multitrack input: set the policy of its multitrackInputConfiguration "
    "to ALLOW to publish one track."
)


def code_of_several_tracks(channel: ChannelRecord) -> SessionEndCode:
    """What is wrong with an encoder that sends several tracks."""
    if channel.multitrack_enabled:
        return "GetClientConfigurationStreamKeyRequired"
    return "MultitrackInputNotAllowed"


def requires_several_tracks(channel: ChannelRecord) -> bool:
    """Whether an encoder of one track is refused."""
    return channel.multitrack_enabled and channel.multitrack_policy == "REQUIRE"
