"""The H.264 sequence parameter set: profile, level, display size, frame rate.

Source: ITU-T H.264 §7.3.2.1.1 (seq_parameter_set_data) and Annex E.1.1 (VUI).
"""

from msgspec import Struct

from headwater.core.errors import LimitError, PeerError
from headwater.media.codec.bits import BitReader

NAL_SPS = 7
MAX_SPS_BYTES = 4096  # real ones have 20 to 100; scaling lists reach some hundreds
MAX_EDGE_PIXELS = 16_384  # level 6.2 ends at 8192x4320; beyond it is garbage
MAX_POC_CYCLE = 255  # §7.4.2.1.1
MAX_CHROMA_FORMAT = 3
MIN_FRAME_RATE, MAX_FRAME_RATE = 1, 300  # outside: a field rate or a placeholder
MACROBLOCK_PIXELS = 16
EXTENDED_SAR = 255
HIGH_PROFILES = frozenset({44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 144, 244})
"""Profiles whose SPS has the chroma format and scaling lists (§7.3.2.1.1)."""

_YUV444 = 3
_SCALING_4X4_LISTS = 6


class Sps(Struct, frozen=True, kw_only=True):
    """What carrying a stream needs of its SPS."""

    profile: int
    constraints: int  # the constraint_set flags as one byte
    level: int  # ten times the level: 31 is 3.1
    width: int  # pixels to show, after cropping
    height: int
    frame_rate: float | None  # frames per second of the VUI's timing; None when absent


def parse_sps(nal: bytes) -> Sps:
    """Read an SPS NAL unit (with its header byte, without a start code).

    Raises:
        PeerError: it is not an SPS, ends early, or has values H.264 does not allow.
    """
    if not nal or nal[0] & 0x1F != NAL_SPS:
        raise PeerError("H.264 parameter set is not an SPS")
    if len(nal) > MAX_SPS_BYTES:
        raise LimitError(f"H.264 SPS of {len(nal)} bytes, at most {MAX_SPS_BYTES}")
    bits = BitReader(nal[1:].replace(b"\x00\x00\x03", b"\x00\x00"))
    profile, constraints, level = bits.read(8), bits.read(8), bits.read(8)
    bits.ue()  # seq_parameter_set_id
    chroma_format = _chroma_format(bits, profile)
    bits.ue()  # log2_max_frame_num_minus4
    _skip_picture_order(bits)
    bits.ue()  # max_num_ref_frames
    bits.flag()  # gaps_in_frame_num_value_allowed_flag
    width, height = _display_size(bits, chroma_format)
    return Sps(
        profile=profile,
        constraints=constraints,
        level=level,
        width=width,
        height=height,
        frame_rate=_vui_frame_rate(bits),
    )


def _chroma_format(bits: BitReader, profile: int) -> int:
    """ChromaArrayType; reads past bit depths and scaling lists."""
    if profile not in HIGH_PROFILES:
        return 1
    chroma_format = bits.ue()
    if chroma_format > MAX_CHROMA_FORMAT:
        raise PeerError(f"H.264 chroma format {chroma_format} does not exist")
    separate_planes = chroma_format == _YUV444 and bits.flag()
    bits.ue()  # bit_depth_luma_minus8
    bits.ue()  # bit_depth_chroma_minus8
    bits.flag()  # qpprime_y_zero_transform_bypass_flag
    if bits.flag():
        for index in range(12 if chroma_format == _YUV444 else 8):
            if bits.flag():
                _skip_scaling_list(bits, 16 if index < _SCALING_4X4_LISTS else 64)
    return 0 if separate_planes else chroma_format


def _skip_scaling_list(bits: BitReader, size: int) -> None:
    last, following = 8, 8
    for _ in range(size):
        if following:
            following = (last + bits.se()) % 256
        last = following or last


def _skip_picture_order(bits: BitReader) -> None:
    order_type = bits.ue()
    if order_type == 0:
        bits.ue()  # log2_max_pic_order_cnt_lsb_minus4
    elif order_type == 1:
        bits.flag()  # delta_pic_order_always_zero_flag
        bits.se()  # offset_for_non_ref_pic
        bits.se()  # offset_for_top_to_bottom_field
        cycle = bits.ue()
        if cycle > MAX_POC_CYCLE:
            raise PeerError("H.264 picture order cycle is too long")
        for _ in range(cycle):
            bits.se()


def _display_size(bits: BitReader, chroma_format: int) -> tuple[int, int]:
    width = (bits.ue() + 1) * MACROBLOCK_PIXELS
    map_units = bits.ue() + 1
    fields = 1 if bits.flag() else 2  # frame_mbs_only_flag
    if fields != 1:
        bits.flag()  # mb_adaptive_frame_field_flag
    height = map_units * MACROBLOCK_PIXELS * fields
    bits.flag()  # direct_8x8_inference_flag
    if bits.flag():
        left, right, top, bottom = (bits.ue() for _ in range(4))
        # §7.4.2.1.1: cropping counts chroma samples (4:2:0 and 4:2:2 halve the width).
        width -= (left + right) * (2 if chroma_format in {1, 2} else 1)
        height -= (top + bottom) * (2 if chroma_format == 1 else 1) * fields
    if not (0 < width <= MAX_EDGE_PIXELS and 0 < height <= MAX_EDGE_PIXELS):
        raise PeerError(f"H.264 picture of {width}x{height} pixels")
    return width, height


def _vui_frame_rate(bits: BitReader) -> float | None:
    """Frames per second of the VUI. A broken VUI harms nobody: it counts as absent."""
    try:
        return _read_frame_rate(bits) if bits.flag() else None
    except PeerError:
        return None


def _read_frame_rate(bits: BitReader) -> float | None:
    if bits.flag() and bits.read(8) == EXTENDED_SAR:
        bits.read(32)
    if bits.flag():
        bits.flag()  # overscan_appropriate_flag
    if bits.flag():
        bits.read(4)  # video_format, video_full_range_flag
        if bits.flag():
            bits.read(24)  # colour primaries, transfer, matrix
    if bits.flag():
        bits.ue()  # chroma_sample_loc_type_top_field
        bits.ue()  # chroma_sample_loc_type_bottom_field
    if not bits.flag():
        return None
    units_in_tick, time_scale = bits.read(32), bits.read(32)
    if not units_in_tick:
        return None
    rate = time_scale / (2 * units_in_tick)  # E.2.1: a tick is a field
    return rate if MIN_FRAME_RATE <= rate <= MAX_FRAME_RATE else None
