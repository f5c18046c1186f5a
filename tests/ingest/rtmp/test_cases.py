"""What encoders were seen to do, as whole sessions: however the bytes arrive, the same events.

The ids are those of docs/reference/encoders.md.
"""

import hashlib
import hmac

import pytest

from headwater.core.encoded import CodecConfig, EncodedFrame, EncoderMetadata
from headwater.core.errors import PeerError
from headwater.core.secret import Secret
from headwater.ingest.rtmp.amf0 import decode_all, encode
from headwater.ingest.rtmp.chunk import ChunkReader
from headwater.ingest.rtmp.session import (
    MAX_MEDIA_BYTES,
    PublishEnded,
    PublishRequested,
    RtmpSession,
)
from ingest.rtmp import wire
from ingest.rtmp.wire import AAC_CONFIG, AVC_CONFIG, KEY, aac, audio, avc, command, message, video

REQUEST = PublishRequested(app="app", stream_key=Secret(KEY), parameters={})
H264 = CodecConfig(kind="video", codec="h264", data=AVC_CONFIG)
AAC = CodecConfig(kind="audio", codec="aac", data=AAC_CONFIG)
PUBLISH = command("publish", 5.0, None, KEY, "live", stream_id=1)
CREATE = command("createStream", 4.0, None)
OPENING = wire.opening()
LIVE = [REQUEST, H264, AAC]
START = OPENING + wire.configs()


def frame(kind, data, time_ms, *, keyframe=True, offset_ms=0):
    return EncodedFrame(
        kind=kind,
        timestamp_ms=time_ms,
        composition_offset_ms=offset_ms,
        keyframe=keyframe,
        data=data,
    )


def ended(name):
    return PublishEnded(reason=f"the encoder sent {name}")


def run(data, step=1_000_000):
    """Events, what the session said, and why it ended (None: it did not)."""
    session = RtmpSession(nonce=wire.NONCE, now_s=100.0)
    events, reason = [], None
    try:
        for start in range(0, len(data), step):
            found = session.receive_data(data[start : start + step], 100.0)
            while found:
                events += found
                if not isinstance(found[-1], PublishRequested):
                    break
                session.accept_publish()
                found = session.receive_data(b"", 100.0)
    except PeerError as error:
        reason = str(error)
    return events, session.data_to_send(), reason


def check_in_any_step(data, events):
    for step in (1, 127, 1_000_000):
        assert run(data, step)[::2] == (events, None)


def answers(said):
    """Messages of the server, after S0, S1 and S2; its chunks have 4096 bytes."""
    reader = ChunkReader(max_message_bytes=100_000)
    reader.set_chunk_size(4096)
    reader.receive_data(said[1 + 2 * 1536 :])
    messages = []
    while (each := reader.next_message()) is not None:
        messages.append(each)
    return messages


def digest_c1(scheme, *, valid=True):
    """C1 as Flash Player 10 and its imitators send it: a digest at a computed place."""
    c1 = bytearray(bytes.fromhex("00000000 80000702") + bytes(i * 7 % 251 for i in range(1528)))
    start = 8 if scheme == 0 else 772
    at = start + 4 + sum(c1[start : start + 4]) % 728
    rest = bytes(c1[:at] + c1[at + 32 :])
    key = b"Genuine Adobe Flash Player 001"
    c1[at : at + 32] = hmac.digest(key, rest, hashlib.sha256) if valid else bytes(32)
    return bytes(c1)


HANDSHAKES = [
    # id,                                    C1,                                      C2
    ("R-1 digest, scheme 0",                 digest_c1(0),                            wire.C2),
    ("R-1 digest, scheme 1",                 digest_c1(1),                            wire.C2),
    ("R-1 digest invalid",                   digest_c1(0, valid=False),               wire.C2),
    ("R-1 no digest",                        wire.C0C1[1:],                           wire.C2),
    ("R-2 time and random are compared",     bytes(range(256)) * 6,                   bytes(1536)),
    ("R-3 version set, C2 unlike S1",        bytes.fromhex("ffffffff 09007c02") + bytes(1528), b"\xff" * 1536),
]  # fmt: skip


@pytest.mark.parametrize(
    ("c1", "c2"), [row[1:] for row in HANDSHAKES], ids=[row[0] for row in HANDSHAKES]
)
def test_every_handshake_is_answered_with_an_exact_echo(c1, c2):
    data = b"\x03" + c1 + c2 + wire.connect() + wire.preface()

    events, said, reason = run(data)

    assert (events, reason) == ([REQUEST], None)
    assert said[1 + 1536 : 1 + 2 * 1536] == c1
    check_in_any_step(data, [REQUEST])


def connecting(*properties_and_arguments, app="app"):
    return command("connect", 1.0, {"app": app}, *properties_and_arguments)


ECMA_CONNECT = message(20, encode("connect", 1.0) + b"\x08\0\0\0\x01" + encode({"app": "app"})[1:])
AMF3 = {"type_id": 17}
PARTIAL = wire.header(0, 6, length=200, type_id=9, stream_id=1) + avc(bytes(123))

SESSIONS = [
    # id,                                      bytes,                                                          events
    ("R-5 all in one write",                   START + audio(aac(b"x"), 7),                                    [*LIVE, frame("audio", b"x", 7)]),
    ("R-13 chunk size before connect",         wire.HANDSHAKE + wire.set_chunk_size(65_536) + wire.connect(chunk_size=65_536) + wire.preface(), [REQUEST]),
    ("R-13 two chunk sizes in a row",          OPENING + wire.set_chunk_size(4096) + wire.set_chunk_size(128) + wire.configs(), LIVE),
    ("R-13 largest chunk size",                START + wire.set_chunk_size(0x7FFFFFFF) + video(avc(bytes(9000), keyframe=True), 5, 9999), [*LIVE, frame("video", bytes(9000), 5)]),
    ("R-13 between chunks of a message",       START + PARTIAL + wire.set_chunk_size(4096) + wire.header(3, 6) + bytes(72), [*LIVE, frame("video", bytes(195), 0, keyframe=False)]),
    ("R-16 empty message",                     START + message(9, b"", stream_id=1) + message(8, b"", stream_id=1) + audio(aac(b"x"), 7), [*LIVE, frame("audio", b"x", 7)]),
    ("R-17 ping in format 1 as the first",     START + message(4, bytes.fromhex("0007 00000001"), csid=2, header_format=1), LIVE),
    ("R-18 format 3 starts a message",         START + message(8, aac(b"x"), csid=9, header_format=1, time_field=23) + wire.header(3, 9) + aac(b"y"), [*LIVE, frame("audio", b"x", 23), frame("audio", b"y", 46)]),
    ("R-19 sound between chunks of a picture", START + PARTIAL + audio(aac(b"x"), 7) + wire.header(3, 6) + bytes(72), [*LIVE, frame("audio", b"x", 7), frame("video", bytes(195), 0, keyframe=False)]),
    ("R-19 another header gives it up",        START + PARTIAL + video(avc(b"new"), 9),                        [*LIVE, frame("video", b"new", 9, keyframe=False)]),
    ("R-20 exactly 0xFFFFFF",                  START + audio(aac(b"x"), 0xFFFFFE) + audio(aac(b"y"), 0xFFFFFF) + audio(aac(b"z"), 0x1000000), [*LIVE, frame("audio", b"x", 0xFFFFFE), frame("audio", b"y", 0xFFFFFF), frame("audio", b"z", 0x1000000)]),
    ("R-21 extended time repeated",            START + message(9, avc(bytes(300)), csid=6, stream_id=1, time_field=2**25), [*LIVE, frame("video", bytes(300), 2**25, keyframe=False)]),
    ("R-21 extended time left out",            START + message(9, avc(bytes(300)), csid=6, stream_id=1, time_field=2**25, repeat_time=False), [*LIVE, frame("video", bytes(300), 2**25, keyframe=False)]),
    ("R-22 extended delta",                    START + audio(aac(b"x"), 5) + message(8, aac(b"y"), csid=4, header_format=1, time_field=2**24), [*LIVE, frame("audio", b"x", 5), frame("audio", b"y", 5 + 2**24)]),
    ("R-23 negative delta",                    START + audio(aac(b"x"), 500) + message(8, aac(b"y"), csid=4, header_format=1, time_field=2**32 - 20), [*LIVE, frame("audio", b"x", 500), frame("audio", b"y", 480)]),
    ("R-24 100800 s and the 32-bit edge",      START + audio(aac(b"x"), 100_800_000) + audio(aac(b"y"), 2**32 - 1) + message(8, aac(b"z"), csid=4, header_format=1, time_field=21), [*LIVE, frame("audio", b"x", 100_800_000), frame("audio", b"y", 2**32 - 1), frame("audio", b"z", 20)]),
    ("R-28 control on a media chunk stream",   OPENING + message(1, wire.uint32(4096), csid=4, stream_id=1) + wire.configs(), LIVE),
    ("R-29 abort in a message",                START + PARTIAL + message(2, wire.uint32(6), csid=2) + audio(aac(b"x"), 7), [*LIVE, frame("audio", b"x", 7)]),
    ("R-29 user control 31 and 32",            START + message(4, bytes.fromhex("001f 00000000"), csid=2) + message(4, bytes.fromhex("0020"), csid=2), LIVE),
    ("R-29 unknown message types",             START + message(99, b"?") + message(0, b"?") + message(16, b"\0?") + audio(aac(b"x"), 7), [*LIVE, frame("audio", b"x", 7)]),
    ("R-30 window sizes 0 and huge",           START + message(5, wire.uint32(0), csid=2) + message(5, wire.uint32(2**32 - 1), csid=2) + audio(aac(b"x"), 7), [*LIVE, frame("audio", b"x", 7)]),
    ("R-31 aggregate",                         START + message(22, bytes.fromhex("08 000003 000010 01 000000") + aac(b"x") + wire.uint32(14) + bytes.fromhex("08 000003 000027 01 000000") + aac(b"y") + wire.uint32(14), stream_id=1, time_field=70), [*LIVE, frame("audio", b"x", 70), frame("audio", b"y", 93)]),
    ("R-32 each chunk stream has its time",    START + audio(aac(b"x"), 1000) + video(avc(b"p"), 40) + message(8, aac(b"y"), csid=4, header_format=1, time_field=23) + message(9, avc(b"q"), csid=6, header_format=1, time_field=33), [*LIVE, frame("audio", b"x", 1000), frame("video", b"p", 40, keyframe=False), frame("audio", b"y", 1023), frame("video", b"q", 73, keyframe=False)]),
    ("R-32 another message stream id",         START + message(8, aac(b"x"), csid=8, stream_id=7, time_field=9),  [*LIVE, frame("audio", b"x", 9)]),
    ("R-33 the usual order, with _checkbw",    wire.HANDSHAKE + wire.connect() + command("releaseStream", 2.0, None, KEY) + command("FCPublish", 3.0, None, KEY) + CREATE + command("_checkbw", 5.0, None) + PUBLISH, [REQUEST]),
    ("R-33 publish alone",                     wire.HANDSHAKE + wire.connect() + PUBLISH,                      [REQUEST]),
    ("R-33 createStream and publish",          wire.HANDSHAKE + wire.connect() + CREATE + PUBLISH,             [REQUEST]),
    ("R-33 FCPublish and publish",             wire.HANDSHAKE + wire.connect() + command("FCPublish", 3.0, None, KEY) + PUBLISH, [REQUEST]),
    ("R-33 FCPublish after publish",           wire.HANDSHAKE + wire.connect() + PUBLISH + command("FCPublish", 3.0, None, KEY), [REQUEST]),
    ("R-33 createStream twice",                wire.HANDSHAKE + wire.connect() + CREATE + CREATE + PUBLISH,    [REQUEST]),
    ("R-34 no transaction ids",                wire.HANDSHAKE + wire.connect() + message(20, encode("FCPublish", None, KEY)) + message(20, encode("publish", None, KEY)), [REQUEST]),
    ("R-35 publish without type",              wire.HANDSHAKE + wire.connect() + CREATE + command("publish", 5.0, None, KEY), [REQUEST]),
    ("R-35 record",                            wire.HANDSHAKE + wire.connect() + CREATE + command("publish", 5.0, None, KEY, "record"), [REQUEST]),
    ("R-35 append",                            wire.HANDSHAKE + wire.connect() + CREATE + command("publish", 5.0, None, KEY, "append"), [REQUEST]),
    ("R-36 connect as ECMA array",             wire.HANDSHAKE + ECMA_CONNECT + CREATE + PUBLISH,               [REQUEST]),
    ("R-36 no tcUrl",                          wire.HANDSHAKE + connecting() + PUBLISH,                        [REQUEST]),
    ("R-36 tcurl, no app",                     wire.HANDSHAKE + command("connect", 1.0, {"tcurl": "rtmp://localhost/app"}) + PUBLISH, [REQUEST]),
    ("R-36 quoted, slash, query in the app",   wire.HANDSHAKE + connecting(app='"app/?a=1"') + PUBLISH,        [PublishRequested(app="app", stream_key=Secret(KEY), parameters={"a": "1"})]),
    ("R-37 query on the key",                  wire.HANDSHAKE + connecting() + command("publish", 5.0, None, f"{KEY}?clientConfigId=x%2Dy", "live"), [PublishRequested(app="app", stream_key=Secret(KEY), parameters={"clientConfigId": "x-y"})]),
    ("R-38 rare AMF0 types in connect",        wire.HANDSHAKE + message(20, encode("connect", 1.0) + b"\x03\0\x03app" + encode("app") + b"\0\x01a\x0b" + bytes(10) + b"\0\x01b\x0a\0\0\0\x02\x06\x0d" + b"\0\x01c\x07\0\0" + b"\0\x01d\x10\0\x01T\0\0\x09" + b"\0\x01e\x0f\0\0\0\x01x" + b"\0\x01f\x0c\0\0\0\x01y" + b"\0\0\x09") + PUBLISH, [REQUEST]),
    ("R-39 AMF3 commands, objectEncoding 3",   wire.HANDSHAKE + command("connect", 1.0, {"app": "app", "objectEncoding": 3.0}) + command("createStream", 2.0, None, **AMF3) + command("publish", 3.0, None, KEY, **AMF3), [REQUEST]),
    ("R-39 AMF3 data and shared objects",      START + message(15, b"\0" + encode("onMetaData", {"a": 1.0}), stream_id=1) + message(16, b"\0x") + message(19, b"x"), [*LIVE, EncoderMetadata(values={"a": 1.0})]),
    ("R-41 other data messages",               START + message(18, b"", stream_id=1) + message(18, encode("onTextData", {"text": "x"}), stream_id=1) + message(18, encode("onCuePoint", {"name": "x"}), stream_id=1) + message(18, encode("@setDataFrame"), stream_id=1), LIVE),
    ("R-44 FCUnpublish, deleteStream, again",  START + wire.ending() + wire.preface() + wire.configs(),        [*LIVE, ended("FCUnpublish"), *LIVE]),
    ("R-44 deleteStream, FCUnpublish, again",  START + command("deleteStream", 7.0, None, 1.0) + command("FCUnpublish", 6.0, None, KEY) + wire.preface() + wire.configs(), [*LIVE, ended("deleteStream"), *LIVE]),
    ("R-44 closeStream, again",                START + command("closeStream", 0.0, None) + CREATE + PUBLISH + wire.configs(), [*LIVE, ended("closeStream"), *LIVE]),
    ("R-49 no metadata",                       START + audio(aac(b"x"), 7),                                    [*LIVE, frame("audio", b"x", 7)]),
    ("R-49 empty metadata",                    OPENING + wire.metadata() + wire.configs(),                     [REQUEST, EncoderMetadata(values={}), H264, AAC]),
    ("R-49 metadata after media, twice, other", START + audio(aac(b"x"), 7) + wire.metadata(a=1.0) * 2 + wire.metadata(a=2.0), [*LIVE, frame("audio", b"x", 7), EncoderMetadata(values={"a": 1.0}), EncoderMetadata(values={"a": 2.0})]),
    ("R-51 codec ids as text and as 12",       OPENING + wire.metadata(videocodecid="avc1", audiocodecid="mp4a") + wire.metadata(videocodecid=12.0) + wire.configs(), [REQUEST, EncoderMetadata(values={"videocodecid": "avc1", "audiocodecid": "mp4a"}), EncoderMetadata(values={"videocodecid": 12.0}), H264, AAC]),
    ("R-55 media before its sequence header",  OPENING + video(avc(b"p", keyframe=True)) + audio(aac(b"x")) + wire.configs(), LIVE),
    ("R-57 tags without content",              START + video(b"", 1) + audio(b"", 1) + video(avc(b"")) + audio(aac(b"")) + video(bytes.fromhex("1702")), LIVE),
    ("R-62 negative composition offset",       START + video(avc(b"p", offset_ms=-40), 80),                    [*LIVE, frame("video", b"p", 80, keyframe=False, offset_ms=-40)]),
    ("R-71 media right behind publish",        OPENING + wire.configs() + video(avc(b"i", keyframe=True), 3),  [*LIVE, frame("video", b"i", 3)]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("data", "events"), [row[1:] for row in SESSIONS], ids=[row[0] for row in SESSIONS]
)
def test_a_session_gives_its_events_however_its_bytes_arrive(data, events):
    check_in_any_step(data, events)


ENDS = [
    # id,                                  bytes,                                                        says
    ("R-4 RTMPE",                          b"\x06",                                                      "RTMPE is not supported"),
    ("R-6 HTTP",                           b"GET / HTTP/1.1\r\n\r\n",                                    "RTMP, not HTTP"),
    ("R-6 TLS",                            bytes.fromhex("160301"),                                      "not TLS"),
    ("R-11 PROXY v1 that is not expected", b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n",                        "nor the PROXY protocol: rtmp.proxy_protocol is off"),
    ("R-11 PROXY v2 that is not expected", b"\r\n\r\n\0\r\nQUIT\n",                                      "rtmp.proxy_protocol is off"),
    ("R-13 chunk size 1",                  START + wire.set_chunk_size(1),                               "chunk size 1, at least 128"),
    ("R-13 chunk size with its top bit",   START + wire.set_chunk_size(0x80000001),                      "top bit"),
    ("R-13 chunk size in two bytes",       START + message(1, b"\0\0", csid=2),                          "less than 4 bytes"),
    ("R-15 one-byte chunks",               START + wire.set_chunk_size(1) + wire.configs(),              "at least 128"),
    ("R-16 16 MB",                         START + wire.header(0, 6, length=0xFFFFFF, type_id=9),        f"at most {MAX_MEDIA_BYTES}"),
    ("R-17 format 2 as the first",         START + wire.header(2, 33, time_field=1),                     "starts with a header of format 2"),
    ("R-17 format 3 as the first",         START + wire.header(3, 33),                                   "starts with a header of format 3"),
    ("R-27 a thousand chunk streams",      START + b"".join(message(99, bytes(9), csid=csid) for csid in range(64, 1064)), "more than 128 chunk streams"),
    ("R-27 many open messages",            START + b"".join(wire.header(0, csid, length=4_000_000, type_id=9) + bytes(128) for csid in range(64, 300)), "more than 128 chunk streams"),
    ("R-40 depth bomb",                    START + message(18, encode("onMetaData") + b"\x03\0\x01a" * 2000, stream_id=1), "nested deeper"),
    ("R-40 count bomb",                    START + message(18, encode("onMetaData") + b"\x0a\x80\0\0\0", stream_id=1), "array of 2147483648"),
    ("R-40 key without end",               START + message(18, encode("onMetaData") + b"\x03\xff\xffab", stream_id=1), "cut off"),
    ("R-48 play",                          OPENING + command("play", 4.0, None, "x"),                    "takes streams and plays none"),
    ("R-56 MP3",                           START + audio(b"\x2f\x00"),                                   "MP3 is not accepted"),
    ("R-56 Speex",                         START + audio(b"\xb2\x00"),                                   "Speex is not accepted"),
    ("R-56 G.711",                         START + audio(b"\x72\x00"),                                   "G.711 A-law is not accepted"),
    ("R-59 HEVC by its name (not yet)",    START + video(b"\x90hvc1"),                                   "HEVC (hvc1) is not accepted"),
    ("R-60 multitrack (not yet)",          START + video(b"\x96\x00avc1"),                               "multitrack video (enhanced RTMP) is not accepted"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "says"), [row[1:] for row in ENDS], ids=[row[0] for row in ENDS])
def test_a_session_that_cannot_go_on_says_why_however_its_bytes_arrive(data, says):
    reasons = {run(data, step)[2] for step in (1, 127, 1_000_000)}

    assert len(reasons) == 1
    assert says in str(reasons)


@pytest.mark.parametrize("length", [MAX_MEDIA_BYTES], ids=["R-16 declared and never sent"])
def test_a_declared_length_allocates_nothing(length):
    reader = ChunkReader(max_message_bytes=MAX_MEDIA_BYTES)
    for csid in range(64, 164):
        reader.receive_data(wire.header(0, csid, length=length, type_id=9) + bytes(128))
        assert reader.next_message() is None

    assert reader._open_bytes == 100 * 128


@pytest.mark.parametrize(
    "query",
    ["?authmod=adobe&user=me", "?authmod=llnw&user=me"],
    ids=["R-43 adobe", "R-43 limelight"],
)
def test_an_encoder_that_offers_to_log_in_is_not_asked_to(query):
    data = wire.HANDSHAKE + wire.connect(f"app{query}") + CREATE + PUBLISH

    events, said, reason = run(data)

    assert [(each.app, each.stream_key, each.parameters) for each in events] == [
        ("app", Secret(KEY), {})
    ]
    assert reason is None
    assert b"NetConnection.Connect.Success" in said
    assert b"authmod" not in said


@pytest.mark.parametrize("size", [128, 65_536], ids=["R-14 small", "R-14 large"])
def test_the_encoders_chunk_size_is_not_ours(size):
    _, said, _ = run(wire.HANDSHAKE + wire.set_chunk_size(size) + wire.connect(chunk_size=size))

    window, bandwidth, chunk_size, result = answers(said)
    assert chunk_size.body == wire.uint32(4096)
    assert decode_all(result.body)[0] == "_result"
    assert (window.type_id, bandwidth.type_id) == (5, 6)


REPLIES = [
    # id,                                          bytes,                                             type, body
    ("R-30 ping of the encoder",                   message(4, bytes.fromhex("0006 0000002a"), csid=2), 4, bytes.fromhex("0007 0000002a")),
    ("R-30 Set Peer Bandwidth",                    message(6, wire.uint32(70_000) + b"\x02", csid=2), 5, wire.uint32(70_000)),
    ("R-30 waits for each acknowledgement",        message(5, wire.uint32(100), csid=2),              3, None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("data", "type_id", "body"), [row[1:] for row in REPLIES], ids=[row[0] for row in REPLIES]
)
def test_control_messages_get_their_answers(data, type_id, body):
    _, said, _ = run(START + data)

    last = answers(said)[-1]
    assert last.type_id == type_id
    assert last.body == (body or wire.uint32(len(START + data) - 3073))


REFUSALS = [
    ("R-42 wrong key", "NetStream.Publish.Denied"),
    ("R-42 name taken", "NetStream.Publish.BadName"),
]


@pytest.mark.parametrize("code", [row[1] for row in REFUSALS], ids=[row[0] for row in REFUSALS])
def test_a_refused_encoder_never_hears_of_success(code):
    session = RtmpSession(nonce=wire.NONCE, now_s=100.0)
    session.receive_data(OPENING, 100.0)
    session.refuse_publish(code, "No.")

    calls = [
        decode_all(each.body) for each in answers(session.data_to_send()) if each.type_id == 20
    ]

    assert [call[3]["code"] for call in calls if call[0] == "onStatus"] == [code]
    assert not any(call[0] == "onFCPublish" for call in calls)


CSIDS = [("R-26 one byte", 63), ("R-26 two bytes", 319), ("R-26 three bytes", 65_599)]


@pytest.mark.parametrize("csid", [row[1] for row in CSIDS], ids=[row[0] for row in CSIDS])
def test_media_comes_on_any_chunk_stream(csid):
    data = START + message(9, avc(bytes(300)), csid=csid, stream_id=1, time_field=5)

    check_in_any_step(data, [*LIVE, frame("video", bytes(300), 5, keyframe=False)])


@pytest.mark.parametrize("count", [50], ids=["R-26 more than 32 at once"])
def test_some_hardware_uses_many_chunk_streams(count):
    csids = range(10, 10 + count)
    sounds = b"".join(
        message(8, aac(b"x"), csid=csid, stream_id=1, time_field=csid) for csid in csids
    )

    check_in_any_step(START + sounds, LIVE + [frame("audio", b"x", csid) for csid in csids])
