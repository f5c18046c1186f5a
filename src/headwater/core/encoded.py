"""What an ingest protocol hands on: media as the encoder sent it, before any repair.

`media.timeline` turns these into tracks and packets. Times are the encoder's own
milliseconds; wrap-arounds of the wire's 32-bit field may still be in them.
"""

from typing import Literal

from msgspec import Struct

Kind = Literal["video", "audio"]


class CodecConfig(Struct, frozen=True, kw_only=True):
    """A codec's configuration record.

    `data` is an AVCDecoderConfigurationRecord (ISO/IEC 14496-15 §5.3.3.1) for h264
    and an AudioSpecificConfig (ISO/IEC 14496-3 §1.6.2.1) for aac.
    """

    kind: Kind
    codec: Literal["h264", "aac"]
    data: bytes


class EncodedFrame(Struct, frozen=True, kw_only=True, gc=False):
    """One access unit (video) or one raw frame (audio) in decode order.

    Video `data` has NAL units with the length prefix size of the last CodecConfig.
    """

    kind: Kind
    timestamp_ms: int  # decode time, 0..2**32-1, as on the wire
    composition_offset_ms: int  # pts - dts, signed; 0 for audio
    keyframe: bool  # what the container claims; audio is always True
    data: bytes


class EncoderMetadata(Struct, frozen=True, kw_only=True):
    """What the encoder says of itself (onMetaData), names as sent; bounded by ingest."""

    values: dict[str, str | float | bool]
