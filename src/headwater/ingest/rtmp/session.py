"""One RTMP connection of an encoder, without I/O.

Source: Adobe RTMP 1.0 §7; order and habits of OBS, librtmp, ffmpeg, GStreamer and FMLE.

    handshake -> idle -> asked -> live -> idle (the encoder may publish again)
                           |        |
                           +--------+--> over (refused, stopped, or any error)

`asked`: PublishRequested is out, and bytes are held until accept_publish().
"""

from collections.abc import Callable
from enum import Enum
from typing import TypeAlias

from msgspec import Struct

from headwater.core.encoded import CodecConfig, EncodedFrame, EncoderMetadata, Kind
from headwater.core.errors import LimitError, PeerError
from headwater.ingest.rtmp.chunk import ChunkReader, write_message
from headwater.ingest.rtmp.command import (
    MEDIA_STREAM_ID,
    Command,
    command_message,
    connect_result,
    parse_command,
    status,
    text_argument,
)
from headwater.ingest.rtmp.flv import read_audio, read_metadata, read_video, split_aggregate
from headwater.ingest.rtmp.handshake import ServerHandshake
from headwater.ingest.rtmp.message import (
    COMMAND_CHUNK_STREAM,
    CONTROL_CHUNK_STREAM,
    STATUS_CHUNK_STREAM,
    Message,
    MessageType,
    UserControl,
    control,
    first_uint32,
    user_control,
)
from headwater.ingest.rtmp.publish import PublishRequested, publish_request

__all__ = ["PublishEnded", "PublishRequested", "RtmpSession", "SessionEvent"]

PUBLISH_TIMEOUT_S = 10.0
"""From the connection (or the end of a publish) to the next publish."""
MEDIA_TIMEOUT_S = 30.0
"""Without a frame: Amazon IVS ends a stream after 30 s of silence."""

MAX_BYTES_BEFORE_PUBLISH = 65_536
"""What anyone may make us read before a key was accepted; encoders need about 1,000."""
MAX_COMMAND_BYTES = 32_768
"""One message before a key was accepted."""
MAX_MEDIA_BYTES = 8 * 1024 * 1024
"""One message of an accepted encoder: a key frame of 15 Mb/s and 4 s all in one."""
MAX_HELD_BYTES = 1024 * 1024
"""Sent by an encoder that does not wait for the answer to its publish."""
MESSAGES_PER_S = 4000
"""A 60 fps stream has about 150; the rest catches up after a stall."""
MESSAGES_BURST = 20_000
"""So that a minute of stalled media may arrive at once."""

WINDOW_ACK_BYTES = 2_500_000
OUT_CHUNK_SIZE_BYTES = 4096
_LIMIT_TYPE_DYNAMIC = 2
_UINT32 = 0x1_0000_0000


class PublishEnded(Struct, frozen=True, kw_only=True):
    """The encoder ended its publish on purpose; `reason` names the command it sent."""

    reason: str


SessionEvent: TypeAlias = (
    PublishRequested | CodecConfig | EncodedFrame | EncoderMetadata | PublishEnded
)


class _Phase(Enum):
    HANDSHAKE = "handshake"
    IDLE = "idle"
    ASKED = "asked"
    LIVE = "live"
    OVER = "over"


class RtmpSession:
    """Turns an encoder's bytes into events, and says what to answer.

    Never reads a clock, a socket or a random source: the caller passes `now_s` (any
    monotonic clock), `nonce` (1528 random bytes) and every byte. After PublishRequested
    the caller answers with accept_publish() or refuse_publish(), and then calls
    receive_data(b"", now_s) for what was held meanwhile.
    """

    def __init__(self, *, nonce: bytes, now_s: float) -> None:
        self._phase = _Phase.HANDSHAKE
        self._handshake = ServerHandshake(nonce=nonce)
        self._reader = ChunkReader(max_message_bytes=MAX_COMMAND_BYTES)
        self._out = bytearray()
        self._events: list[SessionEvent] = []
        self._held = bytearray()
        self._now_s = now_s
        self._deadline_s = now_s + PUBLISH_TIMEOUT_S
        self._messages_left = float(MESSAGES_BURST)
        self._ever_accepted = False
        self._connected = False
        self._app = ""
        self._tc_url = ""
        self._fc_publish = False
        self._configured: set[Kind] = set()
        self._metadata: EncoderMetadata | None = None
        self._ack_window_bytes = WINDOW_ACK_BYTES
        self._acked_bytes = 0
        self._error_code = "NetStream.Publish.Rejected"
        self._handlers: dict[int, Callable[[Message], None]] = {
            MessageType.VIDEO: self._on_video,
            MessageType.AUDIO: self._on_audio,
            MessageType.DATA: self._on_data,
            MessageType.DATA_AMF3: self._on_data,
            MessageType.AGGREGATE: self._on_aggregate,
            MessageType.COMMAND: self._on_command,
            MessageType.COMMAND_AMF3: self._on_command,
            MessageType.SET_CHUNK_SIZE: self._on_set_chunk_size,
            MessageType.ABORT: self._on_abort,
            MessageType.USER_CONTROL: self._on_user_control,
            MessageType.WINDOW_ACK_SIZE: self._on_window_ack_size,
            MessageType.SET_PEER_BANDWIDTH: self._on_set_peer_bandwidth,
        }
        self._commands: dict[str, Callable[[Command], None]] = {
            "connect": self._on_connect,
            "createStream": self._on_create_stream,
            "FCPublish": self._on_fc_publish,
            "publish": self._on_publish,
            "FCUnpublish": self._on_end,
            "deleteStream": self._on_end,
            "closeStream": self._on_end,
            "play": self._on_play,
            "play2": self._on_play,
        }

    # --- the caller's side ---

    def receive_data(self, data: bytes, now_s: float) -> list[SessionEvent]:
        """Take bytes from the encoder; give what is complete now, in order.

        Raises:
            PeerError, LimitError: final; events of the same call are lost, and
                data_to_send() may hold a parting message.
            RuntimeError: the session is over already (our bug, not the peer's).
        """
        if self._phase is _Phase.OVER:
            raise RuntimeError("the RTMP session is over")
        refill = (now_s - self._now_s) * MESSAGES_PER_S
        self._messages_left = min(MESSAGES_BURST, self._messages_left + refill)
        self._now_s = now_s
        try:
            self._receive(data)
        except PeerError as error:
            self._part(self._error_code, str(error))
            raise
        events, self._events = self._events, []
        return events

    def data_to_send(self) -> bytes:
        """Drain what must now be written to the encoder (may be empty)."""
        out, self._out = bytes(self._out), bytearray()
        return out

    def deadline_s(self) -> float | None:
        """When handle_timeout must be called; None while it is the caller's turn."""
        return None if self._phase in {_Phase.ASKED, _Phase.OVER} else self._deadline_s

    def handle_timeout(self, now_s: float) -> None:
        """Raise LimitError if the encoder was too slow or silent; final."""
        deadline_s = self.deadline_s()
        if deadline_s is None or now_s < deadline_s:
            return
        if self._phase is _Phase.LIVE:
            text = f"no media for {MEDIA_TIMEOUT_S:.0f} s"
        elif self._phase is _Phase.HANDSHAKE:
            text = f"RTMP handshake not finished within {PUBLISH_TIMEOUT_S:.0f} s"
        else:
            text = f"no publish within {PUBLISH_TIMEOUT_S:.0f} s"
        self._part(self._error_code, text)
        raise LimitError(text)

    def accept_publish(self) -> None:
        """Answer PublishRequested with yes; media may flow."""
        self._require_asked()
        self._phase = _Phase.LIVE
        self._ever_accepted = True
        self._reader.max_message_bytes = MAX_MEDIA_BYTES
        self._deadline_s = self._now_s + MEDIA_TIMEOUT_S
        self._configured.clear()
        self._metadata = None
        begin = MEDIA_STREAM_ID.to_bytes(4, "big")
        self._send(user_control(UserControl.STREAM_BEGIN, begin))
        code, description = "NetStream.Publish.Start", "Publishing started."
        if self._fc_publish:
            self._send(_fc_answer("onFCPublish", code, description))
        self._send(status(code, description))

    def refuse_publish(self, code: str, description: str) -> None:
        """Answer PublishRequested with no; then send what is left and close."""
        self._require_asked()
        self._part(code, description)

    def end_publish(self, code: str, description: str) -> None:
        """End the session from the server's side; then send what is left and close.

        Silent before the encoder's connect, and when the session is over already.
        """
        self._part(code, description)

    # --- bytes to messages ---

    def _receive(self, data: bytes) -> None:
        if self._phase is _Phase.HANDSHAKE:
            rest = self._handshake.receive_data(data)
            self._out += self._handshake.data_to_send()
            if rest is None:
                return
            self._phase = _Phase.IDLE
            data = rest
        if self._phase is _Phase.ASKED or self._held:
            self._held += data
            if len(self._held) > MAX_HELD_BYTES:
                raise LimitError("too much was sent without waiting for the answer to publish")
            if self._phase is _Phase.ASKED:
                return
            data = bytes(self._held)
            self._held.clear()
        self._reader.receive_data(data)
        self._read_messages()
        if not self._ever_accepted and self._reader.consumed_bytes > MAX_BYTES_BEFORE_PUBLISH:
            raise LimitError(f"more than {MAX_BYTES_BEFORE_PUBLISH} bytes before a publish")
        self._acknowledge()

    def _read_messages(self) -> None:
        while self._phase is not _Phase.ASKED:
            message = self._reader.next_message()
            if message is None:
                return
            self._handle(message)

    def _handle(self, message: Message) -> None:
        """Messages of types that no encoder needs (shared objects, ...) are ignored."""
        self._messages_left -= 1
        if self._messages_left < 0:
            raise LimitError(f"more than {MESSAGES_PER_S} messages a second")
        handler = self._handlers.get(message.type_id)
        if handler is not None:
            handler(message)

    # --- media ---

    def _on_video(self, message: Message) -> None:
        if self._phase is _Phase.LIVE:
            self._emit_media(read_video(message))

    def _on_audio(self, message: Message) -> None:
        if self._phase is _Phase.LIVE:
            self._emit_media(read_audio(message))

    def _emit_media(self, item: CodecConfig | EncodedFrame | None) -> None:
        """Frames before their configuration are dropped: nobody could decode them."""
        if isinstance(item, CodecConfig):
            self._configured.add(item.kind)
            self._events.append(item)
        elif item is not None and item.kind in self._configured:
            self._deadline_s = self._now_s + MEDIA_TIMEOUT_S
            self._events.append(item)

    def _on_data(self, message: Message) -> None:
        if self._phase is not _Phase.LIVE:
            return
        metadata = read_metadata(message)
        # Some encoders repeat theirs several times a second.
        if metadata is not None and metadata != self._metadata:
            self._metadata = metadata
            self._events.append(metadata)

    def _on_aggregate(self, message: Message) -> None:
        for inner in split_aggregate(message):
            if inner.type_id != MessageType.AGGREGATE:
                self._handle(inner)

    # --- protocol control ---

    def _on_set_chunk_size(self, message: Message) -> None:
        self._reader.set_chunk_size(first_uint32(message))

    def _on_abort(self, message: Message) -> None:
        self._reader.abort(first_uint32(message))

    def _on_user_control(self, message: Message) -> None:
        event = int.from_bytes(message.body[:2], "big")
        if event == UserControl.PING_REQUEST:
            self._send(user_control(UserControl.PING_RESPONSE, message.body[2:6]))

    def _on_window_ack_size(self, message: Message) -> None:
        # Zero would mean an acknowledgement for nothing: keep the usual one.
        self._ack_window_bytes = first_uint32(message) or WINDOW_ACK_BYTES

    def _on_set_peer_bandwidth(self, message: Message) -> None:
        size = first_uint32(message).to_bytes(4, "big")
        self._send(control(MessageType.WINDOW_ACK_SIZE, size))

    def _acknowledge(self) -> None:
        """Some encoders stop sending when this is missing. At most one for each call."""
        received = self._reader.received_bytes
        if received - self._acked_bytes >= self._ack_window_bytes:
            self._acked_bytes = received
            sequence = (received % _UINT32).to_bytes(4, "big")
            self._send(control(MessageType.ACKNOWLEDGEMENT, sequence))

    # --- commands ---

    def _on_command(self, message: Message) -> None:
        command = parse_command(message)
        handler = self._commands.get(command.name, self._on_other_command)
        handler(command)

    def _on_connect(self, command: Command) -> None:
        names = {name.lower(): value for name, value in command.properties.items()}
        app, tc_url = names.get("app"), names.get("tcurl")
        self._app = app if isinstance(app, str) else ""
        self._tc_url = tc_url if isinstance(tc_url, str) else ""
        self._connected = True
        window = WINDOW_ACK_BYTES.to_bytes(4, "big")
        self._send(control(MessageType.WINDOW_ACK_SIZE, window))
        limit = window + bytes([_LIMIT_TYPE_DYNAMIC])
        self._send(control(MessageType.SET_PEER_BANDWIDTH, limit))
        size = OUT_CHUNK_SIZE_BYTES.to_bytes(4, "big")
        self._send(control(MessageType.SET_CHUNK_SIZE, size))
        self._send(connect_result(command.transaction_id))

    def _on_create_stream(self, command: Command) -> None:
        stream_id = float(MEDIA_STREAM_ID)
        self._send(command_message("_result", command.transaction_id, None, stream_id))

    def _on_fc_publish(self, command: Command) -> None:
        self._fc_publish = True
        self._on_other_command(command)

    def _on_other_command(self, command: Command) -> None:
        """releaseStream, _checkbw, and whatever else: an empty result where one is awaited."""
        if command.transaction_id and command.name not in {"_result", "_error"}:
            self._send(command_message("_result", command.transaction_id, None, None))

    def _on_publish(self, command: Command) -> None:
        """The type argument ("live", "record", "append", or none) makes no difference."""
        if not self._connected:
            raise PeerError("publish before connect")
        if self._phase is _Phase.LIVE:
            raise PeerError("this connection publishes already")
        request = publish_request(
            app=self._app, tc_url=self._tc_url, name=text_argument(command, 0)
        )
        self._phase = _Phase.ASKED
        self._events.append(request)

    def _on_play(self, _: Command) -> None:
        self._error_code = "NetStream.Play.Failed"
        raise PeerError("this port takes streams and plays none: use the channel's playback URL")

    def _on_end(self, command: Command) -> None:
        """The first of these ends the publish; the others find nothing to end."""
        if self._phase is not _Phase.LIVE:
            return
        self._phase = _Phase.IDLE
        self._deadline_s = self._now_s + PUBLISH_TIMEOUT_S
        code, description = "NetStream.Unpublish.Success", "Publishing stopped."
        if self._fc_publish:
            self._fc_publish = False
            self._send(_fc_answer("onFCUnpublish", code, description))
        self._send(status(code, description))
        self._events.append(PublishEnded(reason=f"the encoder sent {command.name}"))

    # --- the way out ---

    def _part(self, code: str, description: str) -> None:
        """Tell a connected encoder why, once; the session is then over."""
        if self._phase is not _Phase.OVER and self._connected:
            self._send(status(code, description))
        self._phase = _Phase.OVER

    def _require_asked(self) -> None:
        if self._phase is not _Phase.ASKED:
            raise RuntimeError(f"no publish waits for an answer (phase {self._phase.value})")

    def _send(self, message: Message) -> None:
        if message.type_id == MessageType.COMMAND:
            chunk_stream_id = STATUS_CHUNK_STREAM if message.stream_id else COMMAND_CHUNK_STREAM
        else:
            chunk_stream_id = CONTROL_CHUNK_STREAM
        # Nothing before connect's answer is longer than the protocol's default chunk.
        self._out += write_message(
            message, chunk_stream_id=chunk_stream_id, chunk_size_bytes=OUT_CHUNK_SIZE_BYTES
        )


def _fc_answer(name: str, code: str, description: str) -> Message:
    """What FMLE and its descendants get beside onStatus."""
    return command_message(name, 0.0, None, {"code": code, "description": description})
