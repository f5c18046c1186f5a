"""PAT and PMT of a transport stream with one program.

Source: ISO/IEC 13818-1 §2.4.4 (program specific information), Annex A (CRC-32).
The PIDs are those of Amazon IVS's own segments.
"""

from headwater.core.track import TrackSet

PMT_PID = 0x1000
AUDIO_PID = 0x100
VIDEO_PID = 0x101
METADATA_PID = 0x102
STREAM_TYPE_AAC = 0x0F  # ADTS
STREAM_TYPE_H264 = 0x1B
STREAM_TYPE_METADATA = 0x15  # in PES packets
PACKET_BYTES = 188

_PAT, _PMT = 0x00, 0x02
# Both say: application and format "ID3 ", service 0 (§2.6.58 to §2.6.61).
_POINTER = bytes.fromhex("25 0f ffff 49443320 ff 49443320 00 1f 0001")  # it is in program 1
_METADATA = bytes.fromhex("26 0d ffff 49443320 ff 49443320 00 0f")
_TRANSPORT_STREAM_ID = _PROGRAM = 1
_POLYNOMIAL = 0x04C1_1DB7
_TOP_BIT = 0x8000_0000


def crc32_mpeg(data: bytes) -> int:
    """CRC-32 of a section: most significant bit first, nothing inverted."""
    crc = 0xFFFF_FFFF
    for byte in data:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ _POLYNOMIAL if crc & _TOP_BIT else crc << 1) & 0xFFFF_FFFF
    return crc


def pat() -> bytes:
    """The payload of the packet with the program association table."""
    return _section(
        _PAT,
        _TRANSPORT_STREAM_ID,
        0,
        _PROGRAM.to_bytes(2, "big") + (0xE000 | PMT_PID).to_bytes(2, "big"),
    )


def pmt(tracks: TrackSet, version: int) -> bytes:
    """The payload of the packet with the program map table of these tracks, and of ID3 tags.

    `version` (0 to 31) must change with the tracks. The tags are named whether there are
    any or not: a stream that shows up later would be a discontinuity (RFC 8216 §4.3.2.3).
    """
    streams = b""
    if tracks.audio is not None:
        streams += _stream(STREAM_TYPE_AAC, AUDIO_PID)
    if tracks.video is not None:
        streams += _stream(STREAM_TYPE_H264, VIDEO_PID)
    streams += _stream(STREAM_TYPE_METADATA, METADATA_PID, _METADATA)
    clock_pid = VIDEO_PID if tracks.video is not None else AUDIO_PID
    program = (0xE000 | clock_pid).to_bytes(2, "big") + _described(_POINTER)
    return _section(_PMT, _PROGRAM, version, program + streams)


def _stream(stream_type: int, pid: int, descriptors: bytes = b"") -> bytes:
    return bytes([stream_type]) + (0xE000 | pid).to_bytes(2, "big") + _described(descriptors)


def _described(descriptors: bytes) -> bytes:
    return (0xF000 | len(descriptors)).to_bytes(2, "big") + descriptors


def _section(table: int, extension: int, version: int, content: bytes) -> bytes:
    """A whole section behind its pointer field, stuffed to a packet's payload."""
    after_length = 5 + len(content) + 4
    section = (
        bytes([table])
        + (0xB000 | after_length).to_bytes(2, "big")
        + extension.to_bytes(2, "big")
        + bytes([0xC0 | version << 1 | 1, 0, 0])  # current, section 0 of 0
        + content
    )
    section = b"\x00" + section + crc32_mpeg(section).to_bytes(4, "big")
    return section.ljust(PACKET_BYTES - 4, b"\xff")
