import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.core.encoded import CodecConfig, EncodedFrame, EncoderMetadata
from headwater.core.errors import LimitError, PeerError
from headwater.core.secret import Secret
from headwater.ingest.rtmp.amf0 import decode_all, encode
from headwater.ingest.rtmp.chunk import ChunkReader
from headwater.ingest.rtmp.session import (
    MAX_HELD_BYTES,
    MESSAGES_BURST,
    WINDOW_ACK_BYTES,
    PublishEnded,
    PublishRequested,
    RtmpSession,
)
from ingest.rtmp import wire
from ingest.rtmp.wire import KEY, aac, audio, avc, command, video

REQUEST = PublishRequested(app="app", stream_key=Secret(KEY), parameters={})
H264 = CodecConfig(kind="video", codec="h264", data=wire.AVC_CONFIG)
AAC = CodecConfig(kind="audio", codec="aac", data=wire.AAC_CONFIG)
BIG = bytes(range(256)) * 40


def new():
    return RtmpSession(nonce=wire.NONCE, now_s=100.0)


def feed(session, data, step=1_000_000, now_s=100.0):
    """Events of these bytes; a publish is accepted as soon as it is asked for."""
    events = []
    for start in range(0, len(data), step):
        found = session.receive_data(data[start : start + step], now_s)
        while found:
            events += found
            if not isinstance(found[-1], PublishRequested):
                break
            session.accept_publish()
            found = session.receive_data(b"", now_s)
    return events


def live():
    session = new()
    assert feed(session, wire.opening() + wire.configs()) == [REQUEST, H264, AAC]
    session.data_to_send()
    return session


def answers(session, *, handshake=False):
    """What the session says, as messages."""
    data = session.data_to_send()
    if handshake:
        data = data[1 + 2 * 1536 :]
    reader = ChunkReader(max_message_bytes=100_000)
    reader.set_chunk_size(4096)
    reader.receive_data(data)
    messages = []
    while (message := reader.next_message()) is not None:
        messages.append(message)
    assert reader.consumed_bytes == len(data)
    return messages


def calls(messages):
    return [decode_all(message.body) for message in messages if message.type_id == 20]


def statuses(session):
    return [call[3] for call in calls(answers(session)) if call[0] == "onStatus"]


def frame(kind, data, time_ms, *, keyframe=True, offset_ms=0):
    return EncodedFrame(
        kind=kind,
        timestamp_ms=time_ms,
        composition_offset_ms=offset_ms,
        keyframe=keyframe,
        data=data,
    )


MEDIA_EVENTS = [
    EncoderMetadata(values={"width": 1280.0, "encoder": "test"}),
    H264,
    AAC,
    frame("video", BIG, 0),
    frame("audio", b"raw", 5),
    frame("video", b"p", 33, keyframe=False, offset_ms=-8),
]


def media(chunk_size=128):
    return (
        wire.metadata(width=1280.0, encoder="test", chunk_size=chunk_size)
        + video(avc(wire.AVC_CONFIG, packet_type=0, keyframe=True))
        + audio(aac(wire.AAC_CONFIG, 0))
        + video(avc(BIG, keyframe=True), 0, chunk_size)
        + audio(aac(b"raw"), 5)
        + video(avc(b"p", offset_ms=-8), 33)
    )


ENCODERS = {
    "ffmpeg": wire.HANDSHAKE
    + wire.connect()
    + wire.set_chunk_size(4096)
    + wire.preface()
    + media(4096)
    + video(bytes.fromhex("17 02 000000"), 40)
    + wire.ending(),
    "OBS": wire.HANDSHAKE
    + wire.set_chunk_size(4096)
    + wire.connect(chunk_size=4096, supportsGoAway=True, swfUrl="rtmp://localhost/app")
    + wire.preface()
    + media(4096)
    + wire.ending(),
    "librtmp": wire.HANDSHAKE + wire.connect() + wire.preface() + media() + wire.ending(),
    "rtmp2sink": wire.HANDSHAKE
    + wire.connect()
    + wire.preface(tid=0.0)
    + wire.set_chunk_size(128)
    + media()
    + wire.metadata(width=1280.0, encoder="test")
    + command("FCUnpublish", 0.0, None, KEY)
    + command("deleteStream", 0.0, None, KEY),
    "hardware, AMF3": wire.HANDSHAKE
    + command("connect", 1.0, {"app": "app", "objectEncoding": 3.0})
    + command("FCPublish", None, KEY, type_id=17)
    + command("createStream", 2.0, None, type_id=17)
    + command("publish", 3.0, None, KEY, type_id=17)
    + media()
    + command("closeStream", 0.0, None, type_id=17),
}


@pytest.mark.parametrize("step", [1, 7, 128, 4097, 1_000_000])
@pytest.mark.parametrize("encoder", ENCODERS)
def test_the_habits_of_encoders_give_the_same_events_in_any_step(encoder, step):
    session = new()

    events = feed(session, ENCODERS[encoder], step)

    end = "closeStream" if encoder == "hardware, AMF3" else "FCUnpublish"
    assert events == [
        REQUEST,
        *MEDIA_EVENTS,
        PublishEnded(reason=f"the encoder sent {end}"),
    ]


def test_connect_is_answered_with_window_bandwidth_chunk_size_and_result():
    session = new()
    feed(session, wire.HANDSHAKE + wire.connect())

    window, bandwidth, size, result = answers(session, handshake=True)

    assert (window.type_id, window.body) == (5, wire.uint32(WINDOW_ACK_BYTES))
    assert (bandwidth.type_id, bandwidth.body) == (6, wire.uint32(WINDOW_ACK_BYTES) + b"\x02")
    assert (size.type_id, size.body) == (1, wire.uint32(4096))
    assert decode_all(result.body)[:2] == ["_result", 1.0]


def test_calls_with_a_transaction_id_get_a_result_and_those_without_get_none():
    session = new()
    feed(session, wire.HANDSHAKE + wire.connect())
    session.data_to_send()

    feed(
        session,
        command("releaseStream", 2.0, None, KEY)
        + command("FCPublish", 0.0, None, KEY)
        + command("createStream", 4.0, None)
        + command("_checkbw", 5.0, None)
        + command("_result", 6.0, None),
    )

    assert calls(answers(session)) == [
        ["_result", 2.0, None, None],
        ["_result", 4.0, None, 1.0],
        ["_result", 5.0, None, None],
    ]


def test_an_accepted_publish_hears_stream_begin_on_fc_publish_and_start():
    session = new()
    assert session.receive_data(wire.opening(), 100.0) == [REQUEST]
    session.data_to_send()

    session.accept_publish()
    begin, fc_publish, start = answers(session)

    assert (begin.type_id, begin.body) == (4, bytes.fromhex("0000 00000001"))
    assert decode_all(fc_publish.body)[0] == "onFCPublish"
    assert start.stream_id == 1
    assert decode_all(start.body)[3]["code"] == "NetStream.Publish.Start"
    assert decode_all(start.body)[3]["level"] == "status"


def test_a_refused_publish_hears_only_the_error():
    session = new()
    session.receive_data(wire.opening(), 100.0)
    session.data_to_send()

    session.refuse_publish("NetStream.Publish.Denied", "The stream key is not valid.")

    assert [(call[0], call[3]) for call in calls(answers(session))] == [
        (
            "onStatus",
            {
                "level": "error",
                "code": "NetStream.Publish.Denied",
                "description": "The stream key is not valid.",
            },
        )
    ]
    assert session.deadline_s() is None
    with pytest.raises(RuntimeError, match="over"):
        session.receive_data(b"", 100.0)


@pytest.mark.parametrize("step", [1000, 1_000_000])
def test_media_sent_without_waiting_comes_after_the_answer(step):
    session, data = new(), wire.opening() + media()
    events = []
    for start in range(0, len(data), step):
        events += session.receive_data(data[start : start + step], 100.0)
    assert events == [REQUEST]

    session.accept_publish()

    assert session.receive_data(b"", 100.0) == MEDIA_EVENTS


def test_what_is_sent_without_waiting_is_bounded():
    session = new()
    session.receive_data(wire.opening(), 100.0)

    session.receive_data(bytes(MAX_HELD_BYTES), 100.0)
    with pytest.raises(LimitError, match="without waiting"):
        session.receive_data(b"x", 100.0)


ENDINGS = [
    ("FCUnpublish first", ["FCUnpublish", "deleteStream", "closeStream"]),
    ("deleteStream first", ["deleteStream", "FCUnpublish"]),
    ("closeStream only", ["closeStream"]),
]


@pytest.mark.parametrize("names", [row[1] for row in ENDINGS], ids=[row[0] for row in ENDINGS])
def test_a_publish_ends_once_and_may_start_again_on_the_same_connection(names):
    session = live()
    data = b"".join(command(name, 0.0, None, KEY) for name in names)

    assert feed(session, data) == [PublishEnded(reason=f"the encoder sent {names[0]}")]
    assert [each["code"] for each in statuses(session)] == ["NetStream.Unpublish.Success"]

    late = video(avc(b"late", keyframe=True)) + audio(aac(b"late")) + wire.metadata(late=True)
    again = late + wire.preface() + media()
    assert feed(session, again) == [REQUEST, *MEDIA_EVENTS]


def test_frames_before_their_configuration_are_dropped():
    session = new()
    early = video(avc(b"idr", keyframe=True)) + audio(aac(b"raw"))

    assert feed(session, wire.opening() + early + wire.configs()) == [REQUEST, H264, AAC]


def test_a_repeated_configuration_is_passed_on_and_repeated_metadata_is_not():
    session = live()
    data = (wire.metadata(width=1.0) + wire.configs()) * 2 + wire.metadata(width=2.0)

    assert feed(session, data) == [
        EncoderMetadata(values={"width": 1.0}),
        H264,
        AAC,
        H264,
        AAC,
        EncoderMetadata(values={"width": 2.0}),
    ]


def test_an_aggregate_gives_its_frames():
    session = live()
    body = bytes.fromhex("08 000003 000000 00 000000") + aac(b"x") + wire.uint32(14)

    assert feed(session, wire.message(22, body, stream_id=1, time_field=70)) == [
        frame("audio", b"x", 70)
    ]


def test_an_aggregate_inside_an_aggregate_is_left_alone():
    session = live()
    body = bytes.fromhex("16 000000 000000 00 000000") + wire.uint32(11)

    assert feed(session, wire.message(22, body, stream_id=1)) == []


REJECTED = [
    # id,                       bytes after connect,                        code,                          says
    ("play",                    command("play", 4.0, None, "x"),            "NetStream.Play.Failed",       "takes streams and plays none"),
    ("no key",                  command("publish", 5.0, None),              "NetStream.Publish.Rejected",  "no stream key"),
    ("chunk size 1",            wire.set_chunk_size(1),                     "NetStream.Publish.Rejected",  "chunk size 1"),
    ("short chunk size",        wire.message(1, b"\0\0", csid=2),           "NetStream.Publish.Rejected",  "less than 4 bytes"),
    ("large message",           wire.header(0, 3, length=40_000),           "NetStream.Publish.Rejected",  "message of 40000 bytes"),
    ("command of no AMF0",      wire.message(20, b"\xff"),                  "NetStream.Publish.Rejected",  "type 255"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("data", "code", "says"), [row[1:] for row in REJECTED], ids=[row[0] for row in REJECTED]
)
def test_what_cannot_be_accepted_is_told_to_the_encoder(data, code, says):
    session = new()
    feed(session, wire.HANDSHAKE + wire.connect())
    session.data_to_send()

    with pytest.raises(PeerError, match=says) as raised:
        feed(session, data)

    [status] = statuses(session)
    assert (status["level"], status["code"]) == ("error", code)
    assert status["description"] == str(raised.value)


LIVE_REJECTED = [
    # id,                 bytes,                                       says
    ("HEVC",              video(b"\x90hvc1"),                          r"HEVC \(hvc1\) is not accepted"),
    ("MP3",               audio(b"\x2f\x00"),                          "MP3 is not accepted"),
    ("second publish",    command("publish", 5.0, None, "other"),      "publishes already"),
    ("16 MB message",     wire.header(0, 6, length=0xFFFFFF),          "message of 16777215 bytes"),
    ("broken metadata",   wire.message(18, encode("onMetaData") + b"\x03\0\x05a"), "cut off"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("data", "says"), [row[1:] for row in LIVE_REJECTED], ids=[row[0] for row in LIVE_REJECTED]
)
def test_a_live_session_ends_with_a_reason_the_encoder_hears(data, says):
    session = live()

    with pytest.raises(PeerError, match=says):
        feed(session, data)

    assert [status["level"] for status in statuses(session)] == ["error"]
    assert session.deadline_s() is None


def test_publish_before_connect_is_rejected_without_a_word():
    session = new()

    with pytest.raises(PeerError, match="publish before connect"):
        feed(session, wire.HANDSHAKE + wire.preface())

    assert b"onStatus" not in session.data_to_send()


def test_strangers_may_not_send_much_before_a_publish():
    session = new()
    feed(session, wire.HANDSHAKE + wire.connect())

    feed(session, wire.message(8, bytes(1000)) * 60)
    with pytest.raises(LimitError, match="65536 bytes before a publish"):
        feed(session, wire.message(8, bytes(1000)) * 10)


def test_messages_have_a_rate_and_a_burst():
    session = live()
    feed(session, wire.message(3, b""))
    flood = wire.header(3, 3)  # empty messages, one byte each

    feed(session, flood * (MESSAGES_BURST - 100))
    feed(session, flood * 4000, now_s=101.0)
    with pytest.raises(LimitError, match="4000 messages a second"):
        feed(session, flood * 200, now_s=101.0)


def test_large_messages_are_accepted_once_a_key_was():
    session = live()
    key_frame = bytes(2_000_000)
    data = wire.set_chunk_size(60_000) + video(avc(key_frame, keyframe=True), 40, 60_000)

    assert feed(session, data, 64_000) == [frame("video", key_frame, 40)]


def test_acknowledgements_follow_the_encoder_s_window():
    session = live()
    feed(session, wire.message(5, wire.uint32(1000), csid=2))
    feed(session, audio(aac(bytes(900))))

    [ack] = answers(session)
    assert ack.type_id == 3
    assert int.from_bytes(ack.body, "big") > 1000


def test_a_window_of_zero_keeps_the_usual_one():
    session = live()
    feed(session, wire.message(5, wire.uint32(0), csid=2) + audio(aac(bytes(900))))

    assert session.data_to_send() == b""


def test_ping_and_bandwidth_are_answered():
    session = live()
    feed(
        session,
        wire.message(4, bytes.fromhex("0006 0000002a"), csid=5, stream_id=1)
        + wire.message(6, wire.uint32(5000) + b"\x02", csid=2),
    )

    pong, window = answers(session)
    assert (pong.type_id, pong.body) == (4, bytes.fromhex("0007 0000002a"))
    assert (window.type_id, window.body) == (5, wire.uint32(5000))


IGNORED = [
    ("acknowledgement", wire.message(3, wire.uint32(9), csid=2)),
    ("buffer length", wire.message(4, bytes.fromhex("0003 00000001 00000bb8"), csid=2)),
    ("user control 31", wire.message(4, bytes.fromhex("001f 00000001"), csid=2)),
    ("short user control", wire.message(4, b"\0", csid=2)),
    ("shared object", wire.message(19, b"\xff")),
    ("unknown type", wire.message(99, b"\xff")),
    ("cue point", wire.message(18, encode("onCuePoint") + b"\xff", stream_id=1)),
]


@pytest.mark.parametrize("data", [row[1] for row in IGNORED], ids=[row[0] for row in IGNORED])
def test_what_no_stream_needs_is_ignored(data):
    session = live()

    assert feed(session, data + audio(aac(b"x"), 9)) == [frame("audio", b"x", 9)]
    assert session.data_to_send() == b""


def test_an_abort_drops_the_message_it_names():
    session = live()
    start = wire.header(0, 6, length=200, type_id=9, stream_id=1) + avc(bytes(123))

    assert feed(session, start + wire.message(2, wire.uint32(6), csid=2)) == []
    assert feed(session, video(avc(b"p"), 7)) == [frame("video", b"p", 7, keyframe=False)]


SLOW = [
    # id,             bytes,                              deadline, says
    ("no handshake",  b"",                                110.0,    "handshake not finished within 10 s"),
    ("no C2",         wire.C0C1,                          110.0,    "handshake not finished within 10 s"),
    ("no publish",    wire.HANDSHAKE + wire.connect(),    110.0,    "no publish within 10 s"),
    ("no media",      wire.opening(),                     130.0,    "no media for 30 s"),
    ("no republish",  wire.opening() + wire.ending(),     110.0,    "no publish within 10 s"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("data", "deadline_s", "says"), [row[1:] for row in SLOW], ids=[row[0] for row in SLOW]
)
def test_slow_and_silent_encoders_run_into_a_deadline(data, deadline_s, says):
    session = new()
    feed(session, data, step=1)

    assert session.deadline_s() == deadline_s
    session.handle_timeout(deadline_s - 0.1)
    with pytest.raises(LimitError, match=says):
        session.handle_timeout(deadline_s)
    assert session.deadline_s() is None
    session.handle_timeout(deadline_s + 100)


def test_only_frames_move_the_deadline():
    session = live()
    feed(session, wire.configs() + wire.metadata(width=3.0), now_s=110.0)
    assert session.deadline_s() == 130.0

    feed(session, audio(aac(b"x")), now_s=120.0)
    assert session.deadline_s() == 150.0


def test_no_deadline_runs_while_the_publish_waits_for_our_answer():
    session = new()
    session.receive_data(wire.opening(), 100.0)

    assert session.deadline_s() is None


def test_the_server_may_end_a_publish_and_says_why_once():
    session = live()

    session.end_publish("NetStream.Unpublish.Success", "The stream was stopped.")
    session.end_publish("NetStream.Unpublish.Success", "Again.")

    assert statuses(session) == [
        {
            "level": "status",
            "code": "NetStream.Unpublish.Success",
            "description": "The stream was stopped.",
        }
    ]


def test_ending_before_connect_says_nothing():
    session = new()
    session.end_publish("NetStream.Unpublish.Success", "Bye.")

    assert session.data_to_send() == b""


def test_answering_without_being_asked_is_our_bug():
    with pytest.raises(RuntimeError, match="no publish waits"):
        live().accept_publish()
    with pytest.raises(RuntimeError, match="no publish waits"):
        new().refuse_publish("NetStream.Publish.Denied", "No.")


def drive(session, data, step):
    """Feed anything; only peer errors may come out."""
    try:
        feed(session, data, step)
    except PeerError:
        session.data_to_send()


@settings(max_examples=80)
@given(st.binary(max_size=400), st.integers(1, 400))
def test_any_bytes_after_the_handshake_give_events_or_a_peer_error(data, step):
    drive(new(), wire.HANDSHAKE + data, max(step, 50))


@settings(max_examples=80)
@given(
    st.sampled_from(sorted(ENCODERS)),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=8),
    st.integers(200, 5000),
)
def test_a_damaged_session_gives_events_or_a_peer_error(encoder, damage, step):
    data = bytearray(ENCODERS[encoder])
    for where, value in damage:
        data[int(3073 + where * (len(data) - 3074))] = value

    drive(new(), bytes(data), step)


@settings(max_examples=80)
@given(st.lists(st.tuples(st.integers(0, 24), st.binary(max_size=40)), max_size=12))
def test_any_messages_of_a_live_encoder_give_events_or_a_peer_error(messages):
    drive(live(), b"".join(wire.message(*each, stream_id=1) for each in messages), 1000)
