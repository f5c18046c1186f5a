"""H.264 as RTMP carries it: configuration records and access units.

Source: ISO/IEC 14496-15 §5.3.3.1 (AVCDecoderConfigurationRecord) and §5.3.4 (length
prefixes); ITU-T H.264 §7.4.1 (NAL unit types), Annex B (start codes), Annex D (SEI).
"""

import re
from collections.abc import Sequence

from msgspec import Struct

from headwater.core.errors import LimitError, PeerError
from headwater.media.codec.h264_sps import NAL_SPS, Sps, parse_sps

NAL_IDR, NAL_SEI, NAL_PPS = 5, 6, 8
SEI_RECOVERY_POINT = 6
Nal = bytes | memoryview
"""A NAL unit without start code or length; views spare a copy of each."""

START_CODE = b"\x00\x00\x00\x01"
ACCESS_UNIT_DELIMITER = START_CODE + b"\x09\xf0"
"""The delimiter "any slice type", first in every access unit of a transport stream."""

MAX_CONFIG_BYTES = 16_384  # real ones have 30 to 200
MAX_NALS_PER_FRAME = 4096  # one slice per macroblock row, twice, and SEI stay far below
LENGTH_SIZE = 4  # of every packet inside Headwater

_START = re.compile(rb"\x00\x00\x01")
_HEADER_BYTES = 6
_SLICES = frozenset({1, 2, 5})  # a picture's data; 2 opens a partitioned slice
# Delimiters, ends of sequence and filler: the containers have their own, or none.
_USELESS = frozenset({9, 10, 11, 12})
_PARAMETER_SETS = frozenset({NAL_SPS, NAL_PPS})


class AvcConfig(Struct, frozen=True, kw_only=True):
    """A configuration record taken apart."""

    length_size: int  # bytes of each NAL unit's length prefix on the wire: 1 to 4
    sps: tuple[bytes, ...]
    pps: tuple[bytes, ...]
    extension: bytes  # chroma format and bit depths of the high profiles, as sent
    info: Sps  # of the first SPS


class AccessUnit(Struct, frozen=True, kw_only=True):
    """One frame, cleaned up."""

    data: bytes  # NAL units with 4-byte lengths
    keyframe: bool  # an IDR, or an intra frame that is an exact recovery point
    sps: tuple[bytes, ...]  # parameter sets sent inside the frame
    pps: tuple[bytes, ...]


def parse_config(data: bytes) -> AvcConfig:
    """Read a configuration record. SPS and PPS behind start codes are taken as well.

    Raises:
        PeerError: it ends early, has no SPS or PPS, or the SPS is broken.
    """
    if len(data) > MAX_CONFIG_BYTES:
        raise LimitError(f"H.264 configuration of {len(data)} bytes, at most {MAX_CONFIG_BYTES}")
    if data.startswith((START_CODE, START_CODE[1:])):
        nals = split_annex_b(data)
        sps = tuple(nal for nal in nals if nal[0] & 0x1F == NAL_SPS)
        pps = tuple(nal for nal in nals if nal[0] & 0x1F == NAL_PPS)
        return _config(LENGTH_SIZE, sps, pps, b"")
    if len(data) < _HEADER_BYTES or data[0] != 1:
        raise PeerError("H.264 configuration is not an AVCDecoderConfigurationRecord")
    sps, position = _parameter_sets(data, _HEADER_BYTES, data[5] & 0x1F)
    if position >= len(data):
        raise PeerError("H.264 configuration ends before its PPS")
    pps, position = _parameter_sets(data, position + 1, data[position])
    return _config((data[4] & 3) + 1, sps, pps, data[position:])


def _parameter_sets(data: bytes, position: int, count: int) -> tuple[tuple[bytes, ...], int]:
    sets = []
    for _ in range(count):
        start = position + 2
        position = start + int.from_bytes(data[position:start], "big")
        if position > len(data):
            raise PeerError("H.264 configuration ends inside a parameter set")
        sets.append(data[start:position])
    return tuple(each for each in sets if each), position


def _config(
    length_size: int, sps: tuple[bytes, ...], pps: tuple[bytes, ...], extension: bytes
) -> AvcConfig:
    if not sps or not pps:
        raise PeerError("H.264 configuration has no SPS or no PPS")
    return AvcConfig(
        length_size=length_size, sps=sps, pps=pps, extension=extension, info=parse_sps(sps[0])
    )


def with_parameter_sets(
    config: AvcConfig, sps: tuple[bytes, ...], pps: tuple[bytes, ...]
) -> AvcConfig:
    """The configuration of a stream that sent other parameter sets inside a frame.

    Raises:
        PeerError: the SPS is broken.
    """
    # The extension bytes belong to the old SPS; readers take them from the new one.
    return _config(config.length_size, sps, pps or config.pps, b"")


def build_config(config: AvcConfig) -> bytes:
    """The configuration record with 4-byte lengths, profile and level from the SPS."""
    sps = config.sps[:31]
    pps = config.pps[:255]
    info = config.info
    return b"".join(
        [
            bytes([1, info.profile, info.constraints, info.level, 0xFC | LENGTH_SIZE - 1]),
            bytes([0xE0 | len(sps)]),
            *(len(nal).to_bytes(2, "big") + nal for nal in sps),
            bytes([len(pps)]),
            *(len(nal).to_bytes(2, "big") + nal for nal in pps),
            config.extension,
        ]
    )


def codec_string(sps: Sps) -> str:
    """RFC 6381 name, e.g. `avc1.64001F`."""
    return f"avc1.{sps.profile:02X}{sps.constraints:02X}{sps.level:02X}"


def read_access_unit(data: bytes, config: AvcConfig, *, claimed_key: bool) -> AccessUnit | None:
    """Clean one frame: 4-byte lengths, no delimiters, no filler, no repeated parameters.

    Args:
        data: NAL units with `config.length_size` prefixes, or (seen on real encoders)
            with Annex B start codes.
        config: the stream's configuration.
        claimed_key: what the container says; only believed with a recovery point SEI.

    Returns:
        None when the frame holds no picture (a lone SEI or delimiter).

    Raises:
        PeerError: a length reaches beyond the frame, or there are too many NAL units.
    """
    nals = split_nals(data, config.length_size)
    known = frozenset(config.sps + config.pps)
    kept, types, sps, pps = [], set(), [], []
    for nal in nals:
        nal_type = nal[0] & 0x1F
        types.add(nal_type)
        if nal_type == NAL_SPS:
            sps.append(bytes(nal))
        elif nal_type == NAL_PPS:
            pps.append(bytes(nal))
        if nal_type not in _USELESS and not (nal_type in _PARAMETER_SETS and nal in known):
            kept.append(nal)
    if not types & _SLICES:
        return None
    # Only untouched bytes have the size that kept units with 4-byte lengths add up to.
    size = sum(map(len, kept)) + LENGTH_SIZE * len(kept)
    intact = config.length_size == LENGTH_SIZE and size == len(data) and len(kept) == len(nals)
    return AccessUnit(
        data=data if intact and not _is_annex_b(data, nals) else join_avcc(kept),
        keyframe=NAL_IDR in types or (claimed_key and any(map(is_recovery_point, kept))),
        sps=tuple(sps),
        pps=tuple(pps),
    )


def _is_annex_b(data: bytes, nals: Sequence[Nal]) -> bool:
    """Whether what stands before the first unit is a start code, not its length."""
    return data[:LENGTH_SIZE] != len(nals[0]).to_bytes(LENGTH_SIZE, "big")


def split_nals(data: bytes, length_size: int) -> Sequence[Nal]:
    """NAL units of a frame, empty ones left out.

    Raises:
        PeerError: neither length prefixes nor start codes make sense of it.
    """
    annex_b = data.startswith((START_CODE, START_CODE[1:]))
    if annex_b and length_size != LENGTH_SIZE:
        return split_annex_b(data)
    try:
        return split_avcc(data, length_size)
    except PeerError:
        if annex_b:
            return split_annex_b(data)
        raise


def split_avcc(data: bytes, length_size: int) -> list[memoryview]:
    """NAL units of length-prefixed data, as views of it, empty ones left out.

    Raises:
        PeerError: a length reaches beyond the data, or there are too many units.
    """
    nals: list[memoryview] = []
    view = memoryview(data)
    position, end = 0, len(data)
    for _ in range(MAX_NALS_PER_FRAME):
        if position == end:
            return nals
        start = position + length_size
        position = start + int.from_bytes(data[position:start], "big")
        if position > end:
            raise PeerError("H.264 NAL unit reaches beyond its frame")
        if position > start:
            nals.append(view[start:position])
    if position == end:
        return nals
    raise LimitError(f"more than {MAX_NALS_PER_FRAME} NAL units in a frame")


def split_annex_b(data: bytes) -> list[bytes]:
    """NAL units of data with start codes (Annex B), empty ones left out.

    Raises:
        LimitError: there are too many units.
    """
    pieces = _START.split(data, MAX_NALS_PER_FRAME + 1)[1:]
    if len(pieces) > MAX_NALS_PER_FRAME:
        raise LimitError(f"more than {MAX_NALS_PER_FRAME} NAL units in a frame")
    # A NAL unit never ends in a zero byte (§7.4.1): those belong to the next start code.
    return [nal for piece in pieces if (nal := piece.rstrip(b"\x00"))]


def join_avcc(nals: Sequence[Nal]) -> bytes:
    """NAL units with 4-byte lengths."""
    return b"".join([part for nal in nals for part in (len(nal).to_bytes(4, "big"), nal)])


def parameter_sets_annex_b(config: AvcConfig) -> bytes:
    """All SPS and PPS with start codes, to stand before each key frame."""
    return b"".join([START_CODE + nal for nal in config.sps + config.pps])


def parameter_sets_avcc(config: AvcConfig) -> bytes:
    """All SPS and PPS with 4-byte lengths, likewise."""
    return join_avcc(config.sps + config.pps)


def to_annex_b(data: bytes, before: bytes) -> bytes:
    """A packet's 4-byte AVCC with start codes, which are as long as the lengths they replace.

    `before` is what stands in front of it: copied with it, not once more later.
    """
    pieces: list[Nal] = [before]
    view, position = memoryview(data), 0
    while position < len(data):
        start = position + LENGTH_SIZE
        position = start + int.from_bytes(data[position:start], "big")
        pieces += (START_CODE, view[start:position])
    return b"".join(pieces)


def is_recovery_point(nal: Nal) -> bool:
    """Whether a NAL unit is an SEI that lets decoding start exactly here (open GOP).

    Only recovery_frame_cnt 0 counts (§D.2.8): with more, the first pictures are wrong.
    """
    if nal[0] & 0x1F != NAL_SEI:
        return False
    position = 1
    while position + 2 < len(nal):
        kind, position = sei_number(nal, position)
        size, position = sei_number(nal, position)
        if kind == SEI_RECOVERY_POINT:
            # ue(v) 0 is a single 1 bit.
            return position < len(nal) and nal[position] & 0x80 != 0
        position += size
    return False


def sei_number(nal: Nal, position: int) -> tuple[int, int]:
    """A payloadType or payloadSize (§7.3.2.3.1): 0xFF bytes add up."""
    value = 0
    while position < len(nal) and nal[position] == 0xFF:  # noqa: PLR2004 (the spec's ff_byte)
        value += 255
        position += 1
    if position < len(nal):
        value += nal[position]
    return value, position + 1
