"""Writes the first corpus: what encoders send, made by the tests' builder of RTMP bytes.

PYTHONPATH=tests python fuzz/seeds.py
"""

import struct
from pathlib import Path

from headwater.ingest.rtmp.amf0 import encode
from ingest.rtmp import wire
from ingest.rtmp.wire import aac, audio, avc, command, message, video

CORPUS = Path(__file__).parent / "corpus"


def record(operation: int, time_ms: int, offset_ms: int = 0, body: bytes = b"") -> bytes:
    """One record of the timeline's input."""
    return struct.pack(">BIbB", operation, time_ms, offset_ms, len(body)) + body


def live(data: bytes, step: int = 6) -> bytes:
    """Input of a session that is live."""
    return bytes([step, 2]) + data


BEFORE = bytes([6, 0])
SESSIONS = {
    "opening": BEFORE + wire.connect() + wire.preface(),
    "opening-amf3": BEFORE + wire.connect() + command("publish", 3.0, None, "key", type_id=17),
    "play": bytes([6, 1]) + command("play", 4.0, None, "x"),
    "media": live(wire.metadata(width=1.0) + wire.configs() + video(avc(bytes(200), keyframe=True)) + audio(aac(b"x"), 5)),
    "chunk-sizes": live(wire.set_chunk_size(4096) + video(avc(bytes(300)), 9, 4096) + wire.set_chunk_size(128)),
    "control": live(message(4, bytes.fromhex("0006 0000002a"), csid=2) + message(5, wire.uint32(9), csid=2) + message(6, wire.uint32(9) + b"\2", csid=2) + message(2, wire.uint32(6), csid=2)),
    "extended-time": live(message(9, avc(bytes(300)), csid=6, stream_id=1, time_field=2**25)),
    "extended-time-left-out": live(message(9, avc(bytes(300)), csid=6, stream_id=1, time_field=2**25, repeat_time=False)),
    "formats": live(message(8, aac(b"x"), csid=9, header_format=1, time_field=23) + wire.header(3, 9) + aac(b"y") + wire.header(2, 9, time_field=5) + aac(b"z")),
    "interleaved": live(wire.header(0, 6, length=200, type_id=9, stream_id=1) + avc(bytes(123)) + audio(aac(b"x"), 7) + wire.header(3, 6) + bytes(72)),
    "aggregate": live(message(22, bytes.fromhex("08 000003 000010 01 000000") + aac(b"x") + wire.uint32(14), stream_id=1)),
    "ending-and-again": live(wire.ending() + wire.preface() + wire.configs()),
    "wide-ids": live(message(9, avc(bytes(3)), csid=319) + message(9, avc(bytes(3)), csid=65_599)),
}  # fmt: skip
VALUES = {
    "connect": encode("connect", 1.0, {"app": "app", "tcUrl": "rtmp://localhost/app"}),
    "publish": encode("publish", 5.0, None, "key", "live"),
    "metadata": encode("@setDataFrame", "onMetaData", {"width": 1.0, "encoder": "x", "stereo": True}),
    "ecma-array": encode("onMetaData") + b"\x08\0\0\0\x01" + encode({"a": 1.0})[1:],
    "rare-types": b"\x0b" + bytes(10) + b"\x0a\0\0\0\x02\x06\x0d" + b"\x07\0\0" + b"\x10\0\x01T\0\0\x09" + b"\x0f\0\0\0\x01x\x0c\0\0\0\x01y",
    "nested": encode([[{"a": [{"b": None}]}]]),
}  # fmt: skip
PICTURES = b"".join(record(4 if n % 9 == 0 else 5, n * 33, (0, -33, 33)[n % 3]) for n in range(40))
SOUNDS = b"".join(record(2, n * 21) for n in range(60))
BOTH = record(0, 0) + record(1, 0)
TIMELINES = {
    "video": record(0, 0) + PICTURES,
    "audio": record(1, 0) + SOUNDS,
    "both": BOTH + b"".join(record(2, n * 33) + record(4 if n % 9 == 0 else 5, n * 33) for n in range(40)),
    "jump": BOTH + PICTURES + b"".join(record(4, 10**6 + n * 33) for n in range(40)),
    "change": BOTH + PICTURES + record(1, 0, 0, b"\x12\x10") + SOUNDS + b"".join(record(4, 1400 + n * 33) for n in range(40)),
    "frames-of-bytes": BOTH + b"".join(record(6 + n % 2, n * 33, 0, bytes.fromhex("00000003658880")) for n in range(40)),
    "annex-b": BOTH + b"".join(record(6, n * 33, 0, bytes.fromhex("0000000109f000000001658880")) for n in range(40)),
}  # fmt: skip
HEADERS = {
    "v1": b"PROXY TCP4 203.0.113.9 192.0.2.1 50123 1936\r\n",
    "v1-six": b"PROXY TCP6 2001:db8::7 2001:db8::1 1 1935\r\n",
    "v1-unknown": b"PROXY UNKNOWN\r\n",
    "v2": b"\r\n\r\n\0\r\nQUIT\n" + bytes.fromhex("21 11 000c cb007109 c0000201 c3cb0790"),
    "v2-local": b"\r\n\r\n\0\r\nQUIT\n" + bytes.fromhex("20 00 0000"),
}
TARGETS = {
    "rtmp_session": SESSIONS,
    "amf0": VALUES,
    "timeline": TIMELINES,
    "proxy": HEADERS,
}

if __name__ == "__main__":
    for target, seeds in TARGETS.items():
        folder = CORPUS / target
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in seeds.items():
            (folder / name).write_bytes(data)
