"""What the node and a transcoder say to each other over two pipes. Sans-IO.

    node -> transcoder    Begin (Media | Configure)* End
    transcoder -> node    Ready (Tracks | Encoded | Progress)* (Finished | Failed)

A message is a 4-byte big-endian length and so many bytes of MessagePack. `renditions` of an
answer are indices into the renditions of the latest Begin or Configure; sound that several
renditions share is sent once. For each rendition a Tracks comes before its first packet,
and again whenever its decoder needs another configuration or the input's timeline broke.
Packets of a track come in order; times are ticks of the input's presentation clock, in the
timescale of the rendition's own track.
"""

from typing import Annotated, Generic, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from headwater.core.errors import LimitError, PeerError
from headwater.core.packet import Packet
from headwater.core.track import TrackSet
from headwater.media.ladder import Rendition

MAX_MESSAGE_BYTES = 16 << 20  # one frame; the ingest takes none of half that size
MAX_RENDITIONS = 16  # IVS's longest ladder has 5 and audio only
_LENGTH_BYTES = 4

EncoderName = Literal["x264", "nvenc", "vaapi", "qsv"]
Renditions = Annotated[tuple[Rendition, ...], Meta(max_length=MAX_RENDITIONS)]
Indices = Annotated[tuple[int, ...], Meta(max_length=MAX_RENDITIONS)]
Level = Literal["normal", "faster preset", "fastest preset", "half the frames"]
"""How encoding is done, from what was asked for to the least."""


class EncoderSettings(Struct, frozen=True, kw_only=True):
    """How to encode."""

    encoder: EncoderName = "x264"
    preset: str = "veryfast"  # x264's name, or the hardware encoder's own
    encoder_threads: int = 1  # of each rendition, which run side by side; each more: a frame later
    decoder_threads: int = 1
    keyframe_interval_ms: int | None = None  # at most so far apart; None: only the input's
    buffer_ms: int = 1000  # of the rate control (VBV): peaks are evened out over this
    live: bool = True  # degrade rather than fall behind; False: wait, as for a file


class Begin(Struct, frozen=True, kw_only=True, tag=True):
    """The first message."""

    source: TrackSet
    renditions: Renditions  # those to make: no passthrough ones
    settings: EncoderSettings


class Configure(Struct, frozen=True, kw_only=True, tag=True):
    """The input's tracks really changed; what follows belongs to these."""

    source: TrackSet
    renditions: Renditions  # same names in the same order; sizes may differ


class Media(Struct, frozen=True, kw_only=True, tag=True):
    """The input's next packet, of either track."""

    packet: Packet


class End(Struct, frozen=True, kw_only=True, tag=True):
    """The input ended: finish what is there, then exit."""


class Ready(Struct, frozen=True, kw_only=True, tag=True):
    """Decoders and encoders are open."""

    encoder: str  # the library's name of it


class Tracks(Struct, frozen=True, kw_only=True, tag=True):
    """What these renditions' packets need from here on."""

    renditions: Indices
    tracks: TrackSet  # `discontinuity` and `times_go_on` as the input had them


class Encoded(Struct, frozen=True, kw_only=True, tag=True, gc=False):
    """The next packet of these renditions."""

    renditions: Indices
    packet: Packet


class Progress(Struct, frozen=True, kw_only=True, tag=True):
    """Once a second, whether media comes or not. Counts are since the start."""

    received_pts: int | None = None  # ticks of video: the newest that came in; None: none yet
    decoded_pts: int | None = None
    encoded_pts: int | None = None  # of the rendition that is furthest behind
    waiting_packets: int = 0  # came in, not decoded yet
    waiting_frames: int = 0  # decoded, not encoded yet, over all renditions
    dropped_frames: int = 0  # decoded and left out because encoding fell behind
    dropped_packets: int = 0  # not decoded: decoding fell behind, or waited for a key frame
    broken_packets: int = 0  # that the decoder refused
    level: Level = "normal"
    cpu_s: float = 0.0  # user and system time of the process


class Finished(Struct, frozen=True, kw_only=True, tag=True):
    """All there was has been sent; the process exits with 0."""


class Failed(Struct, frozen=True, kw_only=True, tag=True):
    """It cannot go on; the process exits with 1."""

    reason: str


Request = Begin | Configure | Media | End
Answer = Ready | Tracks | Encoded | Progress | Finished | Failed

_Message = TypeVar("_Message")
_encoder = msgspec.msgpack.Encoder()


def write_message(message: Struct) -> bytes:
    """The message as it goes into the pipe."""
    body = _encoder.encode(message)
    return len(body).to_bytes(_LENGTH_BYTES, "big") + body


class MessageReader(Generic[_Message]):
    """One end of a pipe: bytes in, messages out."""

    def __init__(self, decoder: msgspec.msgpack.Decoder[_Message]) -> None:
        self._decoder = decoder
        self._buffer = bytearray()

    def push(self, data: bytes) -> list[_Message]:
        """The messages that are complete now.

        Raises:
            PeerError: these bytes are none.
        """
        self._buffer += data
        messages, position = [], 0
        while len(self._buffer) - position >= _LENGTH_BYTES:
            start = position + _LENGTH_BYTES
            size = int.from_bytes(self._buffer[position:start], "big")
            if size > MAX_MESSAGE_BYTES:
                raise LimitError(f"message of {size} bytes, at most {MAX_MESSAGE_BYTES}")
            if len(self._buffer) - start < size:
                break
            position = start + size
            try:
                messages.append(self._decoder.decode(self._buffer[start:position]))
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                raise PeerError(f"not a transcoder's message: {error}") from None
        del self._buffer[:position]
        return messages


def request_reader() -> MessageReader[Request]:
    """The transcoder's end."""
    return MessageReader(msgspec.msgpack.Decoder(Request))


def answer_reader() -> MessageReader[Answer]:
    """The node's end."""
    return MessageReader(msgspec.msgpack.Decoder(Answer))
