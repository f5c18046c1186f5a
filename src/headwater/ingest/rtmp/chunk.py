"""Chunks: the RTMP layer that cuts messages into interleaved pieces.

Source: Adobe RTMP 1.0 §5.3 and §5.4.1.

    chunk = basic header (1-3 bytes: format, chunk stream id)
            message header (11, 7, 3 or 0 bytes for formats 0 to 3)
            extended timestamp (0 or 4 bytes)
            payload (at most the chunk size)

ChunkReader states: at a header <-> inside a payload. Any error is final.
"""

from headwater.core.errors import LimitError, PeerError
from headwater.ingest.rtmp.message import Message

DEFAULT_CHUNK_SIZE_BYTES = 128
MIN_CHUNK_SIZE_BYTES = 128
"""The protocol's own "should": smaller chunks only multiply the work per byte."""
MAX_CHUNK_SIZE_BYTES = 0x7FFF_FFFF
"""31 bits on the wire. Harmless: a chunk never exceeds its message, which is bounded."""
MAX_CHUNK_STREAMS = 128
"""Encoders use two to eight; some hardware, one more for each reconnect of its inputs."""
OPEN_MESSAGES_FACTOR = 2
"""All partial messages together may hold this many messages of the largest size."""

_EXTENDED = 0xFF_FFFF
_TIME_MASK = 0xFFFF_FFFF
_SIGNLESS = 0x7FFF_FFFF
_HEADER_BYTES = (11, 7, 3)
_TYPE_3 = 3
_ONE_BYTE_IDS = 64  # chunk stream ids below fit into the first byte
_EXTENDED_BYTES = 4
_NO_BYTE = -1


class _ChunkStream:
    """What one chunk stream remembers: its last header, and the message in the making."""

    __slots__ = (
        "body",
        "extended",
        "is_open",
        "length",
        "repeat_byte",
        "stream_id",
        "time_field",
        "timestamp_ms",
        "type_id",
    )

    def __init__(self, chunk_stream_id: int) -> None:
        self.type_id = 0
        self.length = 0
        self.stream_id = 0
        self.timestamp_ms = 0
        self.time_field = 0  # as sent: a time (format 0) or a delta (1 and 2)
        self.extended = False
        self.body: bytes | bytearray = bytearray()
        self.is_open = False
        # The one-byte header that continues a message here; none for ids of 2 or 3 bytes.
        self.repeat_byte = 0xC0 | chunk_stream_id if chunk_stream_id < _ONE_BYTE_IDS else _NO_BYTE


class ChunkReader:
    """Turns bytes into messages. Costs time linear in the bytes, however they arrive.

    Pull-style, since a message may change how the next bytes read (Set Chunk Size)
    or ask to stop reading for a while:

        reader.receive_data(data)
        while message := reader.next_message(): ...
    """

    def __init__(self, *, max_message_bytes: int) -> None:
        self.max_message_bytes = max_message_bytes
        self.received_bytes = 0
        self._chunk_size = DEFAULT_CHUNK_SIZE_BYTES
        self._streams: dict[int, _ChunkStream] = {}
        self._data = b""
        self._pos = 0
        self._current: _ChunkStream | None = None
        self._chunk_left = 0  # payload bytes of the current chunk still to come
        self._open_bytes = 0

    @property
    def consumed_bytes(self) -> int:
        """How many of the received bytes have been read into chunks."""
        return self.received_bytes - (len(self._data) - self._pos)

    def receive_data(self, data: bytes) -> None:
        """Take bytes from the peer; next_message() reads them."""
        self.received_bytes += len(data)
        self._data = self._data[self._pos :] + data if self._pos < len(self._data) else data
        self._pos = 0

    def set_chunk_size(self, size_bytes: int) -> None:
        """The peer's Set Chunk Size: holds from the next chunk header on.

        Raises:
            PeerError: the top bit is set.
            LimitError: smaller than MIN_CHUNK_SIZE_BYTES.
        """
        if size_bytes > MAX_CHUNK_SIZE_BYTES:
            raise PeerError("chunk size has its top bit set")
        if size_bytes < MIN_CHUNK_SIZE_BYTES:
            raise LimitError(f"chunk size {size_bytes}, at least {MIN_CHUNK_SIZE_BYTES} expected")
        self._chunk_size = size_bytes

    def abort(self, chunk_stream_id: int) -> None:
        """The peer's Abort: forget the partial message of that chunk stream, if any."""
        if stream := self._streams.get(chunk_stream_id):
            self._drop_open_message(stream)

    def next_message(self) -> Message | None:
        """The next complete message, or None when more bytes are needed.

        Raises:
            PeerError: the bytes are no chunks.
            LimitError: a message, or all partial ones together, are too large.
        """
        while True:
            stream = self._current
            if stream is None:
                if not self._read_header():
                    return None
                continue
            self._read_payload(stream)
            if self._chunk_left:
                return None
            self._current = None
            if len(stream.body) == stream.length:
                return self._finish(stream)

    def _read_header(self) -> bool:
        """Read one chunk header and enter its payload; False when bytes are missing."""
        data, pos = self._data, self._pos
        available = len(data) - pos
        if available < 1:
            return False
        header_format = data[pos] >> 6
        chunk_stream_id = data[pos] & 0x3F
        if chunk_stream_id > 1:
            pos += 1
        elif available < 2 + chunk_stream_id:
            return False
        elif chunk_stream_id == 0:
            chunk_stream_id = _ONE_BYTE_IDS + data[pos + 1]
            pos += 2
        else:
            chunk_stream_id = _ONE_BYTE_IDS + data[pos + 1] + 256 * data[pos + 2]
            pos += 3
        if header_format == _TYPE_3:
            return self._repeat_header(chunk_stream_id, pos)
        return self._full_header(header_format, chunk_stream_id, pos)

    def _full_header(self, header_format: int, chunk_stream_id: int, pos: int) -> bool:
        """Formats 0 to 2: at `pos` stands a message header."""
        data = self._data
        end = pos + _HEADER_BYTES[header_format]
        if len(data) < end:
            return False
        time_field = int.from_bytes(data[pos : pos + 3], "big")
        extended = time_field == _EXTENDED
        if extended:
            if len(data) < end + 4:
                return False
            time_field = int.from_bytes(data[end : end + 4], "big")
            end += 4
        stream = self._stream(chunk_stream_id, header_format)
        type_id, length, stream_id = stream.type_id, stream.length, stream.stream_id
        if header_format in {0, 1}:
            length = int.from_bytes(data[pos + 3 : pos + 6], "big")
            type_id = data[pos + 6]
        if header_format == 0:
            stream_id = int.from_bytes(data[pos + 7 : pos + 11], "little")
        self._pos = end
        header = (type_id, length, stream_id, time_field)
        known = (stream.type_id, stream.length, stream.stream_id, stream.time_field)
        if not (stream.is_open and header == known):
            stream.type_id, stream.length, stream.stream_id, stream.time_field = header
            stream.extended = extended
            base_ms = 0 if header_format == 0 else stream.timestamp_ms
            self._open(stream, (base_ms + time_field) & _TIME_MASK)
        # else: the header repeats the open message's: it goes on (§5.3.1.2.4 says only
        # "should" of format 3 there). Any other header gives the open message up.
        self._enter_payload(stream)
        return True

    def _repeat_header(self, chunk_stream_id: int, pos: int) -> bool:
        """Format 3: continues the open message, or starts one with the last header again."""
        stream = self._stream(chunk_stream_id, _TYPE_3)
        if stream.extended:
            size = self._repeated_time_bytes(stream, pos)
            if size is None:
                return False
            pos += size
        self._pos = pos
        if not stream.is_open:
            # After format 0 the delta is that header's whole time (§5.3.1.2.4).
            self._open(stream, (stream.timestamp_ms + stream.time_field) & _TIME_MASK)
        self._enter_payload(stream)
        return True

    def _repeated_time_bytes(self, stream: _ChunkStream, pos: int) -> int | None:
        """Bytes of the extended timestamp at `pos` of format 3: 4 or 0; None: not clear yet.

        The protocol repeats it; old librtmp and some hardware do not. So it is there
        exactly if the bytes equal the known value; the top bit is not compared, since
        some encoders set it.
        """
        seen = self._data[pos : pos + _EXTENDED_BYTES]
        for known in (stream.time_field, stream.timestamp_ms):
            expected = (known & _SIGNLESS).to_bytes(4, "big")
            masked = bytes([seen[0] & 0x7F]) + seen[1:] if seen else seen
            if expected.startswith(masked):
                return _EXTENDED_BYTES if len(seen) == _EXTENDED_BYTES else None
        return 0

    def _stream(self, chunk_stream_id: int, header_format: int) -> _ChunkStream:
        """The state of a chunk stream; a new one only for formats 0 and 1.

        Format 1 as the first is wrong but seen (librtmp's ping): time then starts at 0.
        """
        stream = self._streams.get(chunk_stream_id)
        if stream is not None:
            return stream
        if header_format > 1:
            raise PeerError(
                f"chunk stream {chunk_stream_id} starts with a header of format {header_format}"
            )
        if len(self._streams) == MAX_CHUNK_STREAMS:
            raise LimitError(f"more than {MAX_CHUNK_STREAMS} chunk streams")
        stream = self._streams[chunk_stream_id] = _ChunkStream(chunk_stream_id)
        return stream

    def _open(self, stream: _ChunkStream, timestamp_ms: int) -> None:
        """Start a message with the stream's header. Allocates nothing yet."""
        if stream.length > self.max_message_bytes:
            raise LimitError(
                f"message of {stream.length} bytes, at most {self.max_message_bytes} expected"
            )
        self._drop_open_message(stream)
        stream.timestamp_ms = timestamp_ms
        stream.is_open = True

    def _drop_open_message(self, stream: _ChunkStream) -> None:
        self._open_bytes -= len(stream.body)
        stream.body = bytearray()
        stream.is_open = False

    def _enter_payload(self, stream: _ChunkStream) -> None:
        self._current = stream
        self._chunk_left = min(self._chunk_size, stream.length - len(stream.body))

    def _read_payload(self, stream: _ChunkStream) -> None:
        """Move payload into the message, over plain one-byte headers too (the hot path)."""
        data, pos, left, body = self._data, self._pos, self._chunk_left, stream.body
        if left == stream.length and pos + left <= len(data):  # all in one chunk, and here
            stream.body = data[pos : pos + left]
            self._pos, self._chunk_left = pos + left, 0
            self._open_bytes += left
            return
        before = len(body)
        while True:
            piece = data[pos : pos + left]
            body += piece
            pos += len(piece)
            left -= len(piece)
            missing = stream.length - len(body)
            if left or not missing or stream.extended:
                break
            if pos == len(data) or data[pos] != stream.repeat_byte:
                break
            pos += 1
            left = min(self._chunk_size, missing)
        self._pos, self._chunk_left = pos, left
        self._open_bytes += len(body) - before
        if self._open_bytes > OPEN_MESSAGES_FACTOR * self.max_message_bytes:
            raise LimitError("too many bytes in unfinished messages")

    def _finish(self, stream: _ChunkStream) -> Message:
        message = Message(
            type_id=stream.type_id,
            stream_id=stream.stream_id,
            timestamp_ms=stream.timestamp_ms,
            body=bytes(stream.body),
        )
        self._drop_open_message(stream)
        return message


def write_message(message: Message, *, chunk_stream_id: int, chunk_size_bytes: int) -> bytes:
    """The chunks of one message: a header of format 0, then headers of format 3.

    `chunk_stream_id` is 2 to 63: the server's side needs no more.
    """
    time_ms = message.timestamp_ms
    extended = time_ms.to_bytes(4, "big") if time_ms >= _EXTENDED else b""
    out = bytearray([chunk_stream_id])
    out += min(time_ms, _EXTENDED).to_bytes(3, "big")
    out += len(message.body).to_bytes(3, "big")
    out.append(message.type_id)
    out += message.stream_id.to_bytes(4, "little")
    out += extended
    out += message.body[:chunk_size_bytes]
    for start in range(chunk_size_bytes, len(message.body), chunk_size_bytes):
        out.append(0xC0 | chunk_stream_id)
        out += extended
        out += message.body[start : start + chunk_size_bytes]
    return bytes(out)
