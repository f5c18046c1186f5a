"""What the ingest asks of the node: may this encoder publish, and where does its media go."""

from collections.abc import Callable
from typing import Protocol

from msgspec import Struct

from headwater.core.encoded import CodecConfig, EncodedFrame, EncoderMetadata
from headwater.core.errors import MediaError
from headwater.core.secret import Secret


class PublishAttempt(Struct, frozen=True, kw_only=True):
    """An encoder that wants to publish."""

    app: str
    stream_key: Secret
    parameters: dict[str, str]
    encrypted: bool
    peer: str  # "192.0.2.7:50123", "[2001:db8::7]:50123"
    stop: Callable[[str], None]
    """stop(reason) ends this connection: tells the encoder, closes. From the event loop's
    thread, at any time, as often as one likes."""


class Refusal(Struct, frozen=True, kw_only=True):
    """Why not: shown to the encoder and logged, so without the key.

    Of the codes, OBS shows the description with NetStream.Publish.Denied and .Rejected
    only; ffmpeg shows it with any.
    """

    code: str
    description: str


class Publisher(Protocol):
    """Where the media of one accepted publish goes."""

    def receive(self, item: CodecConfig | EncodedFrame | EncoderMetadata, now_ms: int) -> None:
        """Take the next item; `now_ms` is Unix time at its arrival.

        Raises:
            PeerError: it cannot be used; the connection is closed with that text.
        """

    def refused(self, error: MediaError) -> None:
        """What came is of a kind that the protocol's reader takes none of; the end follows."""

    def ended(self, reason: str, *, on_purpose: bool) -> None:
        """No more will come. Called exactly once, whatever happened.

        `on_purpose`: the encoder said that it stops. Else its connection broke, or was ended
        by us, and it may be back.
        """


class PublishGate(Protocol):
    """Decides who may publish."""

    async def open(self, attempt: PublishAttempt, /) -> Publisher | Refusal:
        """Let the encoder in, or say why not.

        Not cancelled before the server closes: if the encoder leaves meanwhile, the
        Publisher is ended as soon as it is there.
        """
