"""AAC: the AudioSpecificConfig and ADTS headers. Only AAC-LC with 1024 samples a frame.

Source: ISO/IEC 14496-3 §1.6.2.1 (AudioSpecificConfig), §1.6.6 (SBR signalling),
§4.4.1 (GASpecificConfig), §1.A.2.2 (ADTS).
"""

from collections.abc import Callable

from msgspec import Struct

from headwater.core.errors import PeerError
from headwater.media.codec.bits import BitReader

SAMPLES_PER_FRAME = 1024
SAMPLE_RATES_HZ = (
    *(96_000, 88_200, 64_000, 48_000, 44_100, 32_000),
    *(24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350),
)
ADTS_BYTES = 7
MAX_FRAME_BYTES = 0x1FFF - ADTS_BYTES  # ADTS counts a frame in 13 bits
MAX_CONFIG_BYTES = 64  # real ones have 2 to 5

_LC = 2
_SBR, _PS = 5, 29
_OBJECT_TYPES = {
    1: "AAC Main",
    3: "AAC SSR",
    4: "AAC LTP",
    _SBR: "HE-AAC",
    6: "AAC Scalable",
    23: "AAC LD",
    _PS: "HE-AAC v2",
    39: "AAC ELD",
    42: "xHE-AAC",
}
_ESCAPE_TYPE, _ESCAPE_RATE = 31, 15
_SYNC_EXTENSION, _SYNC_BITS = 0x2B7, 17
_CHANNELS = (0, 1, 2, 3, 4, 5, 6, 8)


class AacConfig(Struct, frozen=True, kw_only=True):
    """What an AudioSpecificConfig says."""

    sample_rate_hz: int
    channel_configuration: int  # 1 to 7, ISO/IEC 14496-3 table 1.19

    @property
    def channels(self) -> int:
        """Number of loudspeakers."""
        return _CHANNELS[self.channel_configuration]

    @property
    def codec_string(self) -> str:
        """RFC 6381 name."""
        return f"mp4a.40.{_LC}"


def parse_config(data: bytes) -> AacConfig:
    """Read an AudioSpecificConfig.

    Raises:
        PeerError: it ends early, or is not AAC-LC with a plain channel layout.
    """
    if not data:
        raise PeerError("AAC configuration is empty")
    if len(data) > MAX_CONFIG_BYTES:
        raise PeerError(f"AAC configuration of {len(data)} bytes, at most {MAX_CONFIG_BYTES}")
    bits = BitReader(data)
    object_type = _object_type(bits)
    if object_type != _LC:
        name = _OBJECT_TYPES.get(object_type, f"audio object type {object_type}")
        raise PeerError(f"{name} is not supported: send AAC-LC")
    sample_rate_hz = _sample_rate_hz(bits)
    channel_configuration = bits.read(4)
    if not 0 < channel_configuration < len(_CHANNELS):
        raise PeerError(f"AAC channel configuration {channel_configuration} is not supported")
    if bits.left and bits.flag():
        raise PeerError("AAC frames of 960 samples are not supported")
    _refuse_sbr(bits)
    return AacConfig(sample_rate_hz=sample_rate_hz, channel_configuration=channel_configuration)


def _object_type(bits: BitReader) -> int:
    object_type = bits.read(5)
    return 32 + bits.read(6) if object_type == _ESCAPE_TYPE else object_type


def _sample_rate_hz(bits: BitReader) -> int:
    index = bits.read(4)
    if index == _ESCAPE_RATE:
        rate = bits.read(24)
        if rate not in SAMPLE_RATES_HZ:  # ADTS has no way to say it
            raise PeerError(f"AAC sample rate of {rate} Hz is not supported")
        return rate
    if index >= len(SAMPLE_RATES_HZ):
        raise PeerError(f"AAC sample rate index {index} is reserved")
    return SAMPLE_RATES_HZ[index]


def _refuse_sbr(bits: BitReader) -> None:
    """Refuse HE-AAC that hides behind LC (§1.6.6.1). Encoders say "no SBR" here as well."""
    if bits.left and bits.flag() and bits.left > 14:  # noqa: PLR2004 (coreCoderDelay)
        bits.read(14)
    if bits.left:
        bits.flag()  # extensionFlag, 0 for LC
    if bits.left < _SYNC_BITS or bits.read(11) != _SYNC_EXTENSION:
        return
    if bits.read(5) == _SBR and bits.flag():
        raise PeerError("HE-AAC is not supported: send AAC-LC")


def adts_writer(config: AacConfig) -> Callable[[int], bytes]:
    """A function from a raw frame's size in bytes to the ADTS header before it."""
    index = SAMPLE_RATES_HZ.index(config.sample_rate_hz)
    # syncword, MPEG-4, no CRC; profile is the object type less one.
    fixed = 0xFFF1 << 40 | (_LC - 1) << 38 | index << 34 | config.channel_configuration << 30
    fixed |= 0x7FF << 2  # buffer fullness: variable bit rate

    def header(size_bytes: int) -> bytes:
        return (fixed | (size_bytes + ADTS_BYTES) << 13).to_bytes(ADTS_BYTES, "big")

    return header


def raw_frame(data: bytes) -> bytes | None:
    """A frame without the ADTS header that some encoders leave on; None when unusable.

    No raw frame begins like a syncword: its first element would be the end mark.
    """
    if len(data) > ADTS_BYTES and data[0] == 0xFF and data[1] & 0xF6 == 0xF0:  # noqa: PLR2004
        header = ADTS_BYTES if data[1] & 1 else ADTS_BYTES + 2
        size = int.from_bytes(data[3:6], "big") >> 5 & 0x1FFF
        if size == len(data):
            data = data[header:]
    return data if 0 < len(data) <= MAX_FRAME_BYTES else None
