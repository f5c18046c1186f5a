"""Timed metadata on the wire. Source: IVS API reference, PutMetadata."""

from headwater.core.secret import Secret
from headwater.shapes.scalars import ChannelArn
from headwater.shapes.wire import Shape


class PutMetadataRequest(Shape, frozen=True, kw_only=True):
    """What the viewers of which channel get."""

    channel_arn: ChannelArn
    metadata: Secret  # nobody but viewers is to read it; at least one character
