import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.core.encoded import CodecConfig, EncodedFrame
from headwater.core.errors import MediaError, PeerError
from headwater.ingest.rtmp.amf0 import encode
from headwater.ingest.rtmp.flv import (
    MAX_METADATA_CHARS,
    MAX_METADATA_VALUES,
    read_audio,
    read_metadata,
    read_video,
    split_aggregate,
)
from headwater.ingest.rtmp.message import Message
from ingest.rtmp.wire import AAC_CONFIG, AVC_CONFIG, aac, avc


def tag(type_id, body, time_ms=0):
    return Message(type_id=type_id, stream_id=1, timestamp_ms=time_ms, body=body)


def frame(kind, data, *, keyframe=True, offset_ms=0):
    return EncodedFrame(
        kind=kind,
        timestamp_ms=40,
        composition_offset_ms=offset_ms,
        keyframe=keyframe,
        data=data,
    )


H264 = CodecConfig(kind="video", codec="h264", data=AVC_CONFIG)
AAC = CodecConfig(kind="audio", codec="aac", data=AAC_CONFIG)

VIDEO = [
    # id,                           body,                                          item
    ("sequence header",             avc(AVC_CONFIG, packet_type=0, keyframe=True), H264),
    ("key frame",                   avc(b"idr", keyframe=True),                    frame("video", b"idr")),
    ("inter frame",                 avc(b"p"),                                     frame("video", b"p", keyframe=False)),
    ("disposable frame",            bytes.fromhex("37 01 000000") + b"b",          frame("video", b"b", keyframe=False)),
    ("positive composition offset", avc(b"p", offset_ms=80),                       frame("video", b"p", keyframe=False, offset_ms=80)),
    ("R-62 negative offset",        avc(b"p", offset_ms=-40),                      frame("video", b"p", keyframe=False, offset_ms=-40)),
    ("end of sequence",             bytes.fromhex("17 02 000000"),                 None),
    ("short end of sequence",       bytes.fromhex("17 02"),                        None),
    ("R-57 empty tag",              b"",                                           None),
    ("R-57 no NAL units",           avc(b""),                                      None),
    ("empty sequence header",       avc(b"", packet_type=0),                       None),
    ("info frame",                  bytes.fromhex("57 00"),                        None),
    ("R-59 enhanced configuration", b"\x90avc1" + AVC_CONFIG,                      H264),
    ("enhanced key frame",          b"\x91avc1" + bytes.fromhex("000050") + b"i",  frame("video", b"i", offset_ms=80)),
    ("enhanced, negative offset",   b"\xa1avc1" + bytes.fromhex("ffffd8") + b"p",  frame("video", b"p", keyframe=False, offset_ms=-40)),
    ("enhanced, without an offset", b"\xa3avc1p",                                  frame("video", b"p", keyframe=False)),
    ("enhanced, no NAL units",      b"\xa3avc1",                                   None),
    ("enhanced end of sequence",    b"\x92avc1",                                   None),
    ("enhanced colour metadata",    b"\x94avc1\x02\0\x09colorInfo",                None),
    ("enhanced info frame",         b"\xd0\0",                                     None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "item"), [row[1:] for row in VIDEO], ids=[row[0] for row in VIDEO]
)
def test_video_tags_read(body, item):
    assert read_video(tag(9, body, 40)) == item


AUDIO = [
    # id,                        body,               item
    ("sequence header",          aac(AAC_CONFIG, 0), AAC),
    ("frame",                    aac(b"raw"),        frame("audio", b"raw")),
    ("mono and low rate flags",  b"\xa0\x01raw",     frame("audio", b"raw")),
    ("R-57 empty tag",           b"",                None),
    ("no data",                  aac(b""),           None),
    ("R-56 empty header",        aac(b"", 0),        None),
    ("unknown packet type",      aac(b"raw", 7),     None),
    ("enhanced sequence header", b"\x90mp4a" + AAC_CONFIG, AAC),
    ("enhanced frame",           b"\x91mp4araw",     frame("audio", b"raw")),
    ("enhanced end of sequence", b"\x92mp4a",        None),
    ("enhanced channel order",   b"\x94mp4a\x01\x02\0\0\0\x03", None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "item"), [row[1:] for row in AUDIO], ids=[row[0] for row in AUDIO]
)
def test_audio_tags_read(body, item):
    assert read_audio(tag(8, body, 40)) == item


REFUSED = [
    # id,                 reader,     body,                     says
    ("H.263",             read_video, b"\x12\x00",              "Sorenson H.263"),
    ("VP6",               read_video, b"\x14\x00",              "VP6"),
    ("HEVC as 12",        read_video, b"\x1c\x00",              "HEVC"),
    ("unknown video",     read_video, b"\x1f\x00",              "number 15"),
    ("E-RTMP HEVC",       read_video, b"\x90hvc1",              r"HEVC \(hvc1\)"),
    ("E-RTMP AV1",        read_video, b"\x91av01\0\0\0",        r"AV1 \(av01\)"),
    ("E-RTMP unknown",    read_video, b"\x90zz\x00\x01",        r"'zz\?\?' \(enhanced RTMP\)"),
    ("MP3",               read_audio, b"\x2f\x00",              "MP3"),
    ("Speex",             read_audio, b"\xb2\x00",              "Speex"),
    ("G.711",             read_audio, b"\x72\x00",              "G.711 A-law"),
    ("unknown audio",     read_audio, b"\xc2\x00",              "number 12"),
    ("E-RTMP Opus",       read_audio, b"\x90Opus",              r"Opus \(Opus\)"),
    ("E-RTMP ModEx",      read_audio, b"\x97\x00",              "enhanced RTMP packet type 7"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("reader", "body", "says"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_other_codecs_are_refused_by_name(reader, body, says):
    kind = "video" if reader is read_video else "audio"

    with pytest.raises(
        MediaError, match=f"{kind} codec .*{says} is not accepted: only H.264"
    ) as no:
        reader(tag(0, body))
    assert not no.value.is_multitrack


SEVERAL_TRACKS = [
    # id,                   reader,     body
    ("one of many",         read_video, b"\x96\x00avc1\x01"),
    ("many in one",         read_video, b"\x96\x10avc1\x00"),
    ("many codecs",         read_video, b"\x96\x20avc1\x00"),
    ("sound",               read_audio, b"\x95\x00mp4a\x01"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("reader", "body"), [row[1:] for row in SEVERAL_TRACKS], ids=[row[0] for row in SEVERAL_TRACKS]
)
def test_several_tracks_are_refused_as_such(reader, body):
    with pytest.raises(MediaError, match=r"multitrack .* is not accepted: send one track") as no:
        reader(tag(0, body))
    assert no.value.is_multitrack


CUT_OFF = [
    ("video of 1 byte", read_video, b"\x17"),
    ("video of 4 bytes", read_video, b"\x17\x01\x00\x00"),
    ("audio of 1 byte", read_audio, b"\xaf"),
    ("enhanced video without its offset", read_video, b"\x91avc1\0\0"),
]


@pytest.mark.parametrize(
    ("reader", "body"), [row[1:] for row in CUT_OFF], ids=[row[0] for row in CUT_OFF]
)
def test_tags_without_their_header_are_rejected(reader, body):
    with pytest.raises(PeerError, match="cut off"):
        reader(tag(0, body))


VALUES = {"width": 1920.0, "encoder": "OBS", "stereo": True}

METADATA = [
    # id,                     type, body,                                                 values
    ("with @setDataFrame",    18,   encode("@setDataFrame", "onMetaData", VALUES),        VALUES),
    ("without",               18,   encode("onMetaData", VALUES),                         VALUES),
    ("AMF3 wrapper",          15,   b"\0" + encode("onMetaData", VALUES),                 VALUES),
    ("codec id as text",      18,   encode("onMetaData", {"videocodecid": "avc1"}),       {"videocodecid": "avc1"}),
    ("R-49 empty",            18,   encode("onMetaData", {}),                             {}),
    ("nested values left out", 18,  encode("onMetaData", {"a": [1.0], "b": {}, "c": None, "d": 1.0}), {"d": 1.0}),
    ("no values",             18,   encode("onMetaData"),                                 None),
    ("values are a number",   18,   encode("onMetaData", 1.0),                            None),
    ("R-41 empty message",    18,   b"",                                                  None),
    ("R-41 text data",        18,   encode("onTextData", {"text": "x"}),                  None),
    ("only @setDataFrame",    18,   encode("@setDataFrame"),                              None),
    ("not read any further",  18,   encode("onCuePoint") + b"\xff\xff",                   None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("type_id", "body", "values"), [row[1:] for row in METADATA], ids=[row[0] for row in METADATA]
)
def test_metadata_reads_in_the_forms_encoders_send(type_id, body, values):
    found = read_metadata(tag(type_id, body))

    assert (found and found.values) == values


def test_metadata_is_bounded():
    values = {f"{index:03}" + "n" * 300: "v" * 300 for index in range(100)}
    found = read_metadata(tag(18, encode("onMetaData", values))).values

    assert len(found) == MAX_METADATA_VALUES
    assert {len(name) for name in found} == {MAX_METADATA_CHARS}
    assert {len(value) for value in found.values()} == {MAX_METADATA_CHARS}


def flv_tag(type_id, body, time_ms):
    time = (time_ms & 0xFFFFFF).to_bytes(3, "big") + bytes([time_ms >> 24])
    head = bytes([type_id]) + len(body).to_bytes(3, "big") + time + bytes(3)
    return head + body + (11 + len(body)).to_bytes(4, "big")


def test_an_aggregate_s_times_move_onto_its_own():
    body = flv_tag(8, b"a", 0x0100_0000) + flv_tag(9, b"v", 0x0100_0021)

    inner = list(split_aggregate(tag(22, body, time_ms=500)))

    assert [(each.type_id, each.timestamp_ms, each.body) for each in inner] == [
        (8, 500, b"a"),
        (9, 533, b"v"),
    ]


def test_an_aggregate_that_is_cut_off_is_rejected():
    body = flv_tag(8, b"sound", 0)

    with pytest.raises(PeerError, match="aggregate message is cut off"):
        list(split_aggregate(tag(22, body[:12])))


@given(st.sampled_from([read_video, read_audio, read_metadata, split_aggregate]), st.binary())
def test_any_body_gives_items_or_a_peer_error(reader, body):
    try:
        found = reader(tag(18, body))
        if reader is split_aggregate:
            list(found)
    except PeerError:
        pass
