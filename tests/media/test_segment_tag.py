import json

from headwater.media.segment_tag import segment_tag
from media.readers import id3_frames


def test_the_tag_has_what_the_ivs_player_takes_its_latency_from():
    tag = segment_tag(
        msn=17, received_ms=1_767_323_045_678, sent_ms=1_767_323_046_012, offset_ms=34_016
    )

    frames = id3_frames(tag)
    assert frames[:3] == [
        (b"TRCK", b"\x0317\x00"),
        (b"TDEN", b"\x032026-01-02T03:04:06\x00"),
        (b"TDTG", b"\x032026-01-02T03:04:06\x00"),
    ]
    kind, content = frames[3]
    assert kind == b"TXXX"
    assert content.startswith(b"\x03segmentmetadata\x00{")
    assert json.loads(content[17:-1]) == {
        "cmd": "ld_lat_data",
        "ingest_r": 1_767_323_045_678,
        "ingest_s": 1_767_323_045_678,
        "stream_offset": 34.016,
        "transc_r": 1_767_323_045_678,
        "transc_s": 1_767_323_046_012,
    }
