"""Twice the bytes cost at most about twice the work, whatever they are: lines of ours that run."""

import sys
from contextlib import suppress
from pathlib import Path

import pytest

import headwater
from headwater.core.encoded import CodecConfig, EncodedFrame
from headwater.core.errors import PeerError
from headwater.ingest.proxy import ProxyHeader
from headwater.ingest.rtmp.amf0 import decode_all, encode
from headwater.ingest.rtmp.chunk import ChunkReader
from headwater.ingest.rtmp.session import RtmpSession
from headwater.media.codec import h264
from headwater.media.codec.h264_sps import MAX_SPS_BYTES, parse_sps
from headwater.media.timeline import Timeline
from ingest.rtmp import wire
from ingest.rtmp.wire import aac, audio, avc, message, video
from media.nals import IDR, PPS, SPS_1080P, avcc, record

OURS = str(Path(headwater.__file__).parent)
AT_MOST_TIMES = 2.3  # of twice the input; a little is spent once
HEADER_BYTES = 18  # the longest chunk header: 3 + 11 + 4


def lines(function, *args):
    """How many lines of the package one call runs."""
    count = 0

    def trace(frame, event, _):
        nonlocal count
        if not frame.f_code.co_filename.startswith(OURS):
            return None
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        with suppress(PeerError):
            function(*args)
    finally:
        sys.settrace(before)
    return count


def session(data, step=1_000_000):
    live = RtmpSession(nonce=wire.NONCE, now_s=0.0)
    live.receive_data(wire.opening(), 0.0)
    live.accept_publish()
    live.receive_data(wire.configs(), 0.0)
    for at in range(0, len(data), step):
        live.receive_data(data[at : at + step], 0.0)
        live.data_to_send()


def timeline(items):
    target = Timeline()
    for item in items:
        target.push(item)


def frame(time_ms, *, key=True, data=None):
    return EncodedFrame(
        kind="video",
        timestamp_ms=time_ms,
        composition_offset_ms=0,
        keyframe=key,
        data=data or avcc(IDR),
    )


def h264_config():
    return CodecConfig(kind="video", codec="h264", data=record())


INNER = bytes.fromhex("08 000003 000000 00 000000") + aac(b"x") + wire.uint32(14)
PING = message(4, bytes.fromhex("0006 0000002a"), csid=2)
MANY_SETS = h264.AvcConfig(
    length_size=4,
    sps=(SPS_1080P,),
    pps=tuple(PPS + bytes([n]) for n in range(250)),
    extension=b"",
    info=parse_sps(SPS_1080P),
)

WORK = [
    # id,                                function of a size n,                                                             n
    ("one large picture",                lambda n: session(video(avc(bytes(128 * n)))),                                    500),
    ("a picture byte by byte",           lambda n: session(video(avc(bytes(n))), 1),                                       2000),
    ("small messages",                   lambda n: session(audio(aac(b"x")) * n),                                          500),
    ("small messages byte by byte",      lambda n: session(audio(aac(b"x")) * n, 1),                                       150),
    ("pings",                            lambda n: session(PING * n),                                                      500),
    ("aggregates",                       lambda n: session(message(22, INNER * n, stream_id=1)),                           500),
    ("metadata",                         lambda n: session(wire.metadata(**{f"n{i}": 1.0 for i in range(n)})),             400),
    ("metadata again and again",         lambda n: session(wire.metadata(a=1.0) * n),                                      300),
    ("interleaved chunks",               lambda n: session(b"".join(wire.header(0, 64 + i % 64, time_field=i, length=200, type_id=9) + bytes(128) for i in range(n))), 500),
    ("AMF0 arrays",                      lambda n: decode_all(encode([1.0] * n)),                                          900),
    ("AMF0 long strings",                lambda n: decode_all(encode("x" * 100) * n),                                      900),
    ("AMF0 bomb",                        lambda n: decode_all(b"\x0a\0\0\0\x01" * n),                                      900),
    ("PROXY line byte by byte",          lambda n: [ProxyHeader().receive_data(b"PROXY UNKNOWN\r\n") for _ in range(n)],   300),
    ("NAL units",                        lambda n: h264.read_access_unit(avcc(*[IDR] * n), MANY_SETS, claimed_key=True),   1000),
    ("parameter sets",                   lambda n: h264.read_access_unit(avcc(*[PPS + b"\xff"] * n), MANY_SETS, claimed_key=True), 1000),
    ("start codes",                      lambda n: h264.split_annex_b(b"\0\0\1\x41" * n),                                  1000),
    ("frames with the same time",        lambda n: timeline([h264_config(), *[frame(0)] * n]),                             800),
    ("frames that jump",                 lambda n: timeline([h264_config(), *[frame(i * 10**6) for i in range(n)]]),       300),
    ("frames without a key frame",       lambda n: timeline([h264_config(), *[frame(i, key=False, data=avcc(b"\x41\x9a")) for i in range(n)]]), 500),
]  # fmt: skip


@pytest.mark.parametrize(("function", "size"), [r[1:] for r in WORK], ids=[r[0] for r in WORK])
def test_work_grows_no_faster_than_the_bytes(function, size):
    lines(function, 1)  # what is made once

    once, twice = lines(function, size), lines(function, 2 * size)

    assert twice <= AT_MOST_TIMES * once


def test_an_sps_costs_at_most_some_lines_for_each_bit():
    zeros, ones = bytes(MAX_SPS_BYTES - 4), b"\xff" * (MAX_SPS_BYTES - 4)
    for tail in (zeros, ones, b"\x08" * len(ones)):
        assert lines(parse_sps, b"\x67\x64\x00\x1f" + tail) < 100 * 8 * MAX_SPS_BYTES


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_what_waits_to_be_read_is_never_more_than_a_header(step):
    """What is left over is copied with the next bytes: so it must stay small."""
    reader = ChunkReader(max_message_bytes=1_000_000)
    data = b"".join(
        message(9, bytes(5000), csid=65_599, stream_id=1, time_field=2**25 + n) for n in range(5)
    )
    for at in range(0, len(data), step):
        reader.receive_data(data[at : at + step])
        while reader.next_message() is not None:
            pass
        assert reader.received_bytes - reader.consumed_bytes <= HEADER_BYTES
