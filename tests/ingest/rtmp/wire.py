"""The encoder's side of RTMP as bytes, for tests: handshake, chunks, commands, tags.

Headers of all formats are built here by hand, so that the reader is not tested against
its own idea of them.
"""

from headwater.ingest.rtmp.amf0 import encode

NONCE = bytes(range(256)) * 5 + bytes(248)
C0C1 = b"\x03" + bytes.fromhex("01020304 00000000") + b"\xab" * 1528
C2 = b"\xcd" * 1536
HANDSHAKE = C0C1 + C2

KEY = "sk_us-west-2_AbCdEfGhIjKl_0123456789abcdefghijABCDEFGHIJ"
AVC_CONFIG = bytes.fromhex("0164001f ffe1 0004 6764001f 01 0004 68ee3cb0")
AAC_CONFIG = bytes.fromhex("1190")


def basic_header(header_format, csid):
    if csid < 64:
        return bytes([header_format << 6 | csid])
    if csid < 320:
        return bytes([header_format << 6, csid - 64])
    return bytes([header_format << 6 | 1, (csid - 64) % 256, (csid - 64) // 256])


def header(header_format, csid, *, time_field=0, length=0, type_id=0, stream_id=0):
    extended = time_field >= 0xFFFFFF
    out = basic_header(header_format, csid)
    if header_format < 3:
        out += min(time_field, 0xFFFFFF).to_bytes(3, "big")
    if header_format < 2:
        out += length.to_bytes(3, "big") + bytes([type_id])
    if header_format < 1:
        out += stream_id.to_bytes(4, "little")
    return out + (time_field.to_bytes(4, "big") if extended else b"")


def message(
    type_id,
    body,
    *,
    csid=3,
    stream_id=0,
    time_field=0,
    header_format=0,
    chunk_size=128,
    repeat_time=True,
):
    """One message as chunks; `repeat_time`: the extended time is repeated in format 3."""
    out = header(
        header_format,
        csid,
        time_field=time_field,
        length=len(body),
        type_id=type_id,
        stream_id=stream_id,
    )
    out += body[:chunk_size]
    again = header(3, csid, time_field=time_field if repeat_time else 0)
    for start in range(chunk_size, len(body), chunk_size):
        out += again + body[start : start + chunk_size]
    return out


def uint32(number):
    return number.to_bytes(4, "big")


def command(*values, stream_id=0, type_id=20, csid=3, chunk_size=128):
    body = encode(*values)
    if type_id == 17:
        body = b"\0" + body
    return message(type_id, body, csid=csid, stream_id=stream_id, chunk_size=chunk_size)


def connect(app="app", *, chunk_size=128, **more):
    properties = {"app": app, "type": "nonprivate", "tcUrl": f"rtmp://localhost/{app}"}
    return command("connect", 1.0, properties | more, chunk_size=chunk_size)


def set_chunk_size(size):
    return message(1, uint32(size), csid=2)


def preface(key=KEY, tid=2.0):
    """What all encoders say between connect and media; `tid` 0 as GStreamer does."""
    return (
        command("releaseStream", tid and 2.0, None, key)
        + command("FCPublish", tid and 3.0, None, key)
        + command("createStream", 4.0, None)
        + command("publish", tid and 5.0, None, key, "live", stream_id=1)
    )


def opening(key=KEY, app="app"):
    return HANDSHAKE + connect(app) + preface(key)


def metadata(chunk_size=128, **values):
    body = encode("@setDataFrame", "onMetaData", values)
    return message(18, body, csid=4, stream_id=1, chunk_size=chunk_size)


def video(body, time_ms=0, chunk_size=128):
    return message(9, body, csid=6, stream_id=1, time_field=time_ms, chunk_size=chunk_size)


def audio(body, time_ms=0, chunk_size=128):
    return message(8, body, csid=4, stream_id=1, time_field=time_ms, chunk_size=chunk_size)


def avc(data, *, packet_type=1, keyframe=False, offset_ms=0):
    first = 0x17 if keyframe else 0x27
    return bytes([first, packet_type]) + offset_ms.to_bytes(3, "big", signed=True) + data


def aac(data, packet_type=1):
    return bytes([0xAF, packet_type]) + data


def configs():
    return video(avc(AVC_CONFIG, packet_type=0, keyframe=True)) + audio(aac(AAC_CONFIG, 0))


def ending(key=KEY):
    return command("FCUnpublish", 6.0, None, key) + command("deleteStream", 7.0, None, 1.0)
