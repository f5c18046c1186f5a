"""H.264 written by hand: a real SPS and PPS of 1080p, and NAL units without a picture."""

SPS_1080P = bytes.fromhex("6764002aacd940780227e5c05a808080a0000003002000000781e30632c0")
PPS = bytes.fromhex("68ebe3cb22c0")
IDR, SLICE, AUD, SEI = b"\x65\x88\x80", b"\x41\x9a\x02", b"\x09\xf0", b"\x06\x05\x01\x00\x80"
RECOVERY = b"\x06\x06\x01\xc4\x80"
FILLER = b"\x0c\xff\x80"


def avcc(*nals, size=4):
    return b"".join(len(nal).to_bytes(size, "big") + nal for nal in nals)


def annex_b(*nals, code=b"\x00\x00\x00\x01"):
    return b"".join(code + nal for nal in nals)


def record(length_size=4, sps=SPS_1080P, pps=PPS, extension=b"\xfd\xf8\xf8\x00"):
    return (
        bytes([1, *sps[1:4], 0xFC | length_size - 1, 0xE1])
        + len(sps).to_bytes(2, "big")
        + sps
        + b"\x01"
        + len(pps).to_bytes(2, "big")
        + pps
        + extension
    )
