"""Bodies of audio, video, data and aggregate messages: FLV tags.

Source: Adobe Flash Video File Format 10.1, annex E.4; Enhanced RTMP v2 (veovera.org), of which
H.264 and AAC are read and what else there is is told by name.
"""

from collections.abc import Iterator

from headwater.core.encoded import CodecConfig, EncodedFrame, EncoderMetadata, Kind
from headwater.core.errors import MediaError, PeerError
from headwater.ingest.rtmp.amf0 import Decoder
from headwater.ingest.rtmp.message import Message, MessageType

MAX_METADATA_VALUES = 64
MAX_METADATA_CHARS = 256
"""Of one name or text; longer ones are cut. Encoders name their version and codecs."""

_AVC, _AAC = 7, 10
_KEY_FRAME, _INFO_FRAME = 1, 5
_CONFIG, _CODED = 0, 1
_VIDEO_HEADER_BYTES, _AUDIO_HEADER_BYTES = 5, 2
_ENHANCED_AUDIO, _AUDIO_MULTITRACK, _VIDEO_MULTITRACK, _MOD_EX = 9, 5, 6, 7
_CODED_WITHOUT_OFFSET = 3
_FOUR_CC_END, _OFFSET_BYTES = 5, 3
_TAG_HEADER_BYTES, _TAG_TRAILER_BYTES = 11, 4

_VIDEO_CODECS = {
    2: "Sorenson H.263",
    3: "Screen Video",
    4: "VP6",
    5: "VP6 with alpha",
    6: "Screen Video 2",
    12: "HEVC",  # no standard, but common
    13: "AV1",
}
_AUDIO_CODECS = {
    0: "PCM",
    1: "ADPCM",
    2: "MP3",
    3: "PCM",
    4: "Nellymoser",
    5: "Nellymoser",
    6: "Nellymoser",
    7: "G.711 A-law",
    8: "G.711 mu-law",
    11: "Speex",
    13: "Opus",
    14: "MP3",
}
_FOUR_CC_NAMES = {
    b"hvc1": "HEVC",
    b"vvc1": "VVC",
    b"av01": "AV1",
    b"vp08": "VP8",
    b"vp09": "VP9",
    b"Opus": "Opus",
    b"fLaC": "FLAC",
    b"ac-3": "AC-3",
    b"ec-3": "E-AC-3",
    b".mp3": "MP3",
}


def read_video(message: Message) -> CodecConfig | EncodedFrame | None:
    """The body of a video message; None for tags that carry no picture.

    Those are empty tags, empty sequence headers, info frames and the end of sequence.

    Raises:
        MediaError: not H.264, or several tracks.
        PeerError: cut off.
    """
    body = message.body
    if not body:
        return None
    frame_type, codec = body[0] >> 4, body[0] & 0x0F
    if frame_type & 8:
        return _read_enhanced_video(message)
    if codec != _AVC:
        raise _refused("video", _VIDEO_CODECS.get(codec, f"number {codec}"))
    if frame_type == _INFO_FRAME or (len(body) > 1 and body[1] not in {_CONFIG, _CODED}):
        return None
    if len(body) < _VIDEO_HEADER_BYTES:
        raise PeerError(f"video tag of {len(body)} bytes is cut off")
    offset_ms = int.from_bytes(body[2:5], "big", signed=True)
    is_config = body[1] == _CONFIG
    return _picture(message, body[_VIDEO_HEADER_BYTES:], offset_ms, is_config=is_config)


def read_audio(message: Message) -> CodecConfig | EncodedFrame | None:
    """The body of an audio message; None for tags without sound.

    Raises:
        MediaError: not AAC, or several tracks.
        PeerError: cut off.
    """
    body = message.body
    if not body:
        return None
    codec = body[0] >> 4
    if codec == _ENHANCED_AUDIO:
        packet_type = body[0] & 0x0F
        _check_enhanced("audio", body, b"mp4a", multitrack_type=_AUDIO_MULTITRACK)
        return _sound(message, packet_type, body[_FOUR_CC_END:])
    if codec != _AAC:
        raise _refused("audio", _AUDIO_CODECS.get(codec, f"number {codec}"))
    if len(body) < _AUDIO_HEADER_BYTES:
        raise PeerError(f"audio tag of {len(body)} byte is cut off")
    return _sound(message, body[1], body[_AUDIO_HEADER_BYTES:])


def read_metadata(message: Message) -> EncoderMetadata | None:
    """The plain values of an onMetaData message; None for any other data message.

    Raises:
        PeerError: onMetaData is not AMF0.
    """
    body = message.body
    if message.type_id == MessageType.DATA_AMF3 and body[:1] == b"\0":
        body = body[1:]
    decoder = Decoder(body)
    name = None if decoder.at_end else decoder.read()
    if name == "@setDataFrame":
        name = None if decoder.at_end else decoder.read()
    if name != "onMetaData":
        return None
    properties = None if decoder.at_end else decoder.read()
    if not isinstance(properties, dict):
        return None
    values: dict[str, str | float | bool] = {}
    for key, value in properties.items():
        if len(values) == MAX_METADATA_VALUES:
            break
        if isinstance(value, str):
            values[key[:MAX_METADATA_CHARS]] = value[:MAX_METADATA_CHARS]
        elif isinstance(value, float | bool):
            values[key[:MAX_METADATA_CHARS]] = value
    return EncoderMetadata(values=values)


def split_aggregate(message: Message) -> Iterator[Message]:
    """The messages inside an aggregate, their times moved onto the aggregate's.

    Source: Adobe RTMP 1.0 §7.1.6.

    Raises:
        PeerError: a tag is cut off.
    """
    body, pos = message.body, 0
    shift_ms: int | None = None
    while pos < len(body):
        size = int.from_bytes(body[pos + 1 : pos + 4], "big")
        start = pos + _TAG_HEADER_BYTES
        if start + size > len(body):
            raise PeerError("aggregate message is cut off")
        time_ms = int.from_bytes(body[pos + 7 : pos + 8] + body[pos + 4 : pos + 7], "big")
        if shift_ms is None:
            shift_ms = message.timestamp_ms - time_ms
        yield Message(
            type_id=body[pos],
            stream_id=message.stream_id,
            timestamp_ms=(time_ms + shift_ms) & 0xFFFF_FFFF,
            body=body[start : start + size],
        )
        pos = start + size + _TAG_TRAILER_BYTES


def _read_enhanced_video(message: Message) -> CodecConfig | EncodedFrame | None:
    body = message.body
    frame_type, packet_type = body[0] >> 4 & 7, body[0] & 0x0F
    if frame_type == _INFO_FRAME:
        return None
    _check_enhanced("video", body, b"avc1", multitrack_type=_VIDEO_MULTITRACK)
    data, offset_ms = body[_FOUR_CC_END:], 0
    if packet_type == _CODED:
        if len(data) < _OFFSET_BYTES:
            raise PeerError(f"video tag of {len(body)} bytes is cut off")
        offset_ms = int.from_bytes(data[:_OFFSET_BYTES], "big", signed=True)
        data = data[_OFFSET_BYTES:]
    elif packet_type not in {_CONFIG, _CODED_WITHOUT_OFFSET}:
        return None
    return _picture(message, data, offset_ms, is_config=packet_type == _CONFIG)


def _picture(
    message: Message, data: bytes, offset_ms: int, *, is_config: bool
) -> CodecConfig | EncodedFrame | None:
    if not data:
        return None
    if is_config:
        return CodecConfig(kind="video", codec="h264", data=data)
    return EncodedFrame(
        kind="video",
        timestamp_ms=message.timestamp_ms,
        composition_offset_ms=offset_ms,
        keyframe=message.body[0] >> 4 & 7 == _KEY_FRAME,
        data=data,
    )


def _sound(message: Message, packet_type: int, data: bytes) -> CodecConfig | EncodedFrame | None:
    if not data or packet_type not in {_CONFIG, _CODED}:
        return None
    if packet_type == _CONFIG:
        return CodecConfig(kind="audio", codec="aac", data=data)
    return EncodedFrame(
        kind="audio",
        timestamp_ms=message.timestamp_ms,
        composition_offset_ms=0,
        keyframe=True,
        data=data,
    )


def _check_enhanced(kind: Kind, body: bytes, four_cc: bytes, *, multitrack_type: int) -> None:
    """Let an enhanced RTMP tag of one track of that codec pass."""
    packet_type, found = body[0] & 0x0F, body[1:_FOUR_CC_END]
    if packet_type == multitrack_type:
        raise MediaError(
            f"multitrack {kind} (enhanced RTMP) is not accepted: send one track of it",
            is_multitrack=True,
        )
    if packet_type == _MOD_EX:
        raise _refused(kind, f"of enhanced RTMP packet type {packet_type}")
    if found != four_cc:
        code = "".join(char if char.isprintable() else "?" for char in found.decode("latin-1"))
        name = _FOUR_CC_NAMES.get(found)
        raise _refused(kind, f"{name} ({code})" if name else f"{code!r} (enhanced RTMP)")


def _refused(kind: str, codec: str) -> MediaError:
    return MediaError(
        f"{kind} codec {codec} is not accepted: only H.264 video and AAC-LC audio are"
    )
